package main

import (
	"testing"

	"github.com/azid-go/azidentity/internal/loopback"
)

func TestMain(m *testing.M) { loopback.Main(m) }

// TestRequests holds the numbers of requests that the report promises. What
// depends on the machine is not tested here: run the command.
func TestRequests(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		what string
		run  func(library, *authority) error
	}{
		{"a new credential", func(l library, a *authority) error { return equalCredentials(l, a, 1) }},
		{"1,000 concurrent first calls", func(l library, a *authority) error { return firstCalls(l, a, 1000) }},
		{"a user seen before", func(l library, a *authority) error { return sameUser(l, a, 100) }},
		{"10,000 equal credentials", func(l library, a *authority) error { return equalCredentials(l, a, 10_000) }},
	} {
		a := newAuthority(64)
		if err := tt.run(libraries.ours, a); err != nil {
			t.Fatalf("%s: %v", tt.what, err)
		}
		if got := a.requests(); got != 1 {
			t.Errorf("%s: got %d requests, want 1", tt.what, got)
		}
	}
}

// TestPeer checks that Microsoft's library takes the authority's answers, so
// that it is not measured while it fails.
func TestPeer(t *testing.T) {
	t.Parallel()
	a := newAuthority(64)
	if err := equalCredentials(libraries.microsoft, a, 1); err != nil {
		t.Fatal(err)
	}
	if a.tokens.Load() != 1 {
		t.Errorf("got %d token requests, want 1", a.tokens.Load())
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		target target
		value  float64
		want   string
	}{
		{atMost(1.6, ""), 1.6, "met"},
		{atMost(1.6, ""), 1.61, "MISSED"},
		{atMost(0, "allocations"), 0, "met"},
		{atMost(0, "allocations"), 0.01, "MISSED"},
		{atLeast(500, ""), 500, "met"},
		{atLeast(500, ""), 499, "MISSED"},
		{told(""), 1, "-"},
	} {
		if got := tt.target.verdict(tt.value); got != tt.want {
			t.Errorf("%v: got %s for %v, want %s", tt.target, got, tt.value, tt.want)
		}
	}
}

// TestScenarios checks, without measuring for long, that every scenario runs
// and fills its rows.
func TestScenarios(t *testing.T) {
	r := run{rounds: 1, walks: 1, batch: 1e6, tenants: 100, fillTo: []int{2000}, calls: 100, equals: 10, users: 500, flood: 2000}
	lines, err := measure(&r, "")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, s := range scenarios {
		rows += len(s.rows)
	}
	if len(lines) != rows {
		t.Errorf("got %d lines, want %d", len(lines), rows)
	}
}
