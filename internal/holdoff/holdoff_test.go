package holdoff_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/holdoff"
)

var start = time.Date(2000, 1, 1, 10, 0, 0, 0, time.UTC)

var errCause = errors.New("refused")

func TestThrottled(t *testing.T) {
	t.Parallel()
	var m holdoff.Memory[int]
	if until := m.Throttled(1, errCause, start, time.Minute); until != start.Add(time.Minute) || m.Empty() {
		t.Errorf("remembered until %v", until)
	}
	var r *holdoff.Remembered
	err := m.Find(1, start.Add(time.Minute-1))
	if !errors.As(err, &r) || !errors.Is(err, errCause) || !strings.Contains(err.Error(), "refused; the same is not asked again until 2000-01-01 10:01:00Z") {
		t.Errorf("got %v", err)
	}
	if err := m.Find(2, start); err != nil {
		t.Errorf("another key got %v", err)
	}
	if err := m.Find(1, start.Add(time.Minute)); err != nil {
		t.Errorf("got %v when the time had passed", err)
	}
	if err := m.Find(1, start.Add(time.Minute+holdoff.Pause)); err != nil || !m.Empty() {
		t.Errorf("got %v, and it stays for ever", err)
	}
	if until := m.Throttled(1, errCause, start, 1000*time.Hour); until != start.Add(time.Hour) {
		t.Errorf("a server blocks until %v, want an hour at most", until)
	}
	m.Clear(1)
	if !m.Empty() {
		t.Error("not forgotten")
	}
}

// Whoever tries once or twice meets no pause; a loop meets one after the other.
func TestRefused(t *testing.T) {
	t.Parallel()
	var m holdoff.Memory[int]
	now := start
	refuse := func(held bool) {
		t.Helper()
		if err := m.Find(1, now); err != nil {
			t.Fatalf("held off: %v", err)
		}
		until := m.Refused(1, errCause, now)
		if !held && (!until.IsZero() || m.Find(1, now) != nil) || held && until != now.Add(holdoff.Pause) {
			t.Fatalf("held off until %v", until)
		}
	}
	for range holdoff.Tries {
		refuse(false)
		now = now.Add(time.Second)
	}
	refuse(true)
	if err := m.Find(1, now.Add(holdoff.Pause-1)); !errors.Is(err, errCause) {
		t.Errorf("got %v in the pause", err)
	}
	now = now.Add(holdoff.Pause + time.Second)
	refuse(true) // still the same row
	now = now.Add(2 * holdoff.Pause)
	for range holdoff.Tries {
		refuse(false)
	}
	m.Clear(1)
	refuse(false)
}

// Whoever fails in a million ways does not fill the memory.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var m holdoff.Memory[int]
	now := time.Now()
	for k := range 20_000 {
		m.Throttled(k, errCause, now, time.Minute)
		now = now.Add(time.Millisecond)
	}
	found := 0
	for k := range 20_000 {
		if m.Find(k, now) != nil {
			found++
		}
	}
	if found < 9_000 || found > 10_000 {
		t.Errorf("%d remembered, want 9000 to 10000", found)
	}
	later := now.Add(time.Hour)
	for k := range 9_000 { // in place of what has passed by then, and of nothing else
		m.Throttled(-1-k, errCause, later, time.Minute)
	}
	for k := range 9_000 {
		if m.Find(-1-k, later) == nil {
			t.Fatal("what had passed stayed in place of the new")
		}
	}
}
