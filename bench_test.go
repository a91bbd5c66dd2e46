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

// BenchmarkOnBehalfOfAnew is a web API that constructs a credential for a request of
// a user whose token is in memory.
func BenchmarkOnBehalfOfAnew(b *testing.B) {
	e, o := emulate(b, nil)
	user := userToken(b, e, entratest.DefaultUsername)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := oboCred(b, o, user).GetToken(b.Context(), armToken); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClientSecretAnew is a program that constructs a credential for each of
// its requests, and whose token is in memory.
func BenchmarkClientSecretAnew(b *testing.B) {
	_, o := emulate(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := secretCred(b, goodKey, o).GetToken(b.Context(), armToken); err != nil {
			b.Fatal(err)
		}
	}
}
