package azidentity_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

func sourceCred(t testing.TB, source func(context.Context) (string, error), o azcore.ClientOptions) *azidentity.ClientAssertionCredential {
	t.Helper()
	c, err := azidentity.NewClientAssertionCredential(tenantID, clientID, source, &azidentity.ClientAssertionCredentialOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// helperCommand runs this test binary as a program that prints what the
// variable says.
func helperCommand(t *testing.T, behaviour string) []string {
	t.Helper()
	t.Setenv("AZID_TEST_COMMAND", behaviour)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, "-test.run=^TestHelperCommand$", "canary-argument"}
}

// TestHelperCommand is the program of helperCommand, not a test.
func TestHelperCommand(t *testing.T) {
	behaviour, ok := os.LookupEnv("AZID_TEST_COMMAND")
	if !ok || os.Args[len(os.Args)-1] != "canary-argument" {
		return
	}
	switch what, text, _ := strings.Cut(behaviour, " "); what {
	case "print":
		fmt.Println(text)
	case "fail":
		fmt.Println(text)
		fmt.Fprintln(os.Stderr, text)
		os.Exit(3)
	case "flood":
		for {
			if _, err := fmt.Print(strings.Repeat("x", 1<<16)); err != nil {
				os.Exit(1)
			}
		}
	case "hang":
		time.Sleep(time.Hour)
	}
	os.Exit(0)
}

// metadata is a server on loopback that hands out assertions in several forms.
func metadata(t *testing.T, e *entratest.Emulator) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /google", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" {
			http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
			return
		}
		jwt, err := e.FederatedAssertion(subject, entratest.WithAudience(r.URL.Query().Get("audience")))
		if err != nil {
			panic(err)
		}
		fmt.Fprintln(w, jwt)
	})
	mux.HandleFunc("POST /nested", func(w http.ResponseWriter, _ *http.Request) {
		jwt, err := e.FederatedAssertion(subject)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(w, `{"data":{"token":%q}}`, jwt)
	})
	mux.HandleFunc("GET /echo", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no such key: "+r.Header.Get("X-Api-Key")+" "+r.URL.RawQuery, http.StatusForbidden)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// Pain 42: an assertion of any issuer, from wherever it is to be had.
func TestPain42Sources(t *testing.T) {
	clearEnvironment(t)
	e, o := emulate(t, nil)
	path, base := pod(t, e), metadata(t, e)
	jwt, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", e.ActionsRequestURL())
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", entratest.DefaultActionsRequestToken)
	google := azidentity.AssertionRequest{
		URL:    base + "/google?audience=" + azidentity.ExchangeAudience,
		Header: http.Header{"Metadata-Flavor": {"Google"}},
	}
	exchange := &azidentity.AssertionOptions{Audience: azidentity.ExchangeAudience}
	for name, source := range map[string]func(context.Context) (string, error){
		"file":       azidentity.AssertionFromFile(path, exchange),
		"URL":        azidentity.AssertionFromURL(google, exchange),
		"nested":     azidentity.AssertionFromURL(azidentity.AssertionRequest{URL: base + "/nested", Method: "POST", Member: "data.token"}, exchange),
		"GitHub":     azidentity.AssertionFromGitHubActions(&azidentity.AssertionOptions{ClientOptions: o}),
		"command":    azidentity.AssertionFromCommand(helperCommand(t, "print "+string(jwt)), exchange),
		"credential": azidentity.AssertionFromCredential(issuing{e}, ""),
	} {
		t.Run(name, func(t *testing.T) { token(t, sourceCred(t, source, o)) })
	}
	if entry, _ := e.LastRequest(entratest.EndpointGitHubActions); entry.Query.Get("audience") != azidentity.ExchangeAudience || entry.Query.Get("api-version") == "" {
		t.Errorf("GitHub was asked %v", entry.Query)
	}
}

// issuing is a credential whose tokens an application trusts.
type issuing struct{ e *entratest.Emulator }

func (i issuing) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 || o.Scopes[0] != "api://AzureADTokenExchange/.default" {
		return azcore.AccessToken{}, fmt.Errorf("asked for %v", o.Scopes)
	}
	jwt, err := i.e.FederatedAssertion(subject)
	return azcore.AccessToken{Token: jwt}, err
}

// Pain 42, when something is wrong: it is said before anything goes to Entra ID.
func TestPain42NothingUselessIsSent(t *testing.T) {
	clearEnvironment(t)
	e, o := emulate(t, nil)
	o.Retry.MaxRetries = -1
	base := metadata(t, e)
	old, other := pod(t, e, entratest.WithLifetime(-2*time.Hour)), pod(t, e, entratest.WithAudience("sts.amazonaws.com"))
	text := filepath.Join(t.TempDir(), "text")
	writeFile(t, text, []byte("canary-not-a-token"))
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
	noGitHub := azidentity.AssertionFromGitHubActions(nil)
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", e.ActionsRequestURL())
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary-wrong-token")
	exchange := &azidentity.AssertionOptions{Audience: azidentity.ExchangeAudience}
	request := func(path string) azidentity.AssertionRequest {
		return azidentity.AssertionRequest{URL: base + path, Header: http.Header{"X-Api-Key": {"canary-0123456789"}}}
	}
	command := func(behaviour string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			return azidentity.AssertionFromCommand(helperCommand(t, behaviour), nil)(ctx)
		}
	}
	cause := errors.New("the inner credential's error")
	for name, test := range map[string]struct {
		source func(context.Context) (string, error)
		want   []string
	}{
		"expired":           {azidentity.AssertionFromFile(old, nil), []string{old, "no longer valid, since ", "expired 2h", subject}},
		"other audience":    {azidentity.AssertionFromFile(other, exchange), []string{`"sts.amazonaws.com"`, azidentity.ExchangeAudience}},
		"wrong audience":    {azidentity.AssertionFromURL(azidentity.AssertionRequest{URL: base + "/google?audience=https://other.example", Header: http.Header{"Metadata-Flavor": {"Google"}}}, exchange), []string{"another audience", `"https://other.example"`}},
		"no file":           {azidentity.AssertionFromFile(text+"x", nil), []string{text + "x"}},
		"text":              {azidentity.AssertionFromFile(text, nil), []string{"not a JSON web token"}},
		"refused":           {azidentity.AssertionFromURL(request("/google"), nil), []string{"403", "Missing Metadata-Flavor:Google header"}},
		"not found":         {azidentity.AssertionFromURL(request("/nothing"), nil), []string{"404"}},
		"echo":              {azidentity.AssertionFromURL(request("/echo?key=canary-in-the-query"), nil), []string{"403"}},
		"http":              {azidentity.AssertionFromURL(azidentity.AssertionRequest{URL: "http://issuer.example/?k=canary-x"}, nil), []string{"only https"}},
		"no URL":            {azidentity.AssertionFromURL(azidentity.AssertionRequest{}, nil), []string{"not a URL"}},
		"nobody":            {azidentity.AssertionFromURL(azidentity.AssertionRequest{URL: "http://127.0.0.1:1/?k=canary-x"}, &azidentity.AssertionOptions{ClientOptions: o}), []string{"http://127.0.0.1:1/"}},
		"no GitHub":         {noGitHub, []string{"ACTIONS_ID_TOKEN_REQUEST_URL and ACTIONS_ID_TOKEN_REQUEST_TOKEN", "id-token: write"}},
		"wrong job":         {azidentity.AssertionFromGitHubActions(&azidentity.AssertionOptions{ClientOptions: o}), []string{"401", "not valid for this job", "id-token: write"}},
		"no command":        {azidentity.AssertionFromCommand(nil, nil), []string{"there is none"}},
		"unknown command":   {azidentity.AssertionFromCommand([]string{"azid-no-such-program", "canary-x"}, nil), []string{"azid-no-such-program"}},
		"failing command":   {command("fail canary-output"), []string{"exit status 3"}},
		"flooding command":  {command("flood"), []string{"bytes"}},
		"command with text": {command("print canary-text"), []string{"not a JSON web token"}},
		"silent command":    {command("print"), []string{"empty"}},
		"no credential":     {azidentity.AssertionFromCredential(nil, ""), []string{"nil"}},
		"failed credential": {azidentity.AssertionFromCredential(failing{cause}, ""), []string{cause.Error()}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := sourceCred(t, test.source, o).GetToken(t.Context(), armToken)
			wantText(t, err, test.want...)
			if strings.Contains(err.Error(), "canary-") {
				t.Errorf("the error repeats what may be secret:\n%v", err)
			}
			if got, want := azidentity.IsCredentialUnavailable(err), name == "no GitHub"; got != want {
				t.Errorf("unavailable: %v, want %v: %v", got, want, err)
			}
			if name == "failed credential" && !errors.Is(err, cause) {
				t.Errorf("%v does not wrap its cause", err)
			}
		})
	}
	if n := e.CountRequests(entratest.EndpointToken); n != 0 {
		t.Errorf("%d requests went to Entra ID", n)
	}
}

// The caller's context ends a command, and its error is the caller's.
func TestCommandEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := azidentity.AssertionFromCommand(helperCommand(t, "hang"), nil)(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 20*time.Second {
		t.Errorf("got %v after %v", err, time.Since(start))
	}
}

// Pain 43: on each kind of mismatch the error prints what was presented, beside
// the command that lists what was expected.
func TestPain43Mismatches(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	issuer := fmt.Sprintf("issuer %q", e.FederatedIssuer())
	for name, test := range map[string]struct {
		option entratest.AssertionOption
		want   []string
	}{
		"issuer":      {entratest.WithIssuer(e.FederatedIssuer() + "//"), []string{"AADSTS700211", e.FederatedIssuer() + `//"`, subject, azidentity.ExchangeAudience}},
		"audience":    {entratest.WithAudience("api://other"), []string{"AADSTS700212", issuer, subject, `audience "api://other"`}},
		"subject":     {entratest.WithClaim("sub", "repo:o/r:ref:refs/heads/dev"), []string{"AADSTS700213", issuer, `subject "repo:o/r:ref:refs/heads/dev"`, azidentity.ExchangeAudience}},
		"letter case": {entratest.WithClaim("sub", strings.ToUpper(subject)), []string{"AADSTS7002138", strings.ToUpper(subject), "letter case"}},
	} {
		path := pod(t, e, test.option)
		for _, c := range []azcore.TokenCredential{workloadCred(t, path, o), sourceCred(t, azidentity.AssertionFromFile(path, nil), o)} {
			_, err := c.GetToken(t.Context(), armToken)
			if err == nil {
				t.Fatalf("%s: no error", name)
			}
			wantFinding(t, err, append(test.want, "federated-credential list --id "+clientID, "expires in")...)
		}
	}
	// The general code, which Entra ID gives in the first minutes of a new entry.
	e.Inject(entratest.Fault{Code: 70021})
	_, err := workloadCred(t, pod(t, e), o).GetToken(t.Context(), armToken)
	wantFinding(t, err, "AADSTS70021,", issuer, subject, azidentity.ExchangeAudience, "federated-credential list --id "+clientID)
}
