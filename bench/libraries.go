package main

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	microsoft "github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	ours "github.com/azid-go/azidentity"
)

// A library makes credentials, for an application itself and on behalf of a user. Every measurement is written once, against this
// and azcore.TokenCredential, and taken of both.
type library struct {
	name string
	new  func(*authority, config) (azcore.TokenCredential, error)
	obo  func(a *authority, c config, assertion string) (azcore.TokenCredential, error)
}

// A config is what measurements vary in a credential.
type config struct {
	clientID string
	// isolated keeps tokens to the credential in the library that shares
	// them, so that they are gone when the credential is.
	isolated bool
	memory   *ours.TokenMemory // nil in Microsoft's
}

const (
	home   = 1 // kinds of guid
	guests = 2
	client = 3
	user   = 4
)

var homeTenant = guid(home, 1)

var libraries = struct{ ours, microsoft library }{
	ours: library{name: "ours", new: func(a *authority, c config) (azcore.TokenCredential, error) {
		return ours.NewClientSecretCredential(homeTenant, c.clientID, "secret", &ours.ClientSecretCredentialOptions{
			ClientOptions:              azcore.ClientOptions{Transport: a},
			AdditionallyAllowedTenants: []string{"*"},
			Tokens:                     ours.TokenOptions{Isolated: c.isolated},
		})
	}, obo: func(a *authority, c config, assertion string) (azcore.TokenCredential, error) {
		return ours.NewOnBehalfOfCredentialWithSecret(homeTenant, c.clientID, assertion, "secret", &ours.OnBehalfOfCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: a},
			Tokens:        ours.TokenOptions{Memory: c.memory},
		})
	}},
	microsoft: library{name: "microsoft", new: func(a *authority, c config) (azcore.TokenCredential, error) {
		return microsoft.NewClientSecretCredential(homeTenant, c.clientID, "secret", &microsoft.ClientSecretCredentialOptions{
			ClientOptions:              azcore.ClientOptions{Transport: a},
			AdditionallyAllowedTenants: []string{"*"},
		})
	}, obo: func(a *authority, c config, assertion string) (azcore.TokenCredential, error) {
		return microsoft.NewOnBehalfOfCredentialWithSecret(homeTenant, c.clientID, assertion, "secret", &microsoft.OnBehalfOfCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: a},
		})
	}},
}

// both is the libraries in the order in which they are measured.
var both = []library{libraries.ours, libraries.microsoft}

var armScope = []string{"https://management.azure.com/.default"}

// request returns what asks for a token in tenant; empty is the home tenant.
func request(tenant string) policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: armScope, TenantID: tenant}
}

// ask gets one token and drops it. Its context is one that can end, as those
// of a server's requests are.
func ask(cred azcore.TokenCredential, o policy.TokenRequestOptions) error {
	_, err := cred.GetToken(running, o)
	return err
}

// running ends when the process does.
var running, _ = context.WithCancel(context.Background())

// fill gets a token in each of the guest tenants from first up to end.
func fill(cred azcore.TokenCredential, first, end int) error {
	for i := first; i < end; i++ {
		if err := ask(cred, request(guid(guests, i))); err != nil {
			return err
		}
	}
	return nil
}
