package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/azid-go/azidentity"
)

func TestExitStatus(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("any"), 1},
		{&azidentity.AuthenticationFailedError{Code: "invalid_client"}, 1},
		{usagef("wrong"), 2},
		{azidentity.NewCredentialUnavailableError("none"), 3},
		{advise(fmt.Errorf("wrapped: %w", azidentity.NewCredentialUnavailableError("none"))), 3},
		{&azidentity.AuthenticationRequiredError{}, 4},
		{&azidentity.AuthenticationFailedError{Code: "interaction_required"}, 4},
	} {
		if got := exitStatus(tt.err); got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.err, got, tt.want)
		}
	}
}

func TestHelpFits(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "demo", "token", "emulator", "emulator seed", "version", "completion"} {
		var out, errs bytes.Buffer
		if got := run(append(strings.Fields(args), "--help"), nil, &out, &errs); got != 0 || errs.Len() > 0 {
			t.Errorf("%s: status %d, %s", args, got, errs.String())
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 && args != "completion" {
				t.Errorf("%s: %d columns: %s", args, n, line)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	words := []string{"raw", "json", "header", "env"}
	for given, want := range map[string]string{
		"jsno": "json", "JSON5": "json", "head": "header", "evn": "env", "row": "raw", "yaml": "", "": "", "x": "",
	} {
		if got := nearest(given, words); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	if got, want := printable("a\x1b[2Jb\u009bc\r\nd\x7f"), "a\uFFFD[2Jb\uFFFDc\uFFFD\nd\uFFFD"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
