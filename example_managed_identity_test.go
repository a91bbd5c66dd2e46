package azidentity_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// A program that runs on virtual machines in Azure and on laptops: outside of
// Azure, a probe that nobody answers costs a second at most.
func ExampleNewManagedIdentityCredential_inAChain() {
	emulator, options := offline()
	emulator.Inject(entratest.Fault{Endpoint: entratest.EndpointIMDS, Reset: true}) // this is a laptop

	identity, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
		ClientOptions: options,
		ProbeFirst:    true,
	})
	if err != nil {
		log.Fatal(err)
	}
	secret, err := azidentity.NewClientSecretCredential(
		entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: options})
	if err != nil {
		log.Fatal(err)
	}
	chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{identity, secret}, nil)
	if err != nil {
		log.Fatal(err)
	}
	show(chain)
	// Output: a token with 3 parts
}

// In a pod with workload identity, the identity is the pod's and not its node's.
func ExampleNewManagedIdentityCredential_inAPod() {
	emulator, options := offline()
	dir, err := os.MkdirTemp("", "pod")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "token")
	if err := emulator.WriteServiceAccountToken(file, entratest.DefaultFederatedSubject); err != nil {
		log.Fatal(err)
	}
	for name, value := range map[string]string{ // as the webhook sets them
		"AZURE_TENANT_ID": entratest.DefaultTenantID, "AZURE_CLIENT_ID": entratest.DefaultClientID, "AZURE_FEDERATED_TOKEN_FILE": file,
	} {
		_ = os.Setenv(name, value)
		defer os.Unsetenv(name)
	}
	for _, nodes := range []bool{false, true} {
		cred, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
			ClientOptions:        options,
			DisableTokenExchange: nodes,
		})
		if err != nil {
			log.Fatal(err)
		}
		show(cred)
	}
	fmt.Println(emulator.CountRequests(entratest.EndpointToken), "request to Entra ID,", emulator.CountRequests(entratest.EndpointIMDS), "to the node")
	// Output:
	// a token with 3 parts
	// a token with 3 parts
	// 1 request to Entra ID, 1 to the node
}

// A sidecar hands out tokens at an address that is the same in every pod. What it
// answers, or that it does not, is judged as the metadata service's answers are.
type sidecarCredential struct{ transport policy.Transporter }

func (c sidecarCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	for {
		answer := azidentity.TokenHostAnswer{Credential: "SidecarCredential", WellKnown: true, Asked: time.Now()}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:9090/token?scope="+opts.Scopes[0], nil)
		if err != nil {
			return azcore.AccessToken{}, err
		}
		if response, err := c.transport.Do(r); err == nil {
			answer.StatusCode, answer.Header = response.StatusCode, response.Header
			answer.Body, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
			response.Body.Close()
			if err != nil {
				return azcore.AccessToken{}, err
			}
		}
		verdict := answer.Judge()
		if !verdict.Retry || verdict.RetryAfter == 0 {
			return verdict.Token, verdict.Err
		}
		select {
		case <-time.After(verdict.RetryAfter):
		case <-ctx.Done():
			return azcore.AccessToken{}, ctx.Err()
		}
	}
}

func ExampleTokenHostAnswer_Judge() {
	emulator, options := offline()
	emulator.Inject(entratest.Fault{Status: 403, Body: "<html>blocked by a proxy</html>"})
	_, err := sidecarCredential{options.Transport}.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"api://stock"}})
	fmt.Println(err)
	fmt.Println("a chain goes on:", azidentity.IsCredentialUnavailable(err))

	granted := azidentity.TokenHostAnswer{StatusCode: 200, Body: []byte(`{"access_token":"not-a-token","expires_in":"3600"}`)}
	fmt.Println(granted.Judge().Err)
	busy := azidentity.TokenHostAnswer{Credential: "SidecarCredential", StatusCode: 429, Header: http.Header{"Retry-After": {"7"}}}
	fmt.Println(busy.Judge().Err)
	fmt.Println("again in", busy.Judge().RetryAfter)
	// Output:
	// SidecarCredential: the token host answered 403 Forbidden: what answers is not the service
	// a chain goes on: true
	// <nil>
	// SidecarCredential: the token host answered 429 Too Many Requests: the endpoint refuses
	// again in 7s
}
