//go:build interop

package interop_test

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// TestRecords has every library sign the same user in and write down who it was. Ours
// reads each record and finds its own tokens by it, and each reads ours.
func TestRecords(t *testing.T) {
	e := startEmulator(t, "application", "--seed", writeSeed(t, &entratest.Config{
		Tenants:     []entratest.Tenant{entratest.DefaultTenant()},
		DeviceCodes: entratest.DeviceCodes{Interval: time.Second},
	}))
	do := ask{
		Credential: "deviceCode", Then: thenRecord, ScopeBefore: "api://interop/records/.default",
		Authority: e.authority, Tenant: entratest.DefaultTenantID, Client: entratest.DeveloperClientID, Username: entratest.DefaultUsername,
	}
	options := azidentity.DeviceCodeCredentialOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: e.goClient(t), // credentials with a client in common have their tokens in common
			Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: e.authority},
		},
		ClientID: do.Client, TenantID: do.Tenant, DisableInstanceDiscovery: true,
		UserPrompt: func(_ context.Context, m azidentity.DeviceCodeMessage) error { return e.decide(do, m.UserCode) },
	}
	cred, err := azidentity.NewDeviceCodeCredential(&options)
	if err != nil {
		t.Fatal(err)
	}
	scopes := policy.TokenRequestOptions{Scopes: []string{do.ScopeBefore}}
	ours, err := cred.Authenticate(t.Context(), &scopes)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := url.Parse(e.authority)
	if err != nil {
		t.Fatal(err)
	}
	if ours.Authority != authority.Host || ours.Username != do.Username || ours.TenantID != do.Tenant || ours.ClientID != do.Client || ours.HomeAccountID == "" {
		t.Errorf("our record is %+v", ours)
	}
	text, err := json.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	read := func(t *testing.T, text string) (record azidentity.AuthenticationRecord) {
		if err := json.Unmarshal([]byte(text), &record); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return record
	}
	for _, p := range peers {
		if p.name == pythonAIOPeer {
			continue // it has no credentials for people
		}
		t.Run(p.name, func(t *testing.T) {
			tell := p.start(t, e)
			got := tell(t, do)
			if got.Error != "" {
				t.Fatal(got.Error)
			}
			theirs := read(t, got.Record)
			if theirs != ours {
				t.Errorf("got %+v, ours is %+v", theirs, ours)
			}
			options := options
			options.AuthenticationRecord, options.DisableAutomaticAuthentication = theirs, true
			cred, err := azidentity.NewDeviceCodeCredential(&options)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := cred.GetToken(t.Context(), scopes); err != nil {
				t.Errorf("by the record: %v", err)
			}

			got = tell(t, ask{Credential: "record", Record: string(text)})
			if got.Error != "" {
				t.Fatalf("reading ours: %s", got.Error)
			}
			if again := read(t, got.Record); again != ours {
				t.Errorf("reading ours, it got %s", got.Record)
			}
		})
	}
}
