package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/browser"
)

const address = "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize?client_id=a&state=" + state

// programs are paths by name.
func programs(names ...string) map[string]string {
	all := map[string]string{}
	for _, n := range names {
		all[n] = "/bin/" + n
	}
	return all
}

func TestPain71Openers(t *testing.T) {
	t.Parallel()
	display := map[string]string{"DISPLAY": ":0"}
	// In WSL, what reaches Windows comes first.
	ps := []string{"/bin/powershell.exe", "-NoProfile", "-NonInteractive", "-Command", "Start-Process '" + address + "'"}
	const psPath = "/mnt/c/Windows/System32/WindowsPowerShell/v1.0/powershell.exe"
	for name, tt := range map[string]struct {
		m    browser.Machine
		want [][]string
		err  browser.Reason
	}{
		"linux": {m: browser.Machine{OS: "linux", Env: display, Programs: programs("sensible-browser", "x-www-browser", "gio", "xdg-open", "powershell.exe")},
			want: [][]string{{"/bin/xdg-open", address}, {"/bin/gio", "open", address}, {"/bin/x-www-browser", address}, {"/bin/sensible-browser", address}}},
		"wayland":                   {m: browser.Machine{OS: "linux", Env: map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, Programs: programs("xdg-open")}, want: [][]string{{"/bin/xdg-open", address}}},
		"freebsd":                   {m: browser.Machine{OS: "freebsd", Env: display, Programs: programs("xdg-open")}, want: [][]string{{"/bin/xdg-open", address}}},
		"no display":                {m: browser.Machine{OS: "linux", Programs: programs("xdg-open", "www-browser")}, err: browser.NoDisplay},
		"freebsd, no display":       {m: browser.Machine{OS: "freebsd", Programs: programs("xdg-open")}, err: browser.NoDisplay},
		"no program":                {m: browser.Machine{OS: "linux", Env: display}, err: browser.NoOpener},
		"docker":                    {m: browser.Machine{OS: "linux", Programs: programs("xdg-open"), Files: map[string]string{"/.dockerenv": ""}}, err: browser.Container},
		"podman":                    {m: browser.Machine{OS: "linux", Programs: programs("xdg-open"), Files: map[string]string{"/run/.containerenv": ""}}, err: browser.Container},
		"kubernetes":                {m: browser.Machine{OS: "linux", Env: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1"}}, err: browser.Container},
		"container with a display":  {m: browser.Machine{OS: "linux", Env: display, Programs: programs("xdg-open"), Files: map[string]string{"/.dockerenv": ""}}, want: [][]string{{"/bin/xdg-open", address}}},
		"ssh with a display":        {m: browser.Machine{OS: "linux", Env: map[string]string{"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "x"}, Programs: programs("xdg-open")}, want: [][]string{{"/bin/xdg-open", address}}},
		"wsl":                       {m: browser.Machine{OS: "linux", Env: map[string]string{"WSL_DISTRO_NAME": "Debian"}, Programs: programs("powershell.exe", "xdg-open")}, want: [][]string{ps}},
		"wsl with wslu":             {m: browser.Machine{OS: "linux", Env: map[string]string{"WSL_INTEROP": "/run/x"}, Programs: programs("powershell.exe", "wslview")}, want: [][]string{{"/bin/wslview", address}, ps}},
		"wsl by its kernel":         {m: browser.Machine{OS: "linux", Programs: programs("powershell.exe"), Files: map[string]string{"/proc/sys/kernel/osrelease": "5.15.167.4-microsoft-standard-WSL2\n"}}, want: [][]string{ps}},
		"wsl without Windows' PATH": {m: browser.Machine{OS: "linux", Env: map[string]string{"WSL_DISTRO_NAME": "Debian"}, Programs: map[string]string{psPath: psPath}}, want: [][]string{append([]string{psPath}, ps[1:]...)}},
		"wsl with a display":        {m: browser.Machine{OS: "linux", Env: map[string]string{"WSL_DISTRO_NAME": "Debian", "DISPLAY": ":0"}, Programs: programs("powershell.exe", "xdg-open")}, want: [][]string{ps, {"/bin/xdg-open", address}}},
		"wsl, cut off from Windows": {m: browser.Machine{OS: "linux", Env: map[string]string{"WSL_DISTRO_NAME": "Debian"}, Programs: programs("xdg-open")}, err: browser.NoOpener},
		"container on WSL's kernel": {m: browser.Machine{OS: "linux", Programs: programs("powershell.exe"), Files: map[string]string{"/proc/sys/kernel/osrelease": "5.15-microsoft", "/.dockerenv": ""}}, err: browser.Container},
		"macOS":                     {m: browser.Machine{OS: "darwin", Programs: programs("open")}, want: [][]string{{"/bin/open", address}}},
		"macOS over ssh":            {m: browser.Machine{OS: "darwin", Env: map[string]string{"SSH_CONNECTION": "x"}, Programs: programs("open")}, err: browser.Remote},
		"windows": {m: browser.Machine{OS: "windows", Env: map[string]string{"SystemRoot": `C:\Windows`}, Programs: map[string]string{`C:\Windows\System32\rundll32.exe`: `C:\Windows\System32\rundll32.exe`}},
			want: [][]string{{`C:\Windows\System32\rundll32.exe`, "url.dll,FileProtocolHandler", address}}},
		"windows, bare":    {m: browser.Machine{OS: "windows", Programs: programs("rundll32.exe")}, want: [][]string{{"/bin/rundll32.exe", "url.dll,FileProtocolHandler", address}}},
		"windows over ssh": {m: browser.Machine{OS: "windows", Env: map[string]string{"SSH_CONNECTION": "x"}, Programs: programs("rundll32.exe")}, err: browser.Remote},
		"android":          {m: browser.Machine{OS: "android", Programs: programs("termux-open-url")}, want: [][]string{{"/bin/termux-open-url", address}}},
		"BROWSER goes first": {m: browser.Machine{OS: "linux", Env: map[string]string{"DISPLAY": ":0", "BROWSER": "firefox"}, Programs: programs("firefox", "xdg-open")},
			want: [][]string{{"/bin/firefox", address}, {"/bin/xdg-open", address}}},
		"BROWSER needs no display":     {m: browser.Machine{OS: "linux", Env: map[string]string{"BROWSER": "helper"}, Programs: programs("helper", "xdg-open")}, want: [][]string{{"/bin/helper", address}}},
		"BROWSER over ssh":             {m: browser.Machine{OS: "darwin", Env: map[string]string{"SSH_TTY": "x", "BROWSER": "helper"}, Programs: programs("helper", "open")}, want: [][]string{{"/bin/helper", address}}},
		"BROWSER is missing":           {m: browser.Machine{OS: "linux", Env: map[string]string{"BROWSER": "none"}}, err: browser.NoDisplay},
		"BROWSER is empty words":       {m: browser.Machine{OS: "linux", Env: map[string]string{"BROWSER": " :: : \t"}}, err: browser.NoDisplay},
		"BROWSER is a list":            {m: browser.Machine{OS: "linux", Env: map[string]string{"BROWSER": "none:b:a"}, Programs: programs("a", "b")}, want: [][]string{{"/bin/b", address}, {"/bin/a", address}}},
		"BROWSER is a list on Windows": {m: browser.Machine{OS: "windows", Env: map[string]string{"BROWSER": `C:\b.exe;"C:\Program Files\a.exe" --new %s`}, Programs: map[string]string{`C:\b.exe`: "B", `C:\Program Files\a.exe`: "A"}}, want: [][]string{{"B", address}, {"A", "--new", address}}},
		"BROWSER is a batch file":      {m: browser.Machine{OS: "windows", Env: map[string]string{"BROWSER": `a.cmd;B.BAT %s`}, Programs: map[string]string{"a.cmd": `C:\a.cmd`, "B.BAT": `C:\B.BAT`}}, err: browser.NoOpener},
		"BROWSER has %s":               {m: browser.Machine{OS: "linux", Env: map[string]string{"BROWSER": `a --url=%s 'new tab' "%s" &`}, Programs: programs("a")}, want: [][]string{{"/bin/a", "--url=" + address, "new tab", address}}},
		"BROWSER has arguments":        {m: browser.Machine{OS: "linux", Env: map[string]string{"BROWSER": "a --private"}, Programs: programs("a")}, want: [][]string{{"/bin/a", "--private", address}}},
		"BROWSER has a space":          {m: browser.Machine{OS: "linux", Env: map[string]string{"BROWSER": "/opt/my browser"}, Programs: map[string]string{"/opt/my browser": "/opt/my browser"}}, want: [][]string{{"/opt/my browser", address}}},
		"BROWSER has an open quote":    {m: browser.Machine{OS: "linux", Env: map[string]string{"BROWSER": `a "%s`}, Programs: programs("a")}, err: browser.NoDisplay},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.m.Openers(address)
			if reason(err) != tt.err {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if !slices.EqualFunc(got, tt.want, slices.Equal) {
				t.Errorf("got\n%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

// reason is that of an OpenError, or empty.
func reason(err error) browser.Reason {
	if e := (*browser.OpenError)(nil); errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// The same cases as Python's shlex.split.
func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		in      string
		windows bool
		want    []string
	}{
		{in: "", want: nil},
		{in: "  a\tb\n", want: []string{"a", "b"}},
		{in: `a "b c" 'd "e"' f'g'h`, want: []string{"a", "b c", `d "e"`, "fgh"}},
		{in: `a\ b \"c \\`, want: []string{"a b", `"c`, `\`}},
		{in: `"a\"b\\c\d" 'a\b'`, want: []string{`a"b\c\d`, `a\b`}},
		{in: `'' ""`, want: []string{"", ""}},
		{in: `a "b`, want: nil},
		{in: `a $(b) ; c`, want: []string{"a", "$(b)", ";", "c"}},
		{in: `C:\a\b.exe "C:\c d\e.exe"`, windows: true, want: []string{`C:\a\b.exe`, `C:\c d\e.exe`}},
	} {
		if got := browser.Split(tt.in, !tt.windows); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

// Only web addresses reach a program, and nothing of them is more than text to
// a command line.
func TestOpenOnlyWebAddresses(t *testing.T) {
	t.Parallel()
	m := browser.Machine{OS: "linux", Env: map[string]string{"BROWSER": "a"}, LookPath: func(string) (string, error) { t.Error("something would be run"); return "", errors.New("no") }}
	for _, a := range []string{"", "/etc/passwd", "file:///etc/passwd", "javascript:alert(1)", "--version", "-https://x", "ms-settings:", "https:", "https:///x", "http:x", "https://user:canary@host/", "https://host/\x00", "https://ho st/", "https://host/%zz"} {
		err := m.Open(t.Context(), a, 0)
		if err == nil || reason(err) != "" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: got %v", a, err)
		}
	}
}

func link(t *testing.T, what string, names ...string) (dir string, m browser.Machine) {
	t.Helper()
	dir = t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil && runtime.GOOS == "windows" {
			t.Skip("links need a privilege")
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, orders), []byte(what), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, browser.Machine{OS: "linux", Env: map[string]string{"DISPLAY": ":0"}, LookPath: func(name string) (string, error) {
		return exec.LookPath(filepath.Join(dir, name))
	}}
}

// called returns what a stand-in was called with, or nil.
func called(t *testing.T, dir, name string) *call {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name+".call"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	var c call
	if err != nil || json.Unmarshal(b, &c) != nil {
		t.Fatal(err)
	}
	return &c
}

// patient is longer than any stand-in takes to exit.
const patient = time.Minute

func TestOpen(t *testing.T) {
	t.Parallel()
	dir, m := link(t, "xdg-open exit 0", "xdg-open", "gio")
	if err := m.Open(t.Context(), address+"&x=a b'\"`$(c)%25é", patient); err != nil {
		t.Fatal(err)
	}
	c := called(t, dir, "xdg-open")
	if c == nil {
		t.Fatal("it was not called")
	}
	if want := []string{address + "&x=a%20b%27%22%60$(c)%25%C3%A9"}; !slices.Equal(c.Args, want) {
		t.Errorf("got %q, want %q", c.Args, want)
	}
	if c.Stdin != "" {
		t.Errorf("it could read %q", c.Stdin)
	}
	if runtime.GOOS == "linux" {
		if null := os.DevNull; !slices.Equal(c.Files, []string{null, null, null}) {
			t.Errorf("it has the files %q", c.Files)
		}
		if !c.Session {
			t.Error("it is in our session, so that Ctrl-C would end it")
		}
	}
	if called(t, dir, "gio") != nil {
		t.Error("the second was called after the first had succeeded")
	}
}

// Pain 71: an opener that fails is noticed at once, and the next one is tried.
func TestPain71OpenerFails(t *testing.T) {
	t.Parallel()
	dir, m := link(t, "xdg-open exit 3\ngio exit 0", "xdg-open", "gio")
	if err := m.Open(t.Context(), address, patient); err != nil {
		t.Fatal(err)
	}
	if called(t, dir, "xdg-open") == nil || called(t, dir, "gio") == nil {
		t.Error("not both were called")
	}

	dir, m = link(t, "xdg-open exit 3\ngio exit 4", "xdg-open", "gio")
	if err := os.WriteFile(filepath.Join(dir, "x-www-browser"), []byte("no program"), 0o700); err != nil {
		t.Fatal(err)
	}
	err := m.Open(t.Context(), address, patient)
	if reason(err) != browser.Failed {
		t.Fatalf("got %v", err)
	}
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("got %v", err)
	}
	if want := "open a browser: what opens one failed: xdg-open: exit status 3, gio: exit status 4, x-www-browser: exec format error: open the address by hand, or set BROWSER to a command that does"; err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A program that is the browser itself is not waited for, and its end is seen to.
func TestOpenDoesNotWaitForTheBrowser(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, m := link(t, "xdg-open stay "+l.Addr().String(), "xdg-open")
	ctx, cancel := context.WithCancel(t.Context())
	if err := m.Open(ctx, address, 10*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	cancel() // does not end what was started
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("it lives")); err != nil {
		t.Error(err)
	}
	conn.Close() // now it exits, and the goroutine that reaps it, or the suite fails
}

// Pain 18: the end of the context ends the watching.
func TestPain18OpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir, m := link(t, "xdg-open stay "+l.Addr().String(), "xdg-open", "gio")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- m.Open(ctx, address, patient) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || reason(err) != "" {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if err := m.Open(ctx, address, patient); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if called(t, dir, "gio") != nil {
		t.Error("the second was tried after the end")
	}
}

// The exported functions look at the real environment.
func TestOpenByTheEnvironment(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir, _ := link(t, "my-browser stay "+l.Addr().String(), "my-browser")
	t.Setenv("PATH", dir)
	t.Setenv("BROWSER", "my-browser --new %s")
	if err := browser.Available(); err != nil {
		t.Error(err)
	}
	opened := make(chan error, 1)
	go func() { opened <- browser.Open(t.Context(), address) }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if c := called(t, dir, "my-browser"); c == nil || !slices.Equal(c.Args, []string{"--new", address}) {
		t.Errorf("got %+v", c)
	}
	conn.Close()
	if err := <-opened; err != nil {
		t.Error(err)
	}

	if _, err := os.Stat("/mnt/c/Windows"); err == nil {
		return // Windows is always there to be asked
	}
	for _, name := range []string{"BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "WSL_INTEROP", "SystemRoot"} {
		t.Setenv(name, "")
	}
	for _, err := range []error{browser.Available(), browser.Open(t.Context(), address)} {
		if reason(err) == "" || !strings.Contains(err.Error(), "open the address by hand") || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v", err)
		}
	}
}
