package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func TestExampleSeed(t *testing.T) {
	t.Parallel()
	if _, err := entratest.ParseSeed(exampleSeed); err != nil {
		t.Fatal(err)
	}
}

func TestEmulatorFiles(t *testing.T) {
	t.Parallel()
	server := entratest.NewServer(nil)
	defer server.Close()
	cfg, err := readSeed("")
	if err != nil {
		t.Fatal(err)
	}
	files := &emulatorFiles{}
	env, assertion, err := files.writeAll(server, cfg, emulatedHosts[0], emulatorPaths{})
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"ca.pem": 0o644, "client.pem": 0o600, "federated-token": 0o600, "env": 0o600} {
		info, err := os.Stat(filepath.Join(files.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got&^mode != 0 && runtime.GOOS != "windows" {
			t.Errorf("%s: mode %o, want %o", name, got, mode)
		}
	}
	before, _ := os.ReadFile(env.get("AZURE_FEDERATED_TOKEN_FILE"))
	if err := assertion.replace(); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadFile(assertion.path)
	if len(after) == 0 || bytes.Equal(before, after) {
		t.Errorf("the assertion was not renewed")
	}
	if err := files.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(files.dir); !os.IsNotExist(err) {
		t.Errorf("afterwards the directory is there: %v", err)
	}
}

func TestEmulatorEnvironmentOfSeed(t *testing.T) {
	t.Parallel()
	server := entratest.NewServer(nil)
	defer server.Close()
	tenant := entratest.Tenant{ID: awayTenantID, Applications: []entratest.Application{{
		ClientID: "20000000-bbbb-4bbb-8bbb-000000000009",
		Secrets:  []entratest.Secret{{Value: "old", Expires: time.Unix(1, 0)}, {Value: "it's"}},
	}}}
	files := &emulatorFiles{}
	defer func() { _ = files.remove() }()
	env, assertion, err := files.writeAll(server, &entratest.Config{Tenants: []entratest.Tenant{tenant}}, emulatedHosts[0], emulatorPaths{})
	if err != nil {
		t.Fatal(err)
	}
	if got := env.get("AZURE_CLIENT_SECRET"); got != "it's" {
		t.Errorf("got secret %q", got)
	}
	if got := env.get("AZURE_CLIENT_CERTIFICATE_PATH") + env.get("AZURE_FEDERATED_TOKEN_FILE"); got != "" || assertion != nil {
		t.Errorf("got %q for an application without certificate and federated credential", got)
	}
	if want := `export AZURE_CLIENT_SECRET='it'\''s'` + "\n"; !bytes.Contains([]byte(env.shell()), []byte(want)) {
		t.Errorf("no %s in\n%s", want, env.shell())
	}
	others := &emulatorFiles{}
	defer func() { _ = others.remove() }()
	_, _, err = others.writeAll(server, &entratest.Config{Tenants: []entratest.Tenant{tenant}}, emulatedHosts[0], emulatorPaths{assertion: filepath.Join(t.TempDir(), "a")})
	if exitStatus(err) != exitUsage {
		t.Errorf("--assertion-file without a federated credential: got %v", err)
	}
}

func TestRequestLog(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	entry := func(after time.Duration, status int, path string) entratest.Entry {
		return entratest.Entry{Time: start.Add(after), Method: "GET", Path: path, Status: status}
	}
	var log requestLog
	var out bytes.Buffer
	entries := []entratest.Entry{entry(1, 200, "/a"), entry(2, 0, "/b"), entry(3, 200, "/c\x1b[2J")}
	log.write(&out, entries, start.Add(time.Second))
	first := out.String()
	log.write(&out, entries, start.Add(3*time.Second)) // b is given up
	log.write(&out, entries, start.Add(4*time.Second)) // nothing is new
	at := start.Format("15:04:05")
	if want := at + " GET /a: 200 in 0 ns\n"; first != want {
		t.Errorf("got %q, want %q", first, want)
	}
	if want := first + at + " GET /b: no answer\n" + at + " GET /c\uFFFD[2J: 200 in 0 ns\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// The directory for Azure Arc's keys is made for its user alone, and nothing
// else is removed with it.
func TestArcKeys(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	k, err := prepareArc(filepath.Join(base, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(base, "a"), k.path} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o700 && runtime.GOOS != "windows" {
			t.Errorf("%s is %v, error %v", path, info, err)
		}
	}
	if err := k.remove(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(base); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if k, err = prepareArc(base); err != nil || k.remove() != nil {
		t.Errorf("a directory that is there: %v", err)
	}
	if _, err := os.Stat(base); err != nil {
		t.Errorf("a directory that was there is gone: %v", err)
	}
}

// The page on testing without Azure has a row for every host with the variables
// that the host really gives.
func TestDocsHostVariables(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/test-without-azure.md")
	if err != nil {
		t.Fatal(err)
	}
	server := entratest.NewServer(nil)
	defer server.Close()
	cfg, err := readSeed("")
	if err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile("`([^`]+)`")
	documented := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		var names []string
		for _, m := range word.FindAllStringSubmatch(cells[2], -1) {
			names = append(names, m[1])
		}
		slices.Sort(names)
		for _, m := range word.FindAllStringSubmatch(cells[1], -1) {
			documented[m[1]] = names
		}
	}
	common := []string{
		"AZURE_AUTHORITY_HOST", "AZURE_IDENTITY_DISABLE_INSTANCE_DISCOVERY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
	}
	for _, h := range emulatedHosts {
		files := &emulatorFiles{}
		env, _, err := files.writeAll(server, cfg, h, emulatorPaths{})
		if err != nil {
			t.Fatal(err)
		}
		if err := files.remove(); err != nil {
			t.Error(err)
		}
		var names []string
		for _, v := range env {
			if !v.unset && !slices.Contains(common, v.name) {
				names = append(names, v.name)
			}
			if v.unset != (v.value == "") || !h.application() && !slices.Contains(hostVariables, v.name) && !slices.Contains(common, v.name) {
				t.Errorf("%s: %+v", h.name, v)
			}
		}
		slices.Sort(names)
		if !slices.Equal(names, documented[h.name]) {
			t.Errorf("%s: the page has %v, the host %v", h.name, documented[h.name], names)
		}
	}
}
