package azidentity_test

import (
	"testing"

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
