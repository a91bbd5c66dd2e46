package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/loopback"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// guarded runs the suite behind the loopback guard.
type guarded struct{ m *testing.M }

func (g guarded) Run() int {
	loopback.Main(g.m, entra.SharedTransport, entra.DirectTransport)
	return 1 // Main ends the process
}

func TestMain(m *testing.M) {
	azid := func() {
		loopback.Guard(entra.SharedTransport)
		loopback.Guard(entra.DirectTransport)
		main()
	}
	testscript.Main(guarded{m}, map[string]func(){
		"azid": azid,
		// azid-tty is azid whose output goes to the script's terminal.
		"azid-tty": func() {
			tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
			if err != nil {
				panic(err)
			}
			os.Stdout, os.Stderr = tty, tty
			azid()
		},
	})
}

// TestScript runs the archives of testdata. Each starts with an environment that
// configures no credential.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			for _, v := range os.Environ() {
				if name, _, _ := strings.Cut(v, "="); isCredentialVariable(name) {
					env.Setenv(name, "")
				}
			}
			// No name but localhost leads anywhere, and nothing asks about that.
			env.Setenv("AZURE_IDENTITY_DISABLE_INSTANCE_DISCOVERY", "true")
			env.Setenv("NO_PROXY", "*")
			env.Values["asked"] = make(chan struct{}, 100)
			env.Setenv("TMPDIR", env.WorkDir)
			env.Setenv("TMP", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"normal": normal,
			"source": source,
			"secret": secretFree,
			"status": status,
			"deaf":   deaf,
			"tidy":   tidy,
		},
	})
}

// unstable are the parts of the output that differ from run to run.
var unstable = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`localhost:[1-9]\d+|127\.0\.0\.1:[1-9]\d+`), "localhost:PORT"},
	{regexp.MustCompile(`azid-emulator-\d+`), "azid-emulator-N"},
	{regexp.MustCompile(`\b[0-9a-f]{40}\b`), "THUMBPRINT"},
	{regexp.MustCompile(`"(first|cached)Nanoseconds": \d+`), `"${1}Nanoseconds": N`},
	{regexp.MustCompile(` +(\d+(\.\d)? (ns|µs|ms)|\d\.\d s)\b`), " T"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\dZ`), "DATE"},
	{regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `), "TIME "},
	{regexp.MustCompile(`\d+ s ago`), "N s ago"},
	{regexp.MustCompile(`(Correlation|trace) ID [-0-9a-f]{36}`), "$1 ID GUID"},
	{regexp.MustCompile(`(?m)^(  (aio|kid|x5t|rh|uti) +)\S+$`), "${1}RANDOM"},
	{regexp.MustCompile(`eyJ[-\w]+\.eyJ[-\w]+\.[-\w]{20,}`), "TOKEN"},
	{regexp.MustCompile(`go\d\.\d+\S*, \w+/\w+`), "goVERSION, OS/ARCH"},
	{regexp.MustCompile(`azid (v\d|\(devel\))\S*,`), "azid VERSION,"},
}

// normal writes what the last command printed to the files out and err, with
// what differs from run to run replaced. Given files, it does that for those.
func normal(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("normal cannot fail")
	}
	replace := func(from, to string) {
		text := strings.ReplaceAll(ts.ReadFile(from), ts.Getenv("WORK"), "$WORK")
		for _, u := range unstable {
			text = u.pattern.ReplaceAllString(text, u.with)
		}
		ts.Check(os.WriteFile(ts.MkAbs(to), []byte(text), 0o600))
	}
	for _, name := range args {
		replace(name, name)
	}
	if len(args) == 0 {
		replace("stdout", "out")
		replace("stderr", "err")
	}
}

var exportLine = regexp.MustCompile(`(?m)^export (\w+)='([^']*)'$`)

var unsetLine = regexp.MustCompile(`(?m)^unset (.*)$`)

// source waits for a file of exports and takes them over, as a shell does.
func source(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	for range 500 {
		if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), "NODE_EXTRA_CA_CERTS") {
			for _, m := range exportLine.FindAllStringSubmatch(string(data), -1) {
				ts.Setenv(m[1], m[2])
				if m[1] == "AZURE_AUTHORITY_HOST" {
					ts.Setenv("PORT", m[2][strings.LastIndexByte(m[2], ':')+1:])
				}
			}
			for _, m := range unsetLine.FindAllStringSubmatch(string(data), -1) {
				for _, name := range strings.Fields(m[1]) {
					ts.Setenv(name, "")
				}
			}
			return
		}
		time.Sleep(20 * time.Millisecond) // another process writes it
	}
	ts.Fatalf("no environment in %s", filepath.Base(path))
}

// secretFree fails if standard error holds the secret of the environment or a token.
func secretFree(ts *testscript.TestScript, neg bool, _ []string) {
	if !neg {
		ts.Fatalf("use ! secret")
	}
	text, secret := ts.ReadFile("stderr"), ts.Getenv("AZURE_CLIENT_SECRET")
	if secret != "" && strings.Contains(text, secret) {
		ts.Fatalf("standard error holds the secret")
	}
	if strings.Contains(text, "eyJ") {
		ts.Fatalf("standard error holds a token")
	}
}

// status runs a program and demands its exit status.
func status(ts *testscript.TestScript, _ bool, args []string) {
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// deaf starts a server that takes connections and never says anything. With the
// argument asked, it waits until somebody has connected to it.
func deaf(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) > 0 {
		<-ts.Value("asked").(chan struct{})
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	asked := ts.Value("asked").(chan struct{})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			asked <- struct{}{}
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	ts.Setenv("AZURE_AUTHORITY_HOST", "https://localhost:"+port)
}

// tidy fails if azid has left temporary files.
func tidy(ts *testscript.TestScript, _ bool, _ []string) {
	left, err := filepath.Glob(ts.MkAbs("azid-*"))
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("left behind: %v", left)
	}
}
