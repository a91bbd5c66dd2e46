package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/loopback"
	"github.com/azid-go/azidentity/internal/secret"
)

func TestMain(m *testing.M) { loopback.Main(m) }

const canary = "canary-secret-3f9a1c"

type holder struct {
	Public secret.Value
	hidden secret.Value
	inner  struct{ deep secret.Value }
	list   []secret.Value
	byName map[string]secret.Value
}

// Pain 4: the types that hold secrets redact them, also where fmt reads
// unexported fields by reflection and never asks a method.
func TestPain4SecretNeverPrints(t *testing.T) {
	t.Parallel()
	v := secret.New(canary)
	h := holder{Public: v, hidden: v, list: []secret.Value{v}, byName: map[string]secret.Value{"k": v}}
	h.inner.deep = v

	var printed strings.Builder
	for _, x := range []any{v, &v, h, &h, []secret.Value{v}, map[string]secret.Value{"k": v}, []any{h}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%p"} {
			fmt.Fprintf(&printed, verb+"\n", x)
		}
		b, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		printed.Write(b)
		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("event", "secret", x)
		slog.New(slog.NewJSONHandler(&logged, nil)).Info("event", "secret", x)
		printed.Write(logged.Bytes())
	}
	out := printed.String()
	if strings.Contains(out, canary) || strings.Contains(out, fmt.Sprintf("%x", canary)) {
		t.Errorf("the secret was printed:\n%s", out)
	}
	if !strings.Contains(out, secret.Placeholder) {
		t.Errorf("no placeholder in the output:\n%s", out)
	}
}

func TestExpose(t *testing.T) {
	t.Parallel()
	if got := secret.New(canary).Expose(); got != canary {
		t.Errorf("got %q, want the secret", got)
	}
	if !secret.New("").IsZero() || secret.New(canary).IsZero() {
		t.Error("IsZero is wrong")
	}
	var zero secret.Value
	if zero.Expose() != "" || zero.String() != secret.Placeholder {
		t.Error("the zero value does not behave as an empty secret")
	}
}
