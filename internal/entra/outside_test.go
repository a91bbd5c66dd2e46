package entra_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/entra"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://dev.azure.com/o/p?a=b":           "",
		"http://localhost:1/x":                    "",
		"http://127.0.0.1/x":                      "",
		"http://[::1]:8080/x":                     "",
		"http://localhost.example/x":              "in the clear",
		"http://169.254.169.254/x?hidden=word":    "in the clear",
		"https://user:hidden@host/":               "user name",
		"ftp://host/":                             "scheme",
		"https:opaque":                            "not a URL",
		"":                                        "not a URL",
		"/path":                                   "not a URL",
		"https://a b/?hidden":                     "not a URL",
		"javascript://host/%0ahidden(document.x)": "scheme",
	} {
		err := entra.CheckURL(address)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden")):
			t.Errorf("%s: got %v, want %q in it", address, err, want)
		}
	}
}

// FuzzAssertionAnswer checks that an answer of an outside issuer becomes an
// assertion or an error, never both or neither, and that what came with a
// success is quoted nowhere.
func FuzzAssertionAnswer(f *testing.F) {
	for _, seed := range []struct {
		status       int
		body, member string
	}{
		{200, `{"oidcToken":"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}`, "oidcToken"},
		{200, `{"value":"a.b.c","count":1}`, "value"},
		{200, `{"data":{"token":"a.b.c"}}`, "data.token"},
		{200, "a.b.c\n", ""},
		{200, "\xef\xbb\xbf{\"oidcToken\":null}", "oidcToken"},
		{200, "<html><title>Azure DevOps Services | Sign In</title>", "oidcToken"},
		{203, "<html><title>Azure DevOps Services | Sign In</title>", "oidcToken"},
		{302, "", "oidcToken"},
		{401, `{"$id":"1","message":"TF400813: The user is not authorized.","typeKey":"x","errorCode":0}`, "oidcToken"},
		{405, `{"message":"The requested resource does not support http method 'GET'."}`, "oidcToken"},
		{400, `{"error":{"message":"x"}}`, "value"},
		{500, `{"message":"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}`, ""},
		{200, `{"oidcToken":"`, "."},
	} {
		f.Add(seed.status, seed.body, seed.member)
	}
	f.Fuzz(func(t *testing.T, status int, body, member string) {
		jwt, err := entra.DecodeAssertion(status, http.Header{}, []byte(body), member)
		if (jwt == "") == (err == nil) {
			t.Fatalf("got %q and %v", jwt, err)
		}
		if err == nil {
			if status != 200 || strings.TrimSpace(jwt) != jwt {
				t.Errorf("status %d gave %q", status, jwt)
			}
			return
		}
		var e *entra.Error
		if !errors.As(err, &e) || e.Problem == "" || e.Code != "" {
			t.Fatalf("got %#v", err)
		}
		if status == 200 && (e.Body != nil || e.Description != "") {
			t.Errorf("a success is quoted: %q %q", e.Body, e.Description)
		}
		if strings.ContainsAny(e.Description, "\n\r\x1b") {
			t.Errorf("the words are not fit to be shown: %q", e.Description)
		}
		if strings.Contains(e.Description+string(e.Body), "eyJhbGciOiJSUzI1NiJ9") {
			t.Error("a token is quoted")
		}
	})
}
