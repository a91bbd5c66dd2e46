//go:build interop

package interop_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write docs/interop.md")

// A result is what came of a peer in a flow.
type result struct {
	version string // of the peer, if it got a token
	refused string // the code with which it said that it was refused
	cannot  string // why it has no such flow
}

// results are those of all peers in all flows. It is safe for concurrent use.
type results struct {
	mu       sync.Mutex // guards the maps
	cells    map[[2]string]result
	versions map[string]string
}

func newResults() *results {
	return &results{cells: map[[2]string]result{}, versions: map[string]string{}}
}

func (r *results) add(p peer, f flow, got result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cells[[2]string{p.name, f.name}] = got
	if got.version != "" {
		r.versions[p.name] = got.version
	}
}

func (r *results) complete() bool { return len(r.cells) == len(peers)*len(flows) }

const pageHead = `# Other libraries against the emulator

Microsoft's libraries get tokens from ` + "`azid emulator`" + `, and so does this one. A test
ran every cell: the token was verified by the keys that the emulator publishes, and
the requests in its journal were those of the flow. A "no" was run as well, and what
the library said is the reason that follows.

The same test writes this page, and fails when the page is not what came of it:

    go test -tags interop -run TestMatrix -update ./interop

Every program ran in the environment that ` + "`azid emulator --host`" + ` prints, with instance
discovery switched off as in [Test without Azure](test-without-azure.md). Microsoft's
library for Go cannot be told where the metadata service of virtual machines is: a
proxy took it to the emulator.
`

const peopleIntro = `A program approved the device codes, and another was the browser in which a user picks
the account and enters the password. "Token in memory" is a second call that makes no
request; another scope takes the refresh token, and nobody.

`

const pageTail = `
## Records

Of the same user, Python, JavaScript, Microsoft's Go and this library write an
` + "`AuthenticationRecord`" + ` that says the same. This library finds its tokens by each of them, and
each reads this library's (TestRecords).

## The Azure CLI

The real ` + "`az`" + `, version 2.45 of Debian, signs in by device code and as a service principal
with a secret, lists its subscriptions, those of a tenant where the user is a guest
included, and gets tokens that the emulator's keys verify (TestAzDeviceCode,
TestAzServicePrincipal). A proxy took its two hosts, ` + "`login.microsoftonline.com`" + ` and
` + "`management.azure.com`" + `, to the emulator.
`

// page is docs/interop.md.
func (r *results) page() string {
	var b strings.Builder
	b.WriteString(pageHead)
	var reasons []string
	for _, section := range []struct {
		title, intro string
		has          func(flow) bool
	}{
		{"Applications and users", "", func(f flow) bool { return f.proof != "" && !f.fails() }},
		{"People", peopleIntro, func(f flow) bool { return f.people() && !f.fails() }},
		{"Managed identities", "", flow.machine},
		{"Refusals", "The code is the one that the peer's error shows.\n\n", flow.fails},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s| flow |", section.title, section.intro)
		for _, p := range peers {
			fmt.Fprintf(&b, " %s |", p.name)
		}
		fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("---|", len(peers)))
		for _, f := range flows {
			if !section.has(f) {
				continue
			}
			fmt.Fprintf(&b, "| %s |", f.name)
			for _, p := range peers {
				fmt.Fprintf(&b, " %s |", r.cells[[2]string{p.name, f.name}].text(&reasons))
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\n## Reasons\n\n")
	for i, why := range reasons {
		fmt.Fprintf(&b, "%d. %s\n", i+1, why)
	}
	b.WriteString(pageTail)
	b.WriteString("\n## Versions\n\n")
	for _, p := range peers {
		if p.name != ourPeer {
			fmt.Fprintf(&b, "- %s: %s %s\n", p.name, p.library, r.versions[p.name])
		}
	}
	return b.String()
}

// text is a cell of the page. It adds its reason to those there are.
func (r result) text(reasons *[]string) string {
	switch {
	case r.cannot != "":
		i := slices.Index(*reasons, r.cannot)
		if i < 0 {
			i = len(*reasons)
			*reasons = append(*reasons, r.cannot)
		}
		return fmt.Sprintf("no (%d)", i+1)
	case r.refused != "":
		return r.refused
	}
	return "yes"
}

// compare holds the page to the results, or writes it.
func (r *results) compare(t *testing.T) {
	t.Helper()
	name := filepath.Join("..", "docs", "interop.md")
	want := r.page()
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/interop.md is not what came of this run, which is:\n%s\nWrite it: go test -tags interop -run TestMatrix -update ./interop", want)
	}
}
