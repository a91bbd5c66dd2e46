package holdoff_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/holdoff"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	var m holdoff.Memory[int]
	start := time.Date(2000, 1, 1, 10, 0, 0, 0, time.UTC)
	cause := errors.New("refused")
	for _, d := range []time.Duration{0, -time.Second} {
		if !m.Note(1, cause, start, d).IsZero() || !m.Empty() {
			t.Fatalf("remembered for %v", d)
		}
	}
	if until := m.Note(1, cause, start, holdoff.Pause); until != start.Add(holdoff.Pause) || m.Empty() {
		t.Errorf("remembered until %v", until)
	}
	var r *holdoff.Remembered
	err := m.Find(1, start.Add(holdoff.Pause-1))
	if !errors.As(err, &r) || !errors.Is(err, cause) || !strings.Contains(err.Error(), "refused; the same is not asked again until 2000-01-01 10:00:05Z") {
		t.Errorf("got %v", err)
	}
	if err := m.Find(2, start); err != nil {
		t.Errorf("another key got %v", err)
	}
	if err := m.Find(1, start.Add(holdoff.Pause)); err != nil || !m.Empty() {
		t.Errorf("got %v when the time had passed", err)
	}
	if until := m.Note(1, cause, start, 1000*time.Hour); until != start.Add(time.Hour) {
		t.Errorf("a server blocks until %v, want an hour at most", until)
	}
	m.Clear(1)
	if !m.Empty() {
		t.Error("not forgotten")
	}
}

// Whoever fails in a million ways does not fill the memory.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	var m holdoff.Memory[int]
	now := time.Now()
	for k := range 20_000 {
		m.Note(k, errors.New("refused"), now, time.Minute)
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
		m.Note(-1-k, errors.New("refused"), later, time.Minute)
	}
	for k := range 9_000 {
		if m.Find(-1-k, later) == nil {
			t.Fatal("what had passed stayed in place of the new")
		}
	}
}
