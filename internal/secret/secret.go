// Package secret keeps client secrets, passwords, assertions and tokens out
// of everything that gets printed.
//
// It owns one type, [Value]. What is done with a secret (sending it, hashing
// it for a cache key) belongs to the package that holds it.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Placeholder is what a [Value] prints as, whatever the verb.
const Placeholder = "[REDACTED]"

// A Value is a string that prints as [Placeholder] through fmt, slog and
// encoding/json. The zero value is an empty secret.
//
// The string lies behind a pointer: fmt prints unexported struct fields by
// reflection, without asking their methods, and shows a pointer there as an
// address. A plain string type would be printed in full.
//
// Values are immutable and safe for concurrent use. Comparing two with ==
// compares addresses, not contents.
type Value struct{ s *string }

// New wraps s.
func New(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{&s}
}

// Expose returns the secret itself. Call it only where it goes on the wire or
// into a hash.
func (v Value) Expose() string {
	if v.s == nil {
		return ""
	}
	return *v.s
}

// IsZero reports whether the secret is empty.
func (v Value) IsZero() bool { return v.s == nil }

func (v Value) String() string { return Placeholder }

// Format implements [fmt.Formatter] so that no verb reaches the contents.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Placeholder) }

// LogValue implements [slog.LogValuer].
func (v Value) LogValue() slog.Value { return slog.StringValue(Placeholder) }

// MarshalText implements [encoding.TextMarshaler], which encoding/json uses
// for values and for map keys.
func (v Value) MarshalText() ([]byte, error) { return []byte(Placeholder), nil }
