package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A Reason is why no browser was opened.
type Reason string

// The reasons.
const (
	NoDisplay Reason = "there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set"
	Container Reason = "this is a container without a display"
	Remote    Reason = "this is a remote session, and the browser would open on the other machine's screen"
	NoOpener  Reason = "no program that opens one was found"
	Failed    Reason = "what opens one failed"
)

// An OpenError says why no browser was opened. The person can still open the
// address by hand, which the caller has to show: it is not in the error.
type OpenError struct {
	Reason Reason

	causes []error // for Failed, one for each program
}

func (e *OpenError) Error() string {
	s := "open a browser: " + string(e.Reason)
	for i, err := range e.causes {
		s += []string{": ", ", "}[min(i, 1)] + err.Error()
	}
	return s + ": open the address by hand, or set BROWSER to a command that does"
}

// Unwrap returns how each program failed.
func (e *OpenError) Unwrap() []error { return e.causes }

// patience is how long Open watches a program that opens browsers. Those that
// find no browser say so in a fraction of it; one that is the browser itself runs
// on.
const patience = time.Second

// Open shows an http or https URL in the person's browser. It tries, in this
// order, the commands in the variable BROWSER (a list as in PATH; %s stands for
// the URL, which otherwise comes last) and what the system has. In WSL the browser
// is that of Windows.
//
// It returns when a program has succeeded, or is still running after a second: it
// never waits for a browser to exit. No shell is involved; the program gets no
// standard input, and its output is dropped. If nothing can work or nothing did,
// the error is an [*OpenError]. A browser that was started is not stopped when ctx
// ends.
//
// Other users of the machine can see the URL in the list of processes, as with any
// program that opens one. An authorize URL holds no secret: redeeming the code
// takes PKCE's verifier, which never leaves the process, and what it returns is
// delivered to loopback. What a user of the same machine could do is answer first,
// with a sign-in of his own.
func Open(ctx context.Context, url string) error {
	return system().open(ctx, url, patience)
}

// Available reports, without starting anything, why [Open] cannot work here: it
// returns an [*OpenError], or nil if there is something to try. Where it is not nil,
// a sign-in by device code suits better.
func Available() error {
	_, err := system().openers("")
	return err
}

// A machine is what the choice of openers depends on.
type machine struct {
	os       string // as runtime.GOOS
	getenv   func(string) string
	lookPath func(string) (string, error)
	readFile func(string) ([]byte, error)
}

func system() machine {
	return machine{os: runtime.GOOS, getenv: os.Getenv, lookPath: exec.LookPath, readFile: os.ReadFile}
}

func (m machine) open(ctx context.Context, address string, patience time.Duration) error {
	address, err := printable(address)
	if err != nil {
		return fmt.Errorf("open a browser: the address is not for browsers: %w", err)
	}
	openers, err := m.openers(address)
	if err != nil {
		return err
	}
	failed := &OpenError{Reason: Failed}
	for _, command := range openers {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("open a browser: %w", err)
		}
		err := start(ctx, command, patience)
		if err == nil {
			return nil
		}
		failed.causes = append(failed.causes, fmt.Errorf("%s: %w", filepath.Base(command[0]), err))
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("open a browser: %w", err)
	}
	return failed
}

// start runs a command, and returns nil if it is still running after patience.
func start(ctx context.Context, command []string, patience time.Duration) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.SysProcAttr = detached()
	if err := cmd.Start(); err != nil {
		return bare(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // until it exits: a browser may take hours
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bare is the operating system's reason in err, without the command.
func bare(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// openers returns the commands to try, or why there are none.
func (m machine) openers(address string) ([][]string, error) {
	all := m.chosen(address)
	wsl := m.wsl()
	var blind Reason
	switch {
	case wsl, m.os == "android": // the browser is outside
	case m.os == "windows" || m.os == "darwin" || m.os == "ios":
		// The screen may be there, but nobody may sit before it.
		if m.getenv("SSH_CONNECTION") != "" || m.getenv("SSH_TTY") != "" {
			blind = Remote
		}
	case m.getenv("DISPLAY") == "" && m.getenv("WAYLAND_DISPLAY") == "":
		if blind = NoDisplay; m.container() {
			blind = Container
		}
	}
	if blind == "" {
		for _, command := range m.usual(address, wsl) {
			if path, err := m.lookPath(command[0]); err == nil {
				command[0] = path
				all = append(all, command)
			}
		}
		blind = NoOpener
	}
	if len(all) == 0 {
		return nil, &OpenError{Reason: blind}
	}
	return all, nil
}

// usual returns what opens a URL on this system, the best first.
func (m machine) usual(address string, wsl bool) [][]string {
	switch m.os {
	case "windows":
		rundll := "rundll32.exe"
		if root := m.getenv("SystemRoot"); root != "" {
			rundll = root + `\System32\` + rundll
		}
		return [][]string{{rundll, "url.dll,FileProtocolHandler", address}}
	case "darwin", "ios":
		return [][]string{{"open", address}}
	case "android":
		return [][]string{{"termux-open-url", address}}
	}
	desktop := [][]string{{"xdg-open", address}, {"gio", "open", address}, {"x-www-browser", address}, {"sensible-browser", address}}
	if !wsl {
		return desktop
	}
	// Single quotes keep PowerShell from reading anything in it: printable leaves no
	// quote of any kind.
	arguments := []string{"-NoProfile", "-NonInteractive", "-Command", "Start-Process '" + address + "'"}
	windows := [][]string{{"wslview", address}}
	for _, shell := range []string{"powershell.exe", "/mnt/c/Windows/System32/WindowsPowerShell/v1.0/powershell.exe"} {
		windows = append(windows, append([]string{shell}, arguments...))
	}
	if m.getenv("DISPLAY") == "" && m.getenv("WAYLAND_DISPLAY") == "" {
		return windows
	}
	return append(windows, desktop...)
}

// wsl reports whether this is Linux inside Windows.
func (m machine) wsl() bool {
	if m.os != "linux" {
		return false
	}
	if m.getenv("WSL_DISTRO_NAME") != "" || m.getenv("WSL_INTEROP") != "" {
		return true
	}
	release, _ := m.readFile("/proc/sys/kernel/osrelease")
	// Containers of Docker Desktop run on the same kernel, but cannot reach Windows.
	return strings.Contains(strings.ToLower(string(release)), "microsoft") && !m.container()
}

// container reports whether this is a container of Docker, Podman or Kubernetes.
func (m machine) container() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := m.readFile(mark); err == nil {
			return true
		}
	}
	return m.getenv("KUBERNETES_SERVICE_HOST") != ""
}

// chosen returns the commands in BROWSER, as Python's webbrowser reads it: a list;
// an item with %s in it is a command line, any other a program. Items that cannot
// be run are left out. Beyond Python, arguments do not need %s.
func (m machine) chosen(address string) (all [][]string) {
	separator := ":"
	if m.os == "windows" {
		separator = ";"
	}
	for item := range strings.SplitSeq(m.getenv("BROWSER"), separator) {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if path, err := m.lookPath(item); err == nil && !m.batch(path) {
			all = append(all, []string{path, address})
			continue
		}
		words := split(item, m.os != "windows")
		if n := len(words); n > 1 && words[n-1] == "&" {
			words = words[:n-1] // nothing is waited for anyway
		}
		if len(words) == 0 {
			continue
		}
		path, err := m.lookPath(words[0])
		if err != nil || m.batch(path) {
			continue
		}
		command := []string{path}
		for _, w := range words[1:] {
			command = append(command, strings.ReplaceAll(w, "%s", address))
		}
		if !strings.Contains(item, "%s") {
			command = append(command, address)
		}
		all = append(all, command)
	}
	return all
}

// batch reports whether path is a batch file. Windows runs those in cmd.exe, which
// takes each & of a URL for the end of a command.
func (m machine) batch(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return m.os == "windows" && (ext == ".bat" || ext == ".cmd")
}

// split cuts a command line into words as a POSIX shell does, quotes and
// backslashes included, but expands nothing. Windows has backslashes in paths, so
// there they mean nothing. A line with an open quote has no words.
func split(s string, backslash bool) (words []string) {
	var word strings.Builder
	var quote byte
	open := false // in a word, perhaps an empty one
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && backslash && quote != '\'' && i+1 < len(s) && (quote == 0 || s[i+1] == '"' || s[i+1] == '\\'):
			i++
			word.WriteByte(s[i])
			open = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, open = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if open {
				words = append(words, word.String())
				word.Reset()
				open = false
			}
		default:
			word.WriteByte(c)
			open = true
		}
	}
	if quote != 0 {
		return nil
	}
	if open {
		words = append(words, word.String())
	}
	return words
}
