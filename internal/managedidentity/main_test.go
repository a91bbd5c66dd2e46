package managedidentity_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/loopback"
	"github.com/azid-go/azidentity/internal/managedidentity"
)

// direct stands for the library's direct transport.
var direct = &http.Transport{}

func TestMain(m *testing.M) { loopback.Main(m, direct) }

const resource = "https://management.azure.com"

// getenv reads from a map, so that tests neither see nor change the
// environment.
func getenv(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func noFile(string) bool { return false }

func newClient(env map[string]string, id managedidentity.Identity, o policy.ClientOptions, keys string) (*managedidentity.Client, error) {
	return managedidentity.New(managedidentity.Config{
		Identity: id, Options: o, Direct: direct, Module: "test", Version: "v0",
		Getenv: getenv(env), Exists: noFile, ArcKeys: keys,
	})
}

func mustClient(t testing.TB, env map[string]string, id managedidentity.Identity, o policy.ClientOptions, keys string) *managedidentity.Client {
	t.Helper()
	c, err := newClient(env, id, o, keys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func emulate(t testing.TB, cfg *entratest.Config) *entratest.Emulator {
	t.Helper()
	e, err := entratest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// claims decodes a token.
func claims(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("got a token of %d parts, want 3", len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// transportFunc answers requests inside the process.
type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// reply is an answer. headers are names and values.
func reply(r *http.Request, status int, body string, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(bytes.NewReader([]byte(body))), Request: r}
}
