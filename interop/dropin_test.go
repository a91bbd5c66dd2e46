//go:build interop

package interop_test

import (
	"bufio"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/exp/apidiff"
	"golang.org/x/tools/go/packages"

	// Compared, and named here so that go.mod fixes the version.
	_ "github.com/Azure/azure-sdk-for-go/sdk/azidentity/cache"
)

const (
	microsoftModule = "github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	ourModule       = "github.com/azid-go/azidentity"
	dropinAllowlist = "dropin-allowlist.txt"
)

// TestDropIn compares what Microsoft's packages export with what ours do, and
// fails on what is missing here or different. Additions of ours are fine.
//
// What is still to come is in dropin-allowlist.txt, which is never longer than
// the truth.
func TestDropIn(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, pkg := range []string{"", "/cache"} {
		theirs, ours := exported(t, microsoftModule+pkg), types.NewPackage(ourModule+pkg, "")
		if sources, err := filepath.Glob(filepath.Join("..", pkg, "*.go")); err != nil {
			t.Fatal(err)
		} else if len(sources) > 0 {
			ours = exported(t, ourModule+pkg)
		}
		qualifier := strings.TrimPrefix(pkg+".", "/")
		if pkg == "" {
			qualifier = ""
		}
		for _, c := range apidiff.Changes(theirs, ours).Changes {
			if c.Compatible || sameUnderOtherPath(c.Message) {
				continue
			}
			found[qualifier+strings.TrimSuffix(c.Message, ": removed")] = true
		}
	}
	allowed := readLines(t, dropinAllowlist)
	for _, what := range slices.Sorted(maps.Keys(found)) {
		switch {
		case slices.Contains(allowed, what):
		case strings.Contains(what, ": "):
			t.Errorf("%s", what)
		default:
			t.Errorf("%s: Microsoft's package has it, this one does not", what)
		}
	}
	for _, what := range allowed {
		if !found[what] {
			t.Errorf("%s: no longer so: remove it from %s", what, dropinAllowlist)
		}
	}
}

// exported returns the types of a package, read from export data.
func exported(t *testing.T, path string) *types.Package {
	t.Helper()
	all, err := packages.Load(&packages.Config{
		Mode:    packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedDeps,
		Context: t.Context(),
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || len(all[0].Errors) > 0 || all[0].Types == nil {
		t.Fatalf("loading %s: %v", path, all[0].Errors)
	}
	return all[0].Types
}

// sameUnderOtherPath reports whether a change is none to a program that imports
// our packages for Microsoft's. To apidiff, a type of theirs that another package
// of theirs names is not ours of the same name; and their Cache is an alias of a
// type in an internal package.
func sameUnderOtherPath(message string) bool {
	_, change, _ := strings.Cut(message, ": changed from ")
	before, after, ok := strings.Cut(change, " to ")
	bare := strings.NewReplacer(microsoftModule+"/internal.", "", microsoftModule+".", "", ourModule+".", "")
	return ok && bare.Replace(before) == bare.Replace(after)
}

// readLines reads the lines of a file, without comments, which begin with #.
func readLines(t *testing.T, file string) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var kept []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			kept = append(kept, line)
		}
	}
	return kept
}
