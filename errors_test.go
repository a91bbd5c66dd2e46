package azidentity_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/loopback"
)

// Pain 64: everything that Entra says is in fields, and the text says who,
// what, why and what next.
func TestPain64RefusedSecret(t *testing.T) {
	t.Parallel()
	_, o := emulate(t, nil)
	_, err := secretCred(t, "wrong~secret", o).GetToken(t.Context(), armToken)
	var e *azidentity.AuthenticationFailedError
	if !errors.As(err, &e) {
		t.Fatalf("got %T, want *AuthenticationFailedError", err)
	}
	if e.Code != "invalid_client" || !slices.Contains(e.AADSTSCodes(), 7000215) ||
		e.CorrelationID == "" || e.TraceID == "" || time.Since(e.Timestamp).Abs() > time.Minute {
		t.Errorf("fields: %+v", *e)
	}
	lines := strings.Split(err.Error(), "\n")
	if want := "ClientSecretCredential: Entra ID refused the secret of application " + clientID + " in tenant " + tenantID + " (AADSTS7000215, invalid_client)"; lines[0] != want {
		t.Errorf("got first line %q, want %q", lines[0], want)
	}
	for _, want := range []string{"\n  Entra ID said: AADSTS7000215", "\n  Next: ", "az ad app credential list --id " + clientID, "\n  Correlation ID " + e.CorrelationID} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	if e.RawResponse.StatusCode != 401 || e.RawResponse.Request == nil || e.RawResponse.Request.Body != nil {
		t.Errorf("RawResponse: %+v", e.RawResponse)
	}
	var body map[string]any
	if err := json.NewDecoder(e.RawResponse.Body).Decode(&body); err != nil || body["error"] != "invalid_client" {
		t.Errorf("the body of RawResponse: %v, %v", body, err)
	}
}

// Callers who share a request each get an answer of their own to read.
func TestErrorsAreNotSharedByCallers(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	e.Inject(entratest.Fault{Code: 53003, Claims: `{"access_token":{"acrs":{"essential":true,"value":"c1"}}}`, Latency: 50 * time.Millisecond})
	c := secretCred(t, goodKey, o)
	bodies := make(chan int, 8)
	for range cap(bodies) {
		go func() {
			_, err := c.GetToken(t.Context(), armToken)
			var failed *azidentity.AuthenticationFailedError
			if !errors.As(err, &failed) || !strings.Contains(failed.Claims, "acrs") {
				t.Errorf("got %v, want the claims in the error", err)
				bodies <- 0
				return
			}
			b, _ := io.ReadAll(failed.RawResponse.Body)
			bodies <- len(b)
		}()
	}
	for range cap(bodies) {
		if n := <-bodies; n < 100 {
			t.Errorf("a caller read %d bytes of the answer", n)
		}
	}
}

// On a federation mismatch the error shows what was presented, not the token.
func TestFederationMismatchShowsTheClaims(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	var presented string
	c, err := azidentity.NewClientAssertionCredential(tenantID, clientID, func(context.Context) (string, error) {
		var err error
		presented, err = e.FederatedAssertion("repo:other/repo")
		return presented, err
	}, &azidentity.ClientAssertionCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.GetToken(t.Context(), armToken)
	if err == nil || !strings.Contains(err.Error(), "repo:other/repo") || !strings.Contains(err.Error(), e.FederatedIssuer()) ||
		!strings.Contains(err.Error(), "api://AzureADTokenExchange") {
		t.Errorf("got %v, want issuer, subject and audience in it", err)
	}
	if i := strings.LastIndexByte(presented, '.'); strings.Contains(err.Error(), presented[i:]) {
		t.Error("the error holds the assertion's signature")
	}
}

// echo is an authority of bad manners: it repeats the request in its answer.
type echo struct {
	status      int
	contentType string
	render      func(form string) string
	err         bool
	panics      bool
}

func (e echo) Do(req *http.Request) (*http.Response, error) {
	b, _ := io.ReadAll(req.Body)
	if e.panics {
		panic(string(b))
	}
	if e.err {
		return nil, errors.New("connection reset")
	}
	return &http.Response{
		StatusCode: e.status, Header: http.Header{"Content-Type": {e.contentType}},
		Body: io.NopCloser(strings.NewReader(e.render(string(b)))), Request: req,
	}, nil
}

// Pain 4: a canary in every place that holds a secret reaches no error, log
// entry or formatted value, on any way to fail.
func TestPain4CanariesStayHidden(t *testing.T) {
	var logged bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(old)

	const canary = `canary~secret-&<"7f3e9b2c1d`
	const verifier = "91c4e7d2b5a8f0361e9d4c7b2a5f8e0391c4e7d2b5a8"
	emulator, _ := emulate(t, nil)
	assertion, err := emulator.FederatedAssertion("canary-subject")
	if err != nil {
		t.Fatal(err)
	}
	certs, key := emulator.DefaultCertificate()
	decoded := func(form string) string { v, _ := url.QueryUnescape(form); return v }
	asJSON := func(form string) string {
		b, _ := json.Marshal(map[string]any{"error": "invalid_client", "error_description": "AADSTS7000215: you sent " + decoded(form)})
		return string(b)
	}
	servers := map[string]echo{
		"JSON error":           {status: 401, contentType: "application/json", render: asJSON},
		"JSON error, raw":      {status: 400, contentType: "application/json", render: func(f string) string { return `{"error":"invalid_request","error_description":"` + f + `"}` }},
		"HTML":                 {status: 502, contentType: "text/html", render: func(f string) string { return "<html><title>" + decoded(f) + "</title>" + f }},
		"HTML, success":        {status: 200, contentType: "text/html", render: func(f string) string { return "<html><title>" + f }},
		"garbage":              {status: 200, render: func(f string) string { return "{" + f }},
		"token without expiry": {status: 200, render: func(string) string { return `{"access_token":"canary-token-5d1f7a","token_type":"Bearer"}` }},
		"odd token type": {status: 200, render: func(string) string {
			return `{"access_token":"canary-token-5d1f7a","token_type":"canary-token-5d1f7a","expires_in":1}`
		}},
		"truncated token": {status: 200, render: func(string) string {
			return `{"token_type":"Bearer","expires_in":3600,"access_token":"canary-token-5d1f7a`
		}},
		"already expired": {status: 200, render: func(string) string { return `{"access_token":"canary-token-5d1f7a","expires_in":-1}` }},
		"throttling":      {status: 429, render: asJSON},
		"reset":           {err: true},
		"panic":           {panics: true},
	}
	var printed strings.Builder
	show := func(vs ...any) {
		for _, v := range vs {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				fmt.Fprintf(&printed, verb+"\n", v)
			}
			b, _ := json.Marshal(v)
			printed.Write(b)
			slog.Error("formatted", "value", v)
		}
	}
	var private []string
	for name, server := range servers {
		o := azcore.ClientOptions{Transport: &server, Retry: policy.RetryOptions{MaxRetries: -1}}
		o.Logging.IncludeBody = true
		secret, err := azidentity.NewClientSecretCredential(tenantID, clientID, canary, &azidentity.ClientSecretCredentialOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		signer := &recordingSigner{Signer: key}
		cert, err := azidentity.NewClientCertificateCredential(tenantID, clientID, certs, signer, &azidentity.ClientCertificateCredentialOptions{ClientOptions: o, SendCertificateChain: true})
		if err != nil {
			t.Fatal(err)
		}
		federated, err := azidentity.NewClientAssertionCredential(tenantID, clientID, func(context.Context) (string, error) { return assertion, nil },
			&azidentity.ClientAssertionCredentialOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		chain, err := azidentity.NewChainedTokenCredential([]azcore.TokenCredential{unavailable{}, secret}, nil)
		if err != nil {
			t.Fatal(err)
		}
		obo, err := azidentity.NewOnBehalfOfCredentialWithSecret(tenantID, clientID, assertion, canary, &azidentity.OnBehalfOfCredentialOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		code, err := azidentity.NewAuthorizationCodeCredential(tenantID, clientID, canary, entratest.DefaultRedirectURI, &azidentity.AuthorizationCodeCredentialOptions{
			ClientOptions: o, Authentication: azidentity.AuthenticationBySecret(canary), CodeVerifier: verifier,
		})
		if err != nil {
			t.Fatal(err)
		}
		password, err := azidentity.NewUsernamePasswordCredential(tenantID, clientID, "user", canary, &azidentity.UsernamePasswordCredentialOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		for _, cred := range []azcore.TokenCredential{secret, cert, federated, chain, obo, code, password} {
			tok, err := cred.GetToken(t.Context(), armToken)
			if err == nil || tok.Token != "" {
				t.Fatalf("%s: %T got %q, %v", name, cred, tok.Token, err)
			}
			show(cred, err)
			var failed *azidentity.AuthenticationFailedError
			if errors.As(err, &failed) {
				show(*failed, failed.RawResponse)
				if failed.RawResponse != nil {
					b, _ := io.ReadAll(failed.RawResponse.Body)
					printed.Write(b)
					show(failed.RawResponse.Request, failed.RawResponse.Header)
				}
			}
		}
		private = append(private, signer.signatures...)
	}
	out := printed.String() + logged.String()
	for _, hidden := range append(private, canary, verifier, url.QueryEscape(canary), "7f3e9b2c1d", "canary-token-5d1f7a", "5d1f7a",
		assertion[strings.LastIndexByte(assertion, '.')+1:], fmt.Sprintf("%x", canary), base64.StdEncoding.EncodeToString([]byte(canary))) {
		if i := strings.Index(out, hidden); i >= 0 {
			t.Errorf("%.20q… appears in:\n%s", hidden, out[max(0, i-300):min(len(out), i+100)])
		}
	}
	if !strings.Contains(logged.String(), "token request failed") {
		t.Error("nothing was logged: the test looks at nothing")
	}
}

// recordingSigner remembers what it signed, in the form that goes on the wire.
type recordingSigner struct {
	crypto.Signer
	signatures []string
}

func (s *recordingSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	sig, err := s.Signer.Sign(rand, digest, opts)
	s.signatures = append(s.signatures, base64.RawURLEncoding.EncodeToString(sig))
	return sig, err
}

// Pain 65: a token in memory is no event; one that is acquired is one line, at
// level debug, under a name that does not change.
func TestPain65Events(t *testing.T) {
	var info, debug bytes.Buffer
	old := slog.Default()
	defer slog.SetDefault(old)
	_, o := emulate(t, nil)
	c := secretCred(t, goodKey, o)

	slog.SetDefault(slog.New(slog.NewTextHandler(&info, nil)))
	for range 1_000_000 {
		if _, err := c.GetToken(t.Context(), armToken); err != nil {
			t.Fatal(err)
		}
	}
	if info.Len() > 0 {
		t.Errorf("a million calls at level info printed:\n%.500s", info.String())
	}

	slog.SetDefault(slog.New(slog.NewTextHandler(&debug, &slog.HandlerOptions{Level: slog.LevelDebug})))
	one := secretCred(t, goodKey, o)
	for range 100 {
		tokenFor(t, one, policy.TokenRequestOptions{Scopes: []string{"https://events.example/.default"}})
	}
	lines := strings.Split(strings.TrimSpace(debug.String()), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], `msg="azidentity: token acquired" credential=ClientSecretCredential tenant=`+tenantID) {
		t.Errorf("got %d lines for one acquisition:\n%s", len(lines), debug.String())
	}
}

// What fails below the protocol says what to do, too.
func TestNetworkFailuresHaveANextStep(t *testing.T) {
	t.Parallel()
	s := entratest.NewServer(nil)
	untrusting := &http.Client{Transport: &http.Transport{DialContext: loopback.Dial}}
	ask := func(host string, client *http.Client) error {
		c, err := azidentity.NewClientSecretCredential(tenantID, clientID, goodKey, &azidentity.ClientSecretCredentialOptions{
			DisableInstanceDiscovery: true,
			ClientOptions: azcore.ClientOptions{
				Transport: client, Retry: policy.RetryOptions{MaxRetries: -1},
				Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: host},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.GetToken(t.Context(), armToken)
		return err
	}
	if err := ask(s.URL, untrusting); err == nil || !strings.Contains(err.Error(), "\n  Next: the server's certificate is issued by ") {
		t.Errorf("got %v, want the issuer named", err)
	}
	s.Close()
	err := ask(s.URL, untrusting)
	var failed *azidentity.AuthenticationFailedError
	if !errors.As(err, &failed) || failed.RawResponse != nil || !strings.Contains(err.Error(), "\n  Next: check AZURE_AUTHORITY_HOST") {
		t.Errorf("got %v, want a next step", err)
	}
	untrusting.CloseIdleConnections()
}
