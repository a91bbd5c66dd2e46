package events_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/events"
	"github.com/azid-go/azidentity/internal/loopback"
)

func TestMain(m *testing.M) { loopback.Main(m) }

// Pain 65: programs filter by these. Whoever changes one breaks them.
func TestPain65EventNames(t *testing.T) {
	got := strings.Join([]string{
		events.TokenAcquired, events.TokenFailed, events.RenewalFailed, events.OldTokenServed,
		events.RegionDetected, events.RegionDown, events.ClockOff, events.ProofKept, events.ProofChanged,
		events.ChainSelected, events.ChainSkipped, events.EnvironmentFound, events.ExpiryUnknown,
	}, "\n")
	const want = `azidentity: token acquired
azidentity: token request failed
azidentity: renewal failed, the token in memory still works
azidentity: renewal is late, served the token in memory
azidentity: region detected
azidentity: regional endpoint does not answer, using the global one
azidentity: this machine's clock is off
azidentity: secret or certificate cannot be read, keeping the one in memory
azidentity: secret or certificate changed
azidentity: chain selected a credential
azidentity: chain skipped a credential
azidentity: environment configures a credential
azidentity: a token came without a usable expiry, kept for a short time`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLogIsDebug(t *testing.T) {
	old := slog.Default()
	defer slog.SetDefault(old)
	for level, want := range map[slog.Level]string{
		slog.LevelInfo:  "",
		slog.LevelDebug: `level=DEBUG msg="azidentity: token acquired" error=oops duration=`,
	} {
		var out bytes.Buffer
		slog.SetDefault(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})))
		if on := events.Enabled(context.Background()); on != (want != "") {
			t.Errorf("%v: enabled: %v", level, on)
		}
		events.Log(context.Background(), events.TokenAcquired, events.Err(errors.New("oops")), events.Since(time.Now()))
		if got := out.String(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%v: got %q, want %q", level, got, want)
		}
	}
}
