//go:build interop

package interop_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// screenshotsVar names the directory that gets pictures of the pages. Without it they
// go to the test's own, and with it.
const screenshotsVar = "AZID_INTEROP_SCREENSHOTS"

// chromium is a headless browser.
type chromium struct{ ctx context.Context }

// startChromium starts a browser that trusts the emulator's certificate, and ends it with
// the test.
func startChromium(t *testing.T, e *emulator) *chromium {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("there is no chromium: .ci/install-peers installs it")
	}
	home := t.TempDir()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // it does not run as root otherwise, and there is no other network here
		chromedp.UserDataDir(filepath.Join(home, "profile")),
		chromedp.Env("HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home),
		chromedp.Flag("ignore-certificate-errors-spki-list", strings.Join(e.keyHashes(t), ",")),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("the browser does not end: %v", err)
		}
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("%s does not start: %v", path, err)
	}
	return &chromium{ctx}
}

// keyHashes are of the keys that the emulator presents.
func (e *emulator) keyHashes(t *testing.T) []string {
	t.Helper()
	u, err := url.Parse(e.authority)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(e.environment["SSL_CERT_FILE"])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var all []string
	for _, cert := range conn.ConnectionState().PeerCertificates {
		sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
		all = append(all, base64.StdEncoding.EncodeToString(sum[:]))
	}
	return all
}

// A tab is one of a browser of its own: it shares no cookies.
type tab struct {
	t   *testing.T
	ctx context.Context
	// complaints are what the browser reports on its console, such as what a policy
	// blocked.
	mu         sync.Mutex // guards complaints
	complaints []string
}

func (c *chromium) newTab(t *testing.T) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(stop)
	tb := &tab{t: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			tb.mu.Lock()
			tb.complaints = append(tb.complaints, m.String())
			tb.mu.Unlock()
		}
	}()
	return tb
}

// clean checks that the browser had nothing to complain about.
func (tb *tab) clean() {
	tb.t.Helper()
	tb.mu.Lock()
	defer tb.mu.Unlock()
	if len(tb.complaints) > 0 {
		tb.t.Errorf("the browser reports %q", tb.complaints)
	}
}

func (tb *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	if err := chromedp.Do(tb.ctx, actions...); err != nil {
		tb.fail(err)
	}
}

// query gets something from the page.
func query[T any](tb *tab, action chromedp.Action[T]) T {
	tb.t.Helper()
	got, err := chromedp.Run(tb.ctx, action)
	if err != nil {
		tb.fail(err)
	}
	return got
}

// command sends the browser one of its protocol.
func command[P, R any](tb *tab, c cdp.Command[P, R], params P) {
	tb.t.Helper()
	if _, err := chromedp.Call(tb.ctx, c, params); err != nil {
		tb.fail(err)
	}
}

func (tb *tab) fail(err error) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.ctx), 5*time.Second)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	tb.t.Fatalf("%v, at %s:\n%s", err, at, text)
}

// open goes to a page.
func (tb *tab) open(to string) { tb.t.Helper(); tb.do(chromedp.Navigate(to)) }

// press clicks a button, and waits for the page that comes.
func (tb *tab) press(label string) {
	tb.t.Helper()
	button := fmt.Sprintf(`//button[contains(normalize-space(.), %q)]`, label)
	if _, err := chromedp.RunResponse(tb.ctx, chromedp.Click(button)); err != nil {
		tb.fail(fmt.Errorf("%s: %w", label, err))
	}
}

// enter types into a field, found by its label.
func (tb *tab) enter(label, text string) {
	tb.t.Helper()
	field := fmt.Sprintf(`//input[@id = //label[normalize-space(.) = %q]/@for]`, label)
	tb.do(chromedp.Clear(field), chromedp.SendKeys(field, text))
}

// heading waits for a page.
func (tb *tab) heading(want string) {
	tb.t.Helper()
	got, title := query(tb, chromedp.Text("h1")), query(tb, chromedp.Title())
	if got != want || !strings.HasPrefix(strings.TrimPrefix(title, "Error: "), want) {
		tb.t.Fatalf("got the page %q, %q, want %q", got, title, want)
	}
}

// text is what the page shows.
func (tb *tab) text() string {
	tb.t.Helper()
	return query(tb, chromedp.Text("main"))
}

// looks are the ways in which pages are looked at.
var looks = []struct {
	name          string
	width, height int64
	scheme        string
	phone         bool
	// checked: each colour and each layout is, once.
	checked bool
}{
	{"light", 1280, 800, "light", false, true},
	{"dark", 1280, 800, "dark", false, false},
	{"phone", 360, 740, "light", true, false},
	{"phone-dark", 360, 740, "dark", true, true},
}

// look takes pictures of the page, and checks that everybody can use it.
func (tb *tab) look(name string) {
	tb.t.Helper()
	axe, err := os.ReadFile("js/node_modules/axe-core/axe.min.js")
	if err != nil {
		tb.t.Fatalf("%v: run npm ci in interop/js (make interop does)", err)
	}
	dir := os.Getenv(screenshotsVar)
	if dir == "" {
		dir = tb.t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.t.Fatal(err)
	}
	for _, as := range looks {
		command(tb, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: as.scheme}}})
		var options []chromedp.EmulateViewportOption
		if as.phone {
			options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch)
		}
		tb.do(chromedp.EmulateViewport(as.width, as.height, options...))
		picture := query(tb, chromedp.FullScreenshot(100))
		wide := query(tb, chromedp.Evaluate[int64]("document.documentElement.scrollWidth"))
		if err := os.WriteFile(filepath.Join(dir, name+"-"+as.name+".png"), picture, 0o644); err != nil {
			tb.t.Fatal(err)
		}
		if wide > as.width {
			tb.t.Errorf("%s, %s: the page is %d wide, the window %d", name, as.name, wide, as.width)
		}
		if !as.checked {
			continue
		}
		tb.do(chromedp.Steps(chromedp.Evaluate[chromedp.Void]("typeof axe === 'undefined' && " + string(axe) + "; undefined")))
		found := query(tb, chromedp.Evaluate[string](`axe.run().then(r => JSON.stringify({passes: r.passes.length, violations: r.violations.map(v =>
			[v.id, v.help, v.nodes.map(n => n.html + ' ' + n.failureSummary)])}))`, chromedp.EvalAwaitPromise))
		var result struct {
			Passes     int   `json:"passes"`
			Violations []any `json:"violations"`
		}
		if err := json.Unmarshal([]byte(found), &result); err != nil || len(result.Violations) > 0 || result.Passes < 10 {
			tb.t.Errorf("%s, %s: %v %s", name, as.name, err, found)
		}
	}
	tb.do(chromedp.ResetViewport())
}
