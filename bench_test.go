package azidentity_test

import (
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// BenchmarkGetToken is a token that is in memory. Module bench compares.
func BenchmarkGetToken(b *testing.B) {
	_, o := emulate(b, nil)
	cred, err := azidentity.NewClientSecretCredential(entratest.DefaultTenantID, entratest.DefaultClientID, entratest.DefaultClientSecret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: o})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cred.GetToken(b.Context(), armToken); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOnBehalfOfAnew is a web API that constructs a credential for a request of
// a user whose token is in memory.
func BenchmarkOnBehalfOfAnew(b *testing.B) {
	e, o := emulate(b, nil)
	user := userToken(b, e, entratest.DefaultUsername)
	options := &azidentity.OnBehalfOfCredentialOptions{ClientOptions: o}
	anew(b, func() (azcore.TokenCredential, error) {
		return azidentity.NewOnBehalfOfCredentialWithSecret(tenantID, clientID, user, goodKey, options)
	})
}

// BenchmarkClientSecretAnew is a program that constructs a credential for each of
// its requests, and whose token is in memory.
func BenchmarkClientSecretAnew(b *testing.B) {
	_, o := emulate(b, nil)
	options := &azidentity.ClientSecretCredentialOptions{ClientOptions: o}
	anew(b, func() (azcore.TokenCredential, error) {
		return azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, options)
	})
}

func anew(b *testing.B, construct func() (azcore.TokenCredential, error)) {
	b.ReportAllocs()
	for b.Loop() {
		c, err := construct()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.GetToken(b.Context(), armToken); err != nil {
			b.Fatal(err)
		}
	}
}
