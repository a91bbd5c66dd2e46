package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

func TestDemoFits(t *testing.T) {
	// Not parallel: the demo replaces the environment.
	var out bytes.Buffer
	if err := demo(t.Context(), &out, demoRows(), false); err != nil {
		t.Fatal(err)
	}
	column := -1
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
		if at := strings.Index(line, "TOKEN FOR"); at >= 0 {
			column = at
		} else if at := strings.Index(line, "demo, "); at >= 0 && utf8.RuneCountInString(line[:at]) != column {
			t.Errorf("the last column is at %d, not %d: %s", at, column, line)
		}
	}
}

func TestDemoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stop := demoRow{credential: "Stop", open: func(*demoLab, azcore.ClientOptions) (azcore.TokenCredential, error) {
		cancel()
		return nil, ctx.Err()
	}}
	rows := []demoRow{{credential: "Good", open: openSecret}, stop, stop}
	for _, want := range []string{"interrupted after 1 of 3 rows", "interrupted;"} {
		if err := demo(ctx, io.Discard, rows, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestDemoFailure(t *testing.T) {
	t.Setenv("AZURE_CLIENT_SECRET", "the user's own")
	wrong := func(_ *demoLab, o azcore.ClientOptions) (azcore.TokenCredential, error) {
		return azidentity.NewClientSecretCredential(homeTenantID, entratest.DefaultClientID, "hush-hush-hush",
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	}
	rows := []demoRow{
		{credential: "Good", how: "secret", open: openSecret},
		{credential: "Refused", how: "wrong secret", open: wrong},
		{credential: "Unchecked", how: "not CAE", open: openSecret, check: isCAE},
		{credential: "Elsewhere", how: "tenant", open: openSecret, tenant: awayTenantID},
		{credential: "Unmade", how: "constructor", open: func(*demoLab, azcore.ClientOptions) (azcore.TokenCredential, error) {
			return nil, errors.New("cannot be constructed")
		}},
	}
	var out bytes.Buffer
	err := demo(t.Context(), &out, rows, false)
	if !errors.Is(err, errReported) || exitStatus(err) != exitFailed {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{
		"\n  Good ", "\n! Refused ", "\n! Unchecked ", "\n! Elsewhere ",
		"\n! 1 of 5 got a token", "\nRefused, wrong secret:\n  ClientSecretCredential: ", "AADSTS7000215",
		"\nUnchecked, not CAE:\n", "\nElsewhere, tenant:\n", "\n  cannot be constructed\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "hush") {
		t.Error("the output holds a secret")
	}
	if got := os.Getenv("AZURE_CLIENT_SECRET"); got != "the user's own" {
		t.Errorf("afterwards the environment has %q", got)
	}
}

func TestShowDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		94: "94 ns", 999: "999 ns", 1000: "1.0 µs", 3_940_000: "3.9 ms", 99_960_000: "100 ms", 113_200_000: "113 ms", 9 * time.Second: "9.0 s",
	} {
		if got := showDuration(d); got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
	}
}
