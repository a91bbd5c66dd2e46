package azidentity_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/azid-go/azidentity"
)

// repeating answers with all that it was sent.
type repeating struct {
	status      int
	contentType string
	wrap        string
}

func (r *repeating) Do(req *http.Request) (*http.Response, error) {
	var all bytes.Buffer
	_ = req.Write(&all)
	header := http.Header{"Content-Type": {r.contentType}, "X-Vss-E2eid": {req.Header.Get("Authorization")}}
	return &http.Response{
		StatusCode: r.status, Header: header, Request: req,
		Body: io.NopCloser(strings.NewReader(fmt.Sprintf(r.wrap, strings.ReplaceAll(all.String(), "\r\n", " ")))),
	}, nil
}

// Pain 4, for what workloads prove themselves by: neither a token of a job nor
// an assertion is in an error, an answer that an error keeps, a log entry or a
// formatted credential, whatever the server repeats.
func TestPain4SourcesStayHidden(t *testing.T) {
	clearEnvironment(t)
	var seen bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&seen, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(old)

	const canary = "canary~7f3e9b2c1d~job's/token"
	t.Setenv("SYSTEM_OIDCREQUESTURI", "https://dev.azure.com/o/p/_apis/oidctoken")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "https://actions.example/idtoken")
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", canary)
	e, _ := emulate(t, nil)
	jwt, err := e.FederatedAssertion("canary-subject")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "token")
	writeFile(t, path, []byte(jwt))
	for _, server := range []*repeating{
		{401, "text/html", "<html><title>%s</title>"},
		{401, "text/plain", "%s"},
		{400, "application/json", `{"message":"%s"}`},
		{400, "application/json", `{"error":"invalid_client","error_description":"AADSTS700024: %s"}`},
		{200, "text/plain", "%s"},
		{200, "application/json", `{"value":1,"other":"%s"}`},
	} {
		o := azcore.ClientOptions{Transport: server}
		o.Retry.MaxRetries = -1
		sources := &azidentity.AssertionOptions{ClientOptions: o}
		for name, cred := range map[string]azcore.TokenCredential{
			"pipelines": pipelinesCred(t, connection, canary, o),
			"workload":  workloadCred(t, path, o),
			"GitHub":    sourceCred(t, azidentity.AssertionFromGitHubActions(sources), o),
			"URL": sourceCred(t, azidentity.AssertionFromURL(azidentity.AssertionRequest{
				URL: "https://issuer.example/x?key=" + "canary-7f3e9b2c1d-key", Header: http.Header{"X-Api-Key": {canary}}, Member: "value"}, sources), o),
		} {
			_, err := cred.GetToken(t.Context(), armToken)
			var failed *azidentity.AuthenticationFailedError
			if !errors.As(err, &failed) {
				t.Fatalf("%s: got %v", name, err)
			}
			for at := err; at != nil; at = errors.Unwrap(at) {
				fmt.Fprintf(&seen, "%v\n%+v\n%#v\n", at, at, at)
			}
			if r := failed.RawResponse; r != nil {
				body, _ := io.ReadAll(r.Body)
				fmt.Fprintf(&seen, "%s %v\n", body, r.Header)
			}
			fmt.Fprintf(&seen, "%v %+v %#v %s\n", cred, cred, cred, name)
			b, _ := json.Marshal(cred)
			seen.Write(b)
			slog.Error("formatted", "value", cred)
		}
	}
	for _, hidden := range []string{"7f3e9b2c1d", jwt[len(jwt)-40:], strings.Split(jwt, ".")[1][:40]} {
		if at := strings.Index(seen.String(), hidden); at >= 0 {
			t.Errorf("%q is seen in\n%s", hidden, seen.String()[max(0, at-300):at+100])
		}
	}
	if seen.Len() < 1000 {
		t.Error("hardly anything was looked at")
	}
	_ = os.Remove(path)
}
