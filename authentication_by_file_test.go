package azidentity_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// logged returns what is written to the log from now on. Its tests are not parallel.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() { slog.SetDefault(old) })
	return &out
}

const (
	keptEvent    = "azidentity: secret or certificate cannot be read, keeping the one in memory"
	changedEvent = "azidentity: secret or certificate changed"
)

// Pain 44: whatever is wrong with a file, the last good secret or certificate stays,
// and each broken version is one event.
func TestPain44BrokenFileKeepsTheLastGood(t *testing.T) {
	log := logged(t)
	good, other := proofNumber(t, 1), proofNumber(t, 2)
	content := func(b []byte) func(string) error {
		return func(path string) error { return os.WriteFile(path, b, 0o600) }
	}
	directory := func(path string) error { return os.Mkdir(path, 0o700) }
	loop := func(path string) error { return os.Symlink(filepath.Base(path), path) }
	for _, test := range []struct {
		name string
		auth func(path string) azidentity.ClientAuthentication
		put  func(proof) []byte
		// broken puts something in the file's place; it may come in two versions.
		broken []func(path string) error
		want   string
	}{
		{"secret, empty", azidentity.AuthenticationBySecretFile, proof.line, []func(string) error{content([]byte("\xEF\xBB\xBF")), content([]byte(" \r\n"))}, "it is empty"},
		{"secret, several lines", azidentity.AuthenticationBySecretFile, proof.line, []func(string) error{content([]byte("canary-a\ncanary-b")), content([]byte("canary-c\ncanary-d"))}, "more than a secret"},
		{"secret, UTF-16", azidentity.AuthenticationBySecretFile, proof.line, []func(string) error{content([]byte("\xff\xfec\x00a\x00"))}, "UTF-8"},
		{"secret, large", azidentity.AuthenticationBySecretFile, proof.line, []func(string) error{content(bytes.Repeat([]byte("canary"), 1000))}, "4096 bytes"},
		{"secret, a directory", azidentity.AuthenticationBySecretFile, proof.line, []func(string) error{directory}, "no regular file"},
		{"secret, unreadable", azidentity.AuthenticationBySecretFile, proof.line, []func(string) error{loop}, "secret file"},
		{"secret, gone", azidentity.AuthenticationBySecretFile, proof.line, []func(string) error{func(string) error { return nil }}, "secret file"},
		{"certificate, half", certificateFrom, proof.pem, []func(string) error{content(good.pem()[:900]), content(good.pem()[:950])}, "certificate file"},
		{"certificate, no key", certificateFrom, proof.pem, []func(string) error{content([]byte(pemOf(good.cert)))}, "no private key"},
		{"certificate, another's key", certificateFrom, proof.pem, []func(string) error{content(append([]byte(pemOf(good.cert)), other.keyPEM()...))}, "belongs to none"},
		{"certificate, gone", certificateFrom, proof.pem, []func(string) error{func(string) error { return nil }}, "certificate file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, o := emulate(t, nil)
			accept(t, e, good, other)
			path := filepath.Join(t.TempDir(), "rotating")
			writeFile(t, path, test.put(good))
			c := appCred(t, test.auth(path), o)
			if err := fresh(t, c); err != nil {
				t.Fatal(err)
			}
			log.Reset()
			for i, put := range test.broken {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				if err := put(path); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if err := fresh(t, c); err != nil {
						t.Error(err)
					}
				}
				if n := strings.Count(log.String(), keptEvent); n != i+1 {
					t.Errorf("%d events for %d broken versions:\n%s", n, i+1, log)
				}
			}
			// The same once more, with another time, is no other version.
			later := time.Now().Add(time.Hour)
			_ = os.Chtimes(path, later, later)
			// And a refusal finds it, too.
			e.Inject(entratest.Fault{Code: 7000215, Times: 1})
			err := fresh(t, c)
			if n := strings.Count(log.String(), keptEvent); n != len(test.broken) {
				t.Errorf("%d events for %d broken versions:\n%s", n, len(test.broken), log)
			}
			if err == nil || !strings.Contains(err.Error(), path+", which cannot be used now: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error that says what is wrong with the file, %q", err, test.want)
			}

			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			writeFile(t, path, test.put(good))
			if err := fresh(t, c); err != nil || strings.Contains(log.String(), changedEvent) {
				t.Errorf("the good one again: got %v, and an event about a change that was none:\n%s", err, log)
			}
			accept(t, e, other)
			writeFile(t, path, append(test.put(other), '\n'))
			if err := fresh(t, c); err != nil || strings.Count(log.String(), changedEvent) != 1 || !strings.Contains(log.String(), path) {
				t.Errorf("another good one: got %v, want one event that names the file:\n%s", err, log)
			}
			if strings.Contains(log.String()+fmt.Sprint(err), "canary") {
				t.Errorf("a secret is in the log:\n%s", log)
			}

			// Until there was a good one, the constructor says what is wrong.
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			if err := test.broken[0](path); err != nil {
				t.Fatal(err)
			}
			auth := test.auth(path)
			_, err = azidentity.NewApplicationCredential(tenantID, clientID, auth, nil)
			if err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %v, want an error that names the file and %q", err, test.want)
			}
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			writeFile(t, path, test.put(other))
			if err := fresh(t, appCred(t, auth, o)); err != nil {
				t.Errorf("once the file is there: %v", err)
			}
		})
	}
}

func (p proof) line() []byte { return []byte(p.secret + "\n") }

func certificateFrom(path string) azidentity.ClientAuthentication {
	return azidentity.AuthenticationByCertificateFile(path, nil)
}

// Pain 44: the directories that Kubernetes and the Secrets Store CSI driver mount.
func TestPain44CertificateDirectories(t *testing.T) {
	t.Parallel()
	p := proofNumber(t, 1)
	cert := []byte(pemOf(p.cert))
	for name, test := range map[string]struct {
		files map[string][]byte
		want  string // in the error; empty for none
	}{
		"TLS secret":             {map[string][]byte{"tls.crt": cert, "tls.key": p.keyPEM()}, ""},
		"TLS secret and CA":      {map[string][]byte{"tls.crt": cert, "tls.key": p.keyPEM(), "ca.crt": cert}, ""},
		"no new line at the end": {map[string][]byte{"tls.crt": bytes.TrimSpace(cert), "tls.key": p.keyPEM()}, ""},
		"Key Vault":              {map[string][]byte{"my-cert": p.pem()}, ""},
		"hidden files":           {map[string][]byte{"my-cert": p.pem(), ".keep": nil}, ""},
		"no key":                 {map[string][]byte{"tls.crt": cert}, "no private key"},
		"broken key":             {map[string][]byte{"tls.crt": cert, "tls.key": []byte("?")}, "no private key"},
		"large key":              {map[string][]byte{"tls.crt": cert, "tls.key": bytes.Repeat([]byte(" "), 1<<20+1)}, "tls.key: "},
		"several":                {map[string][]byte{"one": p.pem(), "two": p.pem()}, "several files"},
		"nothing":                {nil, "the directory is empty"},
	} {
		for how, put := range map[string]func(testing.TB, string, map[string][]byte){"plain": plain, "mounted": mount} {
			e, o := emulate(t, nil)
			accept(t, e, p)
			dir := t.TempDir()
			put(t, dir, test.files)
			c, err := azidentity.NewApplicationCredential(tenantID, clientID, certificateFrom(dir), &azidentity.ApplicationCredentialOptions{ClientOptions: o})
			if test.want != "" {
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) {
					t.Errorf("%s, %s: got %v, want %q", name, how, err, test.want)
				}
				continue
			}
			if err == nil {
				err = fresh(t, c)
			}
			if err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
			}
		}
	}
}

// Pain 44: certificate and key are never of two versions, whenever a mount is replaced.
func TestPain44MountReplacedWhileItIsRead(t *testing.T) {
	t.Parallel()
	var versions [2]map[string][]byte
	for i := range versions {
		p := proofNumber(t, i)
		versions[i] = map[string][]byte{"tls.crt": []byte(pemOf(p.cert)), "tls.key": p.keyPEM()}
	}
	dir := t.TempDir()
	mount(t, dir, versions[1])
	for i := range 500 {
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := azidentity.NewApplicationCredential(tenantID, clientID, certificateFrom(dir), nil); err != nil {
				t.Error(err)
			}
		})
		mount(t, dir, versions[i%2])
		wg.Wait()
	}
}

func plain(t testing.TB, dir string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
