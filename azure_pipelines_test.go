package azidentity_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

func pipelinesCred(t testing.TB, connection, systemToken string, o azcore.ClientOptions) *azidentity.AzurePipelinesCredential {
	t.Helper()
	c, err := azidentity.NewAzurePipelinesCredential(tenantID, clientID, connection, systemToken,
		&azidentity.AzurePipelinesCredentialOptions{ClientOptions: o, Tokens: azidentity.TokenOptions{Isolated: true}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const (
	connection  = entratest.DefaultServiceConnectionID
	systemToken = entratest.DefaultSystemAccessToken
)

// Pain 6: assertions of build services live five minutes, jobs run for hours. A
// new one is fetched for each request to Entra ID, and none at any other time.
func TestPain6JobsOutliveAssertions(t *testing.T) {
	build := map[string]func(*testing.T, *entratest.Emulator, azcore.ClientOptions) azcore.TokenCredential{
		"pipelines": func(t *testing.T, e *entratest.Emulator, o azcore.ClientOptions) azcore.TokenCredential {
			return pipelinesCred(t, connection, systemToken, o)
		},
		"githubActions": func(t *testing.T, e *entratest.Emulator, o azcore.ClientOptions) azcore.TokenCredential {
			c, err := azidentity.NewClientAssertionCredential(tenantID, clientID,
				azidentity.AssertionFromGitHubActions(&azidentity.AssertionOptions{ClientOptions: o}),
				&azidentity.ClientAssertionCredentialOptions{ClientOptions: o})
			if err != nil {
				t.Fatal(err)
			}
			return c
		},
	}
	for name, open := range build {
		t.Run(name, func(t *testing.T) {
			clearEnvironment(t)
			e, o := emulate(t, nil)
			t.Setenv("SYSTEM_OIDCREQUESTURI", e.PipelinesRequestURI())
			t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", e.ActionsRequestURL())
			t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", entratest.DefaultActionsRequestToken)
			synctest.Test(t, func(t *testing.T) {
				c := open(t, e, o)
				for range 6 * 60 {
					token(t, c)
					time.Sleep(time.Minute)
				}
				synctest.Wait()
			})
			asked, issued := e.CountRequests(entratest.EndpointToken), e.CountRequests(entratest.Endpoint(name))
			if asked < 6 || asked > 13 || issued != asked {
				t.Errorf("%d assertions for %d requests in six hours", issued, asked)
			}
			for _, entry := range e.Journal() {
				if entry.Status != 200 {
					t.Errorf("a request failed: %+v", entry)
				}
			}
		})
	}
}

// The request is that of Microsoft's credential.
func TestPipelinesRequest(t *testing.T) {
	clearEnvironment(t)
	e, o := emulate(t, nil)
	t.Setenv("SYSTEM_OIDCREQUESTURI", e.PipelinesRequestURI()+"?a=b")
	token(t, pipelinesCred(t, connection, systemToken, o))
	entry, _ := e.LastRequest(entratest.EndpointPipelines)
	if q := entry.Query; entry.Method != "POST" || q.Get("api-version") != "7.1" || q.Get("serviceConnectionId") != connection || q.Get("a") != "b" ||
		entry.Header.Get("X-Tfs-Fedauthredirect") != "Suppress" || entry.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %+v", entry)
	}
	// What passes by itself is tried again.
	e.Inject(entratest.Fault{Endpoint: entratest.EndpointPipelines, Status: 503, Times: 1})
	o.Retry.RetryDelay = time.Millisecond
	token(t, pipelinesCred(t, connection, systemToken, o))
}

// Pain 81: whatever Azure Pipelines answers, the error has its reason, what to
// do, and no secret.
func TestPain81PipelinesAnswers(t *testing.T) {
	clearEnvironment(t)
	e, o := emulate(t, nil)
	o.Retry.MaxRetries = -1
	t.Setenv("SYSTEM_OIDCREQUESTURI", e.PipelinesRequestURI())
	const wrong = "canary-0123456789-system-access-token"
	jwt, err := e.FederatedAssertion(subject)
	if err != nil {
		t.Fatal(err)
	}
	signIn := "<!DOCTYPE html><html><head><title>Azure DevOps Services | Sign In</title></head><body>" + wrong + "</body></html>"
	for _, test := range []struct {
		name       string
		connection string
		token      string
		fault      *entratest.Fault
		want       []string
	}{
		{"401", connection, wrong, nil, []string{"401", "Sign In", "SYSTEM_ACCESSTOKEN: $(System.AccessToken)", "x-vss-e2eid", "x-msedge-ref"}},
		{"404", "00000000-1111-4111-8111-000000000000", systemToken, nil,
			[]string{"404", "No service connection found with identifier 00000000-1111-4111-8111-000000000000", "federation", "stage", "x-vss-e2eid"}},
		{"203", connection, systemToken, &entratest.Fault{Status: 203, Body: signIn}, []string{"203", "web page", "SYSTEM_ACCESSTOKEN"}},
		{"302", connection, systemToken, &entratest.Fault{Status: 302, Body: signIn}, []string{"302", "redirect", "not followed", "SYSTEM_ACCESSTOKEN"}},
		{"405", connection, systemToken, &entratest.Fault{Status: 405, ContentType: "application/json",
			Body: `{"count":1,"value":{"Message":"x"},"message":"The requested resource does not support http method 'POST'."}`},
			[]string{"405", "does not support http method 'POST'", "SYSTEM_OIDCREQUESTURI"}},
		{"JSON error", connection, systemToken, &entratest.Fault{Status: 400, ContentType: "application/json",
			Body: `{"$id":"1","message":"TF400898: An internal error.","typeKey":"Some"}`}, []string{"400", "TF400898: An internal error."}},
		{"nested error", connection, systemToken, &entratest.Fault{Status: 403, ContentType: "application/json",
			Body: `{"error":{"code":"x","message":"no permission"}}`}, []string{"403", "no permission"}},
		{"500 with a token", connection, systemToken, &entratest.Fault{Status: 500, ContentType: "application/json", Body: `{"message":"` + jwt + `"}`}, []string{"500"}},
		{"echo", connection, wrong, &entratest.Fault{Status: 401, ContentType: "text/plain", Body: "bad token " + wrong}, []string{"401", "bad token"}},
		{"200, web page", connection, systemToken, &entratest.Fault{Status: 200, Body: signIn}, []string{"web page", "SYSTEM_OIDCREQUESTURI"}},
		{"200, no member", connection, systemToken, &entratest.Fault{Body: `{"other":"` + jwt + `","hidden":"canary-hidden"}`}, []string{`"oidcToken"`}},
		{"200, empty member", connection, systemToken, &entratest.Fault{Body: `{"oidcToken":""}`}, []string{`"oidcToken"`}},
		{"200, null", connection, systemToken, &entratest.Fault{Body: `{"oidcToken":null}`}, []string{`"oidcToken"`}},
		{"200, a number", connection, systemToken, &entratest.Fault{Body: `{"oidcToken":1}`}, []string{`"oidcToken"`}},
		{"200, not JSON", connection, systemToken, &entratest.Fault{Body: "canary-hidden"}, []string{"not JSON"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.fault != nil {
				test.fault.Endpoint = entratest.EndpointPipelines
				defer e.Inject(*test.fault)()
			}
			before := e.CountRequests(entratest.EndpointToken)
			_, err := pipelinesCred(t, test.connection, test.token, o).GetToken(t.Context(), armToken)
			wantFinding(t, err, append(test.want, "AzurePipelinesCredential: ")...)
			var failed *azidentity.AuthenticationFailedError
			if errors.As(err, &failed); failed.RawResponse == nil {
				t.Error("no RawResponse")
			}
			for _, hidden := range []string{"canary-", systemToken, "eyJ"} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("%q is in the error:\n%v", hidden, err)
				}
			}
			if e.CountRequests(entratest.EndpointToken) != before {
				t.Error("Entra ID was asked without an assertion")
			}
		})
	}
}

// A transport that follows redirects does not carry the token to another host.
func TestPipelinesRedirectFollowed(t *testing.T) {
	clearEnvironment(t)
	e, _ := emulate(t, nil)
	t.Setenv("SYSTEM_OIDCREQUESTURI", e.PipelinesRequestURI())
	follows := &http.Client{Transport: redirecting{e.Transport()}}
	_, err := pipelinesCred(t, connection, "wrong-token-0123456789", azcore.ClientOptions{Transport: follows}).GetToken(t.Context(), armToken)
	wantFinding(t, err, "redirect to another host")
}

// redirecting takes the header that suppresses redirects off.
type redirecting struct{ inner http.RoundTripper }

func (r redirecting) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Del("X-Tfs-Fedauthredirect")
	return r.inner.RoundTrip(req)
}

func TestPipelinesConfiguration(t *testing.T) {
	clearEnvironment(t)
	e, o := emulate(t, nil)
	t.Setenv("SYSTEM_OIDCREQUESTURI", "")
	_, err := azidentity.NewAzurePipelinesCredential("", "", "", "", nil)
	wantText(t, err, "tenantID, clientID, serviceConnectionID, systemAccessToken", "AzurePipelinesCredential: ")
	_, err = azidentity.NewAzurePipelinesCredential(tenantID, clientID, connection, "", nil)
	wantText(t, err, "empty: systemAccessToken")
	_, err = azidentity.NewAzurePipelinesCredential("a/b", clientID, connection, systemToken, nil)
	wantText(t, err, "invalid tenant")

	// Outside of a job, a chain goes on.
	_, err = pipelinesCred(t, connection, systemToken, o).GetToken(t.Context(), armToken)
	if !azidentity.IsCredentialUnavailable(err) {
		t.Errorf("got %v, want unavailable", err)
	}
	wantText(t, err, "SYSTEM_OIDCREQUESTURI is not set")
	for _, bad := range []string{"http://dev.azure.com/x/oidctoken", "ftp://x", "x", "https://user:password@dev.azure.com/"} {
		t.Setenv("SYSTEM_OIDCREQUESTURI", bad)
		_, err := azidentity.NewAzurePipelinesCredential(tenantID, clientID, connection, systemToken, nil)
		wantText(t, err, "SYSTEM_OIDCREQUESTURI: ")
		if strings.Contains(err.Error(), "password") {
			t.Errorf("got %v", err)
		}
	}

	// Equal credentials share their tokens; a job's do not outlive it.
	t.Setenv("SYSTEM_OIDCREQUESTURI", e.PipelinesRequestURI())
	shared := func() azcore.TokenCredential {
		c, err := azidentity.NewAzurePipelinesCredential(tenantID, clientID, connection, systemToken, &azidentity.AzurePipelinesCredentialOptions{ClientOptions: o})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if first := token(t, shared()); token(t, shared()) != first {
		t.Error("equal credentials do not share")
	}
	other, err := azidentity.NewAzurePipelinesCredential(tenantID, clientID, connection, "another~job's-token", &azidentity.AzurePipelinesCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{armScope}}); err == nil {
		t.Error("another job's credential got a token from memory")
	}
	// What Entra ID compared is in the error.
	e.Inject(entratest.Fault{Endpoint: entratest.EndpointToken, Code: 700213})
	_, err = pipelinesCred(t, connection, systemToken, o).GetToken(t.Context(), armToken)
	wantFinding(t, err, "AADSTS700213", subject)
}
