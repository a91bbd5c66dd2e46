package azidentity_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/azid-go/azidentity"

// arrows are the packages of this module and which of ours each may import.
// They point down only. A package that is not listed fails the test: give it a
// place first.
var arrows = map[string][]string{
	".":                        {"internal/assertion", "internal/browser", "internal/entra", "internal/events", "internal/flight", "internal/managedidentity", "internal/holdoff", "internal/secret", "internal/tokencache"},
	"entratest":                {}, // a fake that shares the client's code confirms the client's mistakes
	"internal/assertion":       {"internal/secret"},
	"internal/browser":         {"internal/secret"},
	"internal/entra":           {"internal/events", "internal/flight", "internal/holdoff", "internal/secret"},
	"internal/events":          {},
	"internal/flight":          {},
	"internal/loopback":        {},
	"internal/managedidentity": {"internal/events", "internal/holdoff", "internal/secret"},
	"internal/holdoff":         {},
	"internal/secret":          {},
	"internal/tokencache":      {"internal/events", "internal/flight", "internal/holdoff"},
}

// outside are the packages of other modules that this one may link. Whatever
// else is of use lives in the modules beside this one.
var outside = map[string][]string{
	".":                        {"github.com/Azure/azure-sdk-for-go/sdk/azcore"},
	"internal/managedidentity": {"github.com/Azure/azure-sdk-for-go/sdk/azcore"},
	"internal/entra":           {"github.com/Azure/azure-sdk-for-go/sdk/azcore"},
	"internal/assertion":       {"golang.org/x/crypto/scrypt"},
	"internal/loopback":        {"go.uber.org/goleak"}, // for tests only
}

// imports returns what the package in dir imports, tests aside.
func imports(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// packages returns the folders of this module that hold Go files other than
// tests.
func packages(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if p != "." {
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
		}
		files, _ := filepath.Glob(filepath.Join(p, "*.go"))
		if slices.ContainsFunc(files, func(f string) bool { return !strings.HasSuffix(f, "_test.go") }) {
			dirs = append(dirs, filepath.ToSlash(p))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func TestArrowsPointDown(t *testing.T) {
	t.Parallel()
	found := packages(t)
	for _, dir := range found {
		allowed, known := arrows[dir]
		if !known {
			t.Errorf("package %s has no place in the table of arrows", dir)
			continue
		}
		for _, imp := range imports(t, dir) {
			ours, isOurs := strings.CutPrefix(imp, modulePath)
			if ours = strings.TrimPrefix(ours, "/"); isOurs && !slices.Contains(allowed, cmpDot(ours)) {
				t.Errorf("%s imports %s, which is not below it", dir, imp)
			}
		}
	}
	for dir := range arrows {
		if !slices.Contains(found, dir) {
			t.Errorf("the table of arrows names %s, which is not there", dir)
		}
	}
}

func cmpDot(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// Pain 31: what a program that uses this module links, and what a scanner of
// its go.mod sees, is a short list that only a change of this test lengthens.
func TestPain31FewDependencies(t *testing.T) {
	t.Parallel()
	for _, dir := range packages(t) {
		for _, imp := range imports(t, dir) {
			host, _, _ := strings.Cut(imp, "/")
			if !strings.Contains(host, ".") || strings.HasPrefix(imp, modulePath) {
				continue
			}
			if !slices.ContainsFunc(outside[dir], func(p string) bool { return imp == p || strings.HasPrefix(imp, p+"/") }) {
				t.Errorf("%s imports %s", dir, imp)
			}
		}
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{
		"github.com/Azure/azure-sdk-for-go/sdk/azcore",
		"golang.org/x/crypto",
		"go.uber.org/goleak",                 // tests
		"github.com/youmark/pkcs8",           // tests: an independent writer of PKCS#8
		"software.sslmate.com/src/go-pkcs12", // tests: an independent writer of PKCS#12
	}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(mod), -1) {
		if !slices.Contains(allowed, m[1]) {
			t.Errorf("go.mod requires %s directly", m[1])
		}
	}
	if !strings.Contains(string(mod), "\ngo 1.25") {
		t.Error("go.mod asks for another Go than 1.25")
	}
}

// The table of pains names tests that exist.
func TestPainsTableIsTrue(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile(filepath.Join("docs", "pains.md"))
	if err != nil {
		t.Fatal(err)
	}
	var tests []string
	err = filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(p, "_test.go") || strings.HasPrefix(filepath.ToSlash(p), "bench/") && strings.HasSuffix(p, ".go")) {
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			dir := path.Dir(filepath.ToSlash(p))
			for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`).FindAllStringSubmatch(string(b), -1) {
				tests = append(tests, dir+"."+m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z/.]*)\\.((?:Test|Fuzz|Benchmark|Example)\\w*)`").FindAllStringSubmatch(string(table), -1)
	if len(named) < 30 {
		t.Errorf("the table names %d tests", len(named))
	}
	for _, m := range named {
		dir := cmpDot(m[1])
		if !slices.Contains(tests, dir+"."+m[2]) {
			t.Errorf("docs/pains.md names %s.%s, which is not there", dir, m[2])
		}
	}
	for _, pain := range []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 18, 19, 20, 21, 29, 30, 31, 34, 35, 36, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 61, 63, 64, 65, 71, 72, 73, 74, 76, 78, 79, 80, 81} {
		if !regexp.MustCompile(`(?m)^\| ` + strconv.Itoa(pain) + ` \|.*(Test|Fuzz|Benchmark)`).Match(table) {
			t.Errorf("docs/pains.md has no row with a test for pain %d", pain)
		}
	}
}

// What the package exports names nothing that an importer cannot.
func TestNoInternalTypesInTheAPI(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("*.go")
	exported := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ours := map[string]bool{}
		for _, i := range f.Imports {
			if p, _ := strconv.Unquote(i.Path.Value); strings.HasPrefix(p, modulePath+"/internal/") {
				ours[path.Base(p)] = true
			}
		}
		if !ast.FileExports(f) {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv != nil && !ast.IsExported(receiver(n)) {
					return false
				}
				exported++
				n.Body = nil
			case *ast.ValueSpec:
				n.Values = nil
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && ours[x.Name] {
					t.Errorf("%s: the exported API names %s.%s", name, x.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
	if exported < 50 {
		t.Errorf("%d exported functions and methods were looked at", exported)
	}
}

// receiver is the name of the type that f is a method of.
func receiver(f *ast.FuncDecl) string {
	e := f.Recv.List[0].Type
	for {
		switch t := e.(type) {
		case *ast.StarExpr:
			e = t.X
		case *ast.IndexExpr:
			e = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}
