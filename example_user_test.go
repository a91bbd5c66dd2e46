package azidentity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

func ExampleNewInteractiveBrowserCredential() {
	emulator, options := offline()
	cred, err := azidentity.NewInteractiveBrowserCredential(&azidentity.InteractiveBrowserCredentialOptions{
		ClientOptions: options,
		OpenBrowser:   newBrowser(emulator).open, // without this, the system's browser opens
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output: a token with 3 parts
}

func ExampleNewDeviceCodeCredential() {
	emulator, options := offline()
	cred, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
		ClientOptions: options,
		UserPrompt: func(_ context.Context, m azidentity.DeviceCodeMessage) error {
			fmt.Println("Open", m.VerificationURL, "and enter a code of", len(m.UserCode), "characters.")
			// A person does that on any device; here the emulator plays the person.
			return emulator.ApproveDeviceCode(m.UserCode, entratest.DefaultUsername, entratest.SignIn{MFA: true})
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output:
	// Open https://login.microsoftonline.com/devicelogin and enter a code of 9 characters.
	// a token with 3 parts
}

func ExampleNewUsernamePasswordCredential() {
	_, options := offline()
	cred, err := azidentity.NewUsernamePasswordCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultUsername, entratest.DefaultPassword,
		&azidentity.UsernamePasswordCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	defer cred.Close()
	show(cred)
	// Output: a token with 3 parts
}

// A program that asks when it suits, and keeps the record of who signed in.
func ExampleAuthenticationRequiredError() {
	emulator, clientOptions := offline()
	options := azidentity.InteractiveBrowserCredentialOptions{
		ClientOptions:                  clientOptions,
		DisableAutomaticAuthentication: true,
		OpenBrowser:                    newBrowser(emulator).open,
	}
	cred, err := azidentity.NewInteractiveBrowserCredential(&options)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	_, err = cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
	var required *azidentity.AuthenticationRequiredError
	if !errors.As(err, &required) {
		log.Fatal(err)
	}
	record, err := cred.Authenticate(ctx, &required.TokenRequestOptions)
	if err != nil {
		log.Fatal(err)
	}
	text, err := json.Marshal(record) // no secret: it may go to a file
	if err != nil {
		log.Fatal(err)
	}
	if err := json.Unmarshal(text, &options.AuthenticationRecord); err != nil {
		log.Fatal(err)
	}
	again, err := azidentity.NewInteractiveBrowserCredential(&options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(record.Username)
	show(again) // nobody is asked
	// Output:
	// user@emulator.example.com
	// a token with 3 parts
}
