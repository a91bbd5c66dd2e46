// Package events is what the module writes to its log: each event once, with a
// constant message and attributes that never hold a secret.
//
// Events go to [slog.Default] at level debug, so that a program sees them when
// it asks for them and not before. With the environment variable
// AZURE_SDK_GO_LOGGING set to "all" they go to standard error as well, as those
// of the Azure SDK do. A token that is found in memory is no event: a service
// finds a million an hour.
package events

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Messages of the events. They are stable: programs filter by them.
const (
	TokenAcquired    = "azidentity: token acquired"
	TokenFailed      = "azidentity: token request failed"
	RenewalFailed    = "azidentity: renewal failed, the token in memory still works"
	OldTokenServed   = "azidentity: renewal is late, served the token in memory"
	RegionDetected   = "azidentity: region detected"
	RegionDown       = "azidentity: regional endpoint does not answer, using the global one"
	ClockOff         = "azidentity: this machine's clock is off"
	ProofKept        = "azidentity: secret or certificate cannot be read, keeping the one in memory"
	ProofChanged     = "azidentity: secret or certificate changed"
	ChainSelected    = "azidentity: chain selected a credential"
	ChainSkipped     = "azidentity: chain skipped a credential"
	ExpiryUnknown    = "azidentity: a token came without a usable expiry, kept for a short time"
	EnvironmentFound = "azidentity: environment configures a credential"
)

var toStderr = sync.OnceValue(func() *slog.Logger {
	if os.Getenv("AZURE_SDK_GO_LOGGING") != "all" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
})

// Enabled reports whether events go anywhere. It saves callers the making of
// attributes.
func Enabled(ctx context.Context) bool {
	return toStderr() != nil || slog.Default().Enabled(ctx, slog.LevelDebug)
}

// Log writes one event. message is one of the constants above.
func Log(ctx context.Context, message string, attrs ...slog.Attr) {
	slog.Default().LogAttrs(ctx, slog.LevelDebug, message, attrs...)
	if l := toStderr(); l != nil {
		l.LogAttrs(ctx, slog.LevelDebug, message, attrs...)
	}
}

// Err is the attribute for an error. Errors of this module hold no secrets.
func Err(err error) slog.Attr { return slog.String("error", err.Error()) }

// Since is the attribute for the time that something took.
func Since(start time.Time) slog.Attr { return slog.Duration("duration", time.Since(start)) }

// Duration is the attribute for a length of time.
func Duration(name string, d time.Duration) slog.Attr { return slog.Duration(name, d) }
