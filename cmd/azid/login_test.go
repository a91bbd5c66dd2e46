package main

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"image"
	"image/color"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/internal/loopback"
)

// standInBrowser is a program for BROWSER: its person is signed in already, chooses an
// account, cancels, or closes the window.
func standInBrowser() {
	address := os.Args[len(os.Args)-1]
	if err := browse(address, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func browse(address, person string) error {
	u, err := url.Parse(address)
	if err != nil || person == "closes" {
		return err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	loopback.Guard(transport)
	client := &http.Client{Transport: transport}
	form := url.Values{"state": {u.Query().Get("state")}, "error": {"access_denied"}, "error_description": {"AADSTS65004: User declined to consent to access the app."}}
	if strings.Contains(person, "@") {
		q := u.Query()
		q.Set("login_hint", person)
		u.RawQuery = q.Encode()
	}
	if person != "cancels" {
		resp, err := client.Get(u.String())
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		form = url.Values{}
		for _, m := range hiddenInput.FindAllStringSubmatch(string(page), -1) {
			form.Set(m[1], html.UnescapeString(m[2]))
		}
	}
	resp, err := client.PostForm(u.Query().Get("redirect_uri"), form)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// shown waits until a background command has written a text to a file.
func shown(ts *testscript.TestScript, neg bool, args []string) {
	for range 500 {
		if data, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(data), args[1]) {
			return
		}
		time.Sleep(20 * time.Millisecond) // another process writes it
	}
	ts.Fatalf("no %q in %s", args[1], args[0])
}

// qrCode fails unless the terminal shows a QR code of the text.
func qrCode(ts *testscript.TestScript, neg bool, args []string) {
	text, err := scanQR(ts.ReadFile("ttyout"), true)
	switch {
	case neg && !errors.Is(err, errNoQR):
		ts.Fatalf("there is a QR code: %q, %v", text, err)
	case neg:
	case err != nil:
		ts.Fatalf("scan the QR code: %v", err)
	case text != args[0]:
		ts.Fatalf("the QR code says %q", text)
	}
}

var errNoQR = errors.New("there is no QR code")

// scanQR reads the QR code among what a terminal shows, by a decoder that shares no code
// with the encoder, of what the light of the terminal would be. The decoder does not
// find every code in a picture with something around it, which pure is without.
func scanQR(terminal string, pure bool) (string, error) {
	var rows [][2][]bool // upper and lower halves; true is light
	for line := range strings.Lines(terminal) {
		line, found := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "\x1b[97;40m") // white on black
		if !found {
			continue
		}
		line, found = strings.CutSuffix(line, "\x1b[0m")
		if !found {
			return "", errors.New("a line of the QR code does not end its colours")
		}
		var row [2][]bool
		for _, r := range line {
			i := strings.IndexRune("\u2588\u2580\u2584 ", r) // full, upper, lower, none
			if i < 0 {
				return "", fmt.Errorf("a QR code has no %q", r)
			}
			row[0] = append(row[0], r == '\u2588' || r == '\u2580')
			row[1] = append(row[1], r == '\u2588' || r == '\u2584')
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return "", errNoQR
	}
	const scale = 4
	margin, hints := 40, map[gozxing.DecodeHintType]any{} // of a terminal that is black around
	if pure {
		margin, hints[gozxing.DecodeHintType_PURE_BARCODE] = 0, true
	}
	width := len(rows[0][0])
	img := image.NewGray(image.Rect(0, 0, width*scale+2*margin, 2*len(rows)*scale+2*margin))
	for y := range 2 * len(rows) * scale {
		for x := range width * scale {
			if rows[y/scale/2][y/scale%2][x/scale] {
				img.SetGray(x+margin, y+margin, color.Gray{Y: 255})
			}
		}
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		return "", err
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
	if err != nil {
		return "", err
	}
	return result.GetText(), nil
}

func TestQRCode(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"https://microsoft.com/devicelogin", "https://login.microsoft.com/device", "https://localhost:8443/devicelogin", "https://login.example.com/" + strings.Repeat("x", 90)} {
		lines, width, err := qrLines(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := scanQR(strings.Join(lines, "\r\n"), false); got != text || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
		for _, line := range lines {
			plain := strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[97;40m"), "\x1b[0m")
			if n := len([]rune(plain)); n != width {
				t.Errorf("%s: a line is %d wide, not %d", text, n, width)
			}
		}
	}
	for port := 1; port < 1<<16; port += 199 { // as the emulator may have
		text := fmt.Sprintf("https://localhost:%d/devicelogin", port)
		lines, _, err := qrLines(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := scanQR(strings.Join(lines, "\r\n"), true); got != text || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, text)
		}
	}
	// Entra's fits on the smallest usual terminal, text included.
	if lines, width, _ := qrLines("https://login.microsoft.com/device"); width > 80 || len(lines)+6 > 24 {
		t.Errorf("%d lines of %d", len(lines), width)
	}
}

func TestWritesUTF8(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		system string
		env    map[string]string
		want   bool
	}{
		{"linux", nil, false},
		{"linux", map[string]string{"LANG": "de_DE.UTF-8"}, true},
		{"linux", map[string]string{"LANG": "C.utf8"}, true},
		{"linux", map[string]string{"LANG": "de_DE.ISO-8859-1"}, false},
		{"linux", map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, false},
		{"darwin", map[string]string{"LANG": "C", "LC_CTYPE": "UTF-8"}, true},
		{"windows", nil, true},
	} {
		if got := writesUTF8(test.system, func(name string) string { return test.env[name] }); got != test.want {
			t.Errorf("%s %v: got %v", test.system, test.env, got)
		}
	}
}

func TestCodeGroups(t *testing.T) {
	t.Parallel()
	if got, want := groups(style{on: true}, "ABCDEFGHI"), "\x1b[1mABC\x1b[0mDEF\x1b[1mGHI\x1b[0m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := groups(style{}, "ABCDEFGH"); got != "ABCDEFGH" {
		t.Errorf("got %q", got)
	}
	if got := countdown(14*time.Minute + 4*time.Second + 600*time.Millisecond); got != "14:05" {
		t.Errorf("got %q", got)
	}
	if got := countdown(-time.Second); got != "0:00" {
		t.Errorf("got %q", got)
	}
}

func TestManagementScope(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"":                                  "https://management.azure.com/.default",
		"https://localhost:8443":            "https://management.azure.com/.default",
		"login.chinacloudapi.cn":            "https://management.core.chinacloudapi.cn//.default",
		"https://login.microsoftonline.us/": "https://management.core.usgovcloudapi.net//.default",
	} {
		if got := managementScope(host); got != want {
			t.Errorf("%s: got %s, want %s", host, got, want)
		}
	}
}

// The commands that are about kept accounts work on whatever store there is.
func TestAccounts(t *testing.T) {
	t.Parallel()
	store := &memoryAccounts{}
	record := func(name string) azidentity.AuthenticationRecord {
		return azidentity.AuthenticationRecord{
			Authority: "login.microsoftonline.com", ClientID: azureCLI, HomeAccountID: name + ".home",
			TenantID: homeTenantID, Username: name + "@contoso.example", Version: "1.0",
		}
	}
	for _, name := range []string{"mia", "ana", "eve", "ana"} {
		if err := store.add(record(name)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) (stdout, stderr string, err error) {
		cmd := newAccounts(store)
		if args[0] == "logout" {
			cmd = newLogout(store)
		}
		var out, errs bytes.Buffer
		cmd.SetArgs(args[1:])
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		err = cmd.ExecuteContext(t.Context())
		return out.String(), errs.String(), err
	}
	line := func(name string) string { return name + "@contoso.example  " + homeTenantID + "\n" }
	for _, step := range []struct {
		args           []string
		stdout, stderr string
		status         int
	}{
		{[]string{"accounts"}, line("ana") + line("eve") + line("mia"), "", exitDone},
		{[]string{"logout"}, "", "", exitUsage},
		{[]string{"logout", "--all", "--username", "x"}, "", "", exitUsage},
		{[]string{"logout", "--username", "bob"}, "", "No account bob has signed in.\n" + notKept + "\n", exitDone},
		{[]string{"logout", "--username", "EVE@contoso.example"}, line("eve"), "", exitDone},
		{[]string{"accounts"}, line("ana") + line("mia"), "", exitDone},
		{[]string{"logout", "--all"}, line("ana") + line("mia"), "", exitDone},
		{[]string{"accounts"}, "", "No account has signed in.\n" + notKept + "\n", exitDone},
		{[]string{"accounts", "--output", "json"}, "[]\n", "No account has signed in.\n" + notKept + "\n", exitDone},
	} {
		stdout, stderr, err := run(step.args...)
		if stdout != step.stdout || stderr != step.stderr || exitStatus(err) != step.status {
			t.Errorf("%v: got %q, %q, %v", step.args, stdout, stderr, err)
		}
	}
	if err := store.add(record("mia")); err != nil {
		t.Fatal(err)
	}
	if stdout, _, err := run("logout"); stdout != line("mia") || err != nil {
		t.Errorf("the only one: got %q, %v", stdout, err)
	}
}
