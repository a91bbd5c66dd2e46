package managedidentity_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/managedidentity"
)

var arc = (*entratest.Emulator)(nil).Environment(entratest.EndpointAzureArc)

// Pain 29 (CVE-2024-35255): whoever sits on the agent's port names a file. Only
// the agent's keys are read and sent.
func TestPain29HostileAgent(t *testing.T) {
	t.Parallel()
	const stolen = "the content of somebody's private file"
	root := t.TempDir()
	keys, outside := filepath.Join(root, "tokens"), filepath.Join(root, "outside")
	file := func(dir, name, content string) string {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file(outside, "secret.key", stolen)
	file(keys, "good.key", "a-good-key\n")
	file(keys, "id_rsa", stolen)
	file(keys, "empty.key", "\n")
	file(keys, "binary.key", stolen+"\x00\x01")
	file(keys, "lines.key", stolen+"\r\nX-Injected: 1")
	file(keys, "large.key", strings.Repeat("k", 4097))
	file(keys, "limit.key", strings.Repeat("k", 4096))
	file(filepath.Join(keys, "deeper"), "x.key", stolen)
	if err := os.Mkdir(filepath.Join(keys, "folder.key"), 0o700); err != nil {
		t.Fatal(err)
	}
	links := os.Symlink(filepath.Join(outside, "secret.key"), filepath.Join(keys, "link.key")) == nil
	if !links && runtime.GOOS != "windows" {
		t.Fatal("there is no link")
	}
	in := func(name string) string { return "Basic realm=" + filepath.Join(keys, name) }
	for _, tt := range []struct{ name, header, want string }{
		{"good", in("good.key"), ""},
		{"quoted", `Basic realm="` + filepath.Join(keys, "good.key") + `"`, ""},
		{"as large as may be", in("limit.key"), ""},
		{"no header", "", "no WWW-Authenticate"},
		{"another scheme", "Bearer realm=x", "no WWW-Authenticate"},
		{"no path", "Basic realm=", "outside"},
		{"relative", "Basic realm=tokens/good.key", "outside"},
		{"elsewhere", "Basic realm=" + filepath.Join(outside, "secret.key"), "outside"},
		{"traversal", "Basic realm=" + keys + "/../outside/secret.key", "outside"},
		{"traversal and back", "Basic realm=" + keys + "/../tokens/good.key", "plain"},
		{"deeper", in("deeper/x.key"), "outside"},
		{"doubled slash", "Basic realm=" + keys + "//good.key", "plain"},
		{"prefix of the name", "Basic realm=" + keys + "x/good.key", "outside"},
		{"suffix", in("id_rsa"), ".key"},
		{"suffix after NUL", "Basic realm=" + filepath.Join(keys, "id_rsa") + "\x00.key", "found"},
		{"missing", in("missing.key"), "found"},
		{"too large", in("large.key"), "4097 bytes"},
		{"empty", in("empty.key"), "empty or binary"},
		{"binary", in("binary.key"), "empty or binary"},
		{"header injection", in("lines.key"), "empty or binary"},
		{"directory", in("folder.key"), "not a regular file"},
		{"symbolic link", in("link.key"), "not a regular file"},
		{"device", "Basic realm=/dev/zero", "outside"},
		{"the share of another machine", `Basic realm=\\evil\share\x.key`, "outside"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "symbolic link" && !links {
				t.Skip("this system does not let us make links")
			}
			var shown []string
			c := mustClient(t, arc, managedidentity.Identity{}, policy.ClientOptions{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
				if auth := r.Header.Get("Authorization"); auth != "" {
					shown = append(shown, auth)
					return reply(r, 200, goodAnswer), nil
				}
				return reply(r, 401, "", "WWW-Authenticate", tt.header), nil
			})}, keys)
			_, err := c.Token(t.Context(), managedidentity.Request{Resource: resource})
			if tt.want == "" {
				if err != nil || len(shown) != 1 || strings.ContainsAny(shown[0], "\r\n") {
					t.Errorf("got %v and sent %q", err, shown)
				}
				return
			}
			var e *managedidentity.Error
			if !errors.As(err, &e) || e.Verdict != managedidentity.Fatal || e.Tries != 1 || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
			if len(shown) > 0 {
				t.Errorf("sent %q", shown)
			}
			if err != nil && strings.Contains(err.Error(), stolen) {
				t.Errorf("the error holds the file: %v", err)
			}
		})
	}
}

// An agent that is too old ignores which identity was asked for.
func TestPain53ArcConfirmsTheIdentity(t *testing.T) {
	t.Parallel()
	const answer = `{"access_token":"t","expires_in":3600`
	for _, tt := range []struct {
		id      managedidentity.Identity
		members string
		ok      bool
	}{
		{managedidentity.Identity{}, "", true},
		{byClient, `,"client_id":"` + strings.ToUpper(byClient.Value) + `"`, true},
		{byClient, `,"client_id":"30000000-cccc-4ccc-8ccc-000000000003"`, false},
		{byClient, ``, false},
		{byObject, `,"object_id":"` + byObject.Value + `"`, true},
		{byObject, `,"client_id":"` + byObject.Value + `"`, false},
		{byResource, `,"msi_res_id":"` + byResource.Value + `"`, true},
		{byResource, `,"mi_res_id":"` + byResource.Value + `"`, true},
		{byResource, `,"mi_res_id":""`, false},
	} {
		c := mustClient(t, arc, tt.id, policy.ClientOptions{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			return reply(r, 200, answer+tt.members+"}"), nil
		})}, t.TempDir())
		_, err := c.Token(t.Context(), managedidentity.Request{Resource: resource})
		if (err == nil) != tt.ok {
			t.Errorf("%v, answered with %q: got %v", tt.id, tt.members, err)
		}
	}
}

// The key is trusted no more after it was used, and errors never hold it.
func TestArcKeyRefused(t *testing.T) {
	t.Parallel()
	keys := t.TempDir()
	const key = "canary-key-0123456789"
	path := filepath.Join(keys, "a.key")
	if err := os.WriteFile(path, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	tries := 0
	c := mustClient(t, arc, managedidentity.Identity{}, policy.ClientOptions{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		tries++
		return reply(r, 401, `{"error":"bad key `+r.Header.Get("Authorization")+`"}`, "WWW-Authenticate", "Basic realm="+path, "Server", key), nil
	})}, keys)
	_, err := c.Token(t.Context(), managedidentity.Request{Resource: resource})
	var e *managedidentity.Error
	if !errors.As(err, &e) || e.Status != 401 || tries != 2 {
		t.Fatalf("got %v after %d requests", err, tries)
	}
	if strings.Contains(err.Error(), key) || strings.Contains(string(e.Body), key) || strings.Contains(e.Header.Get("Server"), key) {
		t.Errorf("the error holds the key: %v %s %v", err, e.Body, e.Header)
	}
}
