package azidentity_test

import (
	"errors"
	"fmt"
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

const (
	migratingFromGo     = "docs/migrating-from-azidentity.md"
	migratingFromPython = "docs/migrating-from-python.md"
)

// pages returns the text of README.md and of all pages in docs, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range append(names, "README.md") {
		text, err := os.ReadFile(name)
		if name == "README.md" && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.ToSlash(name)] = string(text)
	}
	return all
}

// page returns the text of one page.
func page(t *testing.T, name string) string {
	t.Helper()
	text, ok := pages(t)[name]
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return text
}

// A block is a fenced block of code in a page.
type block struct {
	line     int
	language string
	text     string
}

// blocks splits a page into its fenced blocks and the prose around them.
func blocks(text string) (found []block, prose string) {
	var open *block
	var rest strings.Builder
	for i, line := range strings.Split(text, "\n") {
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open == nil:
			open = &block{line: i + 1, language: fence}
		case isFence:
			found = append(found, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		default:
			rest.WriteString(line + "\n")
		}
	}
	return found, rest.String()
}

// normal returns code with one space between words, without indentation and
// blank lines, framed by line ends so that it is found at whole lines only.
func normal(code string) string {
	out := "\n"
	for line := range strings.SplitSeq(code, "\n") {
		if words := strings.Fields(line); len(words) > 0 {
			out += strings.Join(words, " ") + "\n"
		}
	}
	return out
}

// testFiles returns the normal form of this module's test files, by name.
func testFiles(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != "." {
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
		}
		if strings.HasSuffix(p, "_test.go") {
			code, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			files[filepath.ToSlash(p)] = normal(string(code))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// fragments returns the parts of a block that have to be in a test file. For
// a whole program those are the statements of main and every other
// declaration but the imports; a program has to parse, and to use its imports.
func fragments(code string) ([]string, error) {
	if !strings.HasPrefix(strings.TrimSpace(code), "package main") {
		return []string{code}, nil
	}
	set := gotoken.NewFileSet()
	f, err := parser.ParseFile(set, "main.go", code, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	source := func(from, to gotoken.Pos) string { return code[set.Position(from).Offset:set.Position(to).Offset] }
	var parts []string
	for _, decl := range f.Decls {
		if fun, ok := decl.(*ast.FuncDecl); ok && fun.Name.Name == "main" {
			parts = append(parts, source(fun.Body.Lbrace+1, fun.Body.Rbrace))
		} else if gen, ok := decl.(*ast.GenDecl); !ok || gen.Tok != gotoken.IMPORT {
			parts = append(parts, source(decl.Pos(), decl.End()))
		}
	}
	for _, spec := range f.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		name = path.Base(name)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if !slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(p, name+".") }) {
			return nil, fmt.Errorf("it imports %s and does not use it", spec.Path.Value)
		}
	}
	return parts, nil
}

// Every block of Go code on a page is in a test file, and so compiled, and
// run where it is an example with output.
func TestDocsCodeIsCompiled(t *testing.T) {
	t.Parallel()
	files := testFiles(t)
	for name, text := range pages(t) {
		found, _ := blocks(text)
		for _, b := range found {
			if b.language != "go" {
				continue
			}
			parts, err := fragments(b.text)
			if err != nil {
				t.Errorf("%s:%d: %v", name, b.line, err)
			}
			for _, part := range parts {
				want, compiled := normal(part), false
				for _, code := range files {
					compiled = compiled || strings.Contains(code, want)
				}
				if !compiled {
					t.Errorf("%s:%d: no test file has this code; add it to an example, and change both together:\n%s", name, b.line, part)
				}
			}
		}
	}
}

func TestDocsFragmentsOfAProgram(t *testing.T) {
	t.Parallel()
	program := "package main\n\nimport (\n\t\"fmt\"\n)\n\nfunc main() {\n\tfmt.Println(two())\n}\n\nfunc two() int { return 2 }\n"
	parts, err := fragments(program)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range parts {
		got = append(got, strings.TrimSpace(p))
	}
	if want := []string{"fmt.Println(two())", "func two() int { return 2 }"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, wrong := range []string{
		"package main\nfunc main() {",
		"package main\nimport \"os\"\nfunc main() { println() }",
	} {
		if _, err := fragments(wrong); err == nil {
			t.Errorf("no error for %q", wrong)
		}
	}
}

var (
	links      = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	references = regexp.MustCompile(`(?m)^\[[^\]]+\]: *(\S+)`)
	scheme     = regexp.MustCompile(`^[a-z]+:`)
	codeSpan   = regexp.MustCompile("`[^`]*`")
	headings   = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	notInSlug  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors returns the fragments by which the headings of a page are linked,
// as GitHub makes them.
func anchors(text string) (slugs []string) {
	_, prose := blocks(text)
	seen := map[string]int{}
	for _, m := range headings.FindAllStringSubmatch(prose, -1) {
		slug := strings.ReplaceAll(notInSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(m[1])), ""), " ", "-")
		if n := seen[slug]; n > 0 {
			slugs = append(slugs, slug+"-"+strconv.Itoa(n))
		} else {
			slugs = append(slugs, slug)
		}
		seen[slug]++
	}
	return slugs
}

// Relative links lead to files of this repository, and to headings in them.
func TestDocsLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for name, text := range pages(t) {
		_, prose := blocks(text)
		prose = codeSpan.ReplaceAllString(prose, "")
		for _, m := range append(links.FindAllStringSubmatch(prose, -1), references.FindAllStringSubmatch(prose, -1)...) {
			if scheme.MatchString(m[1]) {
				continue
			}
			file, fragment, _ := strings.Cut(m[1], "#")
			target := name
			if file != "" {
				target = path.Join(path.Dir(name), file)
			}
			if _, err := os.Stat(target); err != nil || strings.HasPrefix(target, "../") {
				t.Errorf("%s links to %s, which is not there", name, m[1])
				continue
			}
			if fragment == "" || path.Ext(target) != ".md" {
				continue
			}
			linked, err := os.ReadFile(target)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(anchors(string(linked)), fragment) {
				t.Errorf("%s links to %s, and %s has no such heading", name, m[1], target)
			}
		}
	}
}

// exported returns what package azidentity exports: top-level names, and the
// fields of its structs as Type.Field.
func exported(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names[n.Name] = true
						}
					case *ast.TypeSpec:
						names[s.Name.Name] = true
						if st, ok := s.Type.(*ast.StructType); ok {
							for _, field := range st.Fields.List {
								for _, n := range field.Names {
									names[s.Name.Name+"."+n.Name] = true
								}
							}
						}
					}
				}
			}
		}
	}
	return names
}

// section returns what stands under a heading of a page, down to the next
// heading of the same level or a higher one, or fails.
func section(t *testing.T, name, text, heading string) string {
	t.Helper()
	level := heading[:strings.Index(heading, " ")]
	_, rest, ok := strings.Cut("\n"+text, "\n"+heading+"\n")
	if !ok {
		t.Errorf("%s has no heading %q", name, heading)
		return ""
	}
	var kept []string
	for _, line := range strings.Split(rest, "\n") {
		if marks, _, _ := strings.Cut(line, " "); strings.HasPrefix(line, "#") && len(marks) <= len(level) && strings.Trim(marks, "#") == "" {
			break
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "\n")
}

// A row is a row of a table, cell by cell.
type row []string

// rows returns the rows of all tables in a section, heads included.
func rows(text string) (all []row) {
	for line := range strings.SplitSeq(text, "\n") {
		line, isRow := strings.CutPrefix(line, "|")
		if !isRow || strings.HasPrefix(line, "---") {
			continue
		}
		var r row
		for cell := range strings.SplitSeq(strings.TrimSuffix(line, "|"), "|") {
			r = append(r, strings.TrimSpace(cell))
		}
		all = append(all, r)
	}
	return all
}

var span = regexp.MustCompile("`([^`]+)`")

// spans returns the code in a cell.
func spans(cell string) (all []string) {
	for _, m := range span.FindAllStringSubmatch(cell, -1) {
		all = append(all, m[1])
	}
	return all
}

// peerNames is what Microsoft's azidentity v1.15.0 exports, and the fields of
// options that are affected by what is still to come.
var peerNames = strings.Fields(`
AuthenticationFailedError AuthenticationRecord AuthenticationRequiredError
AzureCLICredential AzureCLICredentialOptions NewAzureCLICredential
AzureDeveloperCLICredential AzureDeveloperCLICredentialOptions NewAzureDeveloperCLICredential
AzurePipelinesCredential AzurePipelinesCredentialOptions NewAzurePipelinesCredential AzurePipelinesCredentialOptions.Cache
AzurePowerShellCredential AzurePowerShellCredentialOptions NewAzurePowerShellCredential
Cache
ChainedTokenCredential ChainedTokenCredentialOptions NewChainedTokenCredential ChainedTokenCredentialOptions.RetrySources
ClientAssertionCredential ClientAssertionCredentialOptions NewClientAssertionCredential
ClientAssertionCredentialOptions.AdditionallyAllowedTenants ClientAssertionCredentialOptions.Cache ClientAssertionCredentialOptions.DisableInstanceDiscovery
ClientCertificateCredential ClientCertificateCredentialOptions NewClientCertificateCredential
ClientCertificateCredentialOptions.AdditionallyAllowedTenants ClientCertificateCredentialOptions.Cache
ClientCertificateCredentialOptions.DisableInstanceDiscovery ClientCertificateCredentialOptions.SendCertificateChain
ClientID ObjectID ResourceID ManagedIDKind
ClientSecretCredential ClientSecretCredentialOptions NewClientSecretCredential
ClientSecretCredentialOptions.AdditionallyAllowedTenants ClientSecretCredentialOptions.Cache ClientSecretCredentialOptions.DisableInstanceDiscovery
DefaultAzureCredential DefaultAzureCredentialOptions NewDefaultAzureCredential
DeviceCodeCredential DeviceCodeCredentialOptions DeviceCodeMessage NewDeviceCodeCredential
EnvironmentCredential EnvironmentCredentialOptions NewEnvironmentCredential EnvironmentCredentialOptions.DisableInstanceDiscovery
EventAuthentication
InteractiveBrowserCredential InteractiveBrowserCredentialOptions NewInteractiveBrowserCredential
ManagedIdentityCredential ManagedIdentityCredentialOptions NewManagedIdentityCredential
NewCredentialUnavailableError
OnBehalfOfCredential OnBehalfOfCredentialOptions
NewOnBehalfOfCredentialWithCertificate NewOnBehalfOfCredentialWithClientAssertions NewOnBehalfOfCredentialWithSecret
ParseCertificates
UsernamePasswordCredential UsernamePasswordCredentialOptions NewUsernamePasswordCredential
WorkloadIdentityCredential WorkloadIdentityCredentialOptions NewWorkloadIdentityCredential WorkloadIdentityCredentialOptions.Cache`)

// The page on moving from Microsoft's package lists what is still to come,
// and nothing that is here.
func TestDocsListOfWhatIsToComeIsTrue(t *testing.T) {
	t.Parallel()
	text := page(t, migratingFromGo)
	have := exported(t)
	listed := map[string][]string{}
	for _, heading := range []string{"## Here today", "## Still to come"} {
		for _, r := range rows(section(t, migratingFromGo, text, heading)) {
			listed[heading] = append(listed[heading], spans(r[0])...)
		}
	}
	for _, name := range peerNames {
		if strings.Contains(name, ".") && have[name] {
			continue // fields that are here go without saying
		}
		want, not := "## Still to come", "## Here today"
		if have[name] {
			want, not = not, want
		}
		if !slices.Contains(listed[want], name) {
			t.Errorf("%s: %s is missing under %q", migratingFromGo, name, want)
		}
		if slices.Contains(listed[not], name) {
			t.Errorf("%s: %s is under %q and belongs under %q", migratingFromGo, name, not, want)
		}
	}
}

// A pythonName is a public name of Python's azure.identity, with what its
// documentation lists: methods, arguments of constructor and methods,
// properties.
type pythonName struct {
	name    string
	here    string // the exported name that has its part here, or the one expected to
	members string
}

const (
	pythonToken = " get_token get_token_info"
	pythonCalls = pythonToken + " close"
)

// pythonNames are those of the sync and the aio package. Names that have no
// counterpart by design say so with "-": they are here by other means.
var pythonNames = []pythonName{
	{"AuthenticationRecord", "AuthenticationRecord", "tenant_id client_id authority home_account_id username serialize deserialize"},
	{"AuthenticationRequiredError", "AuthenticationRequiredError", "scopes message claims args with_traceback raise_with_traceback"},
	{"AuthorizationCodeCredential", "AuthorizationCodeCredential", "tenant_id client_id authorization_code redirect_uri authority client_secret additionally_allowed_tenants" + pythonCalls},
	{"AzureAuthorityHosts", "-", "AZURE_CHINA AZURE_GERMANY AZURE_GOVERNMENT AZURE_PUBLIC_CLOUD"},
	{"AzureCliCredential", "AzureCLICredential", "tenant_id additionally_allowed_tenants process_timeout" + pythonCalls},
	{"AzureDeveloperCliCredential", "AzureDeveloperCLICredential", "tenant_id additionally_allowed_tenants process_timeout" + pythonCalls},
	{"AzurePipelinesCredential", "AzurePipelinesCredential", "tenant_id client_id service_connection_id system_access_token authority additionally_allowed_tenants" + pythonCalls},
	{"AzurePowerShellCredential", "AzurePowerShellCredential", "tenant_id additionally_allowed_tenants process_timeout" + pythonCalls},
	{"CertificateCredential", "ClientCertificateCredential", "tenant_id client_id certificate_path authority certificate_data password send_certificate_chain cache_persistence_options additionally_allowed_tenants" + pythonCalls},
	{"ChainedTokenCredential", "ChainedTokenCredential", "credentials" + pythonCalls},
	{"ClientAssertionCredential", "ClientAssertionCredential", "tenant_id client_id func authority cache_persistence_options additionally_allowed_tenants" + pythonCalls},
	{"ClientSecretCredential", "ClientSecretCredential", "tenant_id client_id client_secret authority cache_persistence_options additionally_allowed_tenants" + pythonCalls},
	{"CredentialUnavailableError", "NewCredentialUnavailableError", "message response args with_traceback raise_with_traceback"},
	{"DefaultAzureCredential", "DefaultAzureCredential", `authority exclude_workload_identity_credential exclude_developer_cli_credential exclude_cli_credential
		exclude_environment_credential exclude_powershell_credential exclude_visual_studio_code_credential exclude_managed_identity_credential
		exclude_shared_token_cache_credential exclude_interactive_browser_credential interactive_browser_tenant_id interactive_browser_client_id
		managed_identity_client_id workload_identity_client_id workload_identity_tenant_id shared_cache_username shared_cache_tenant_id
		visual_studio_code_tenant_id process_timeout` + pythonCalls},
	{"DeviceCodeCredential", "DeviceCodeCredential", "client_id authority tenant_id timeout prompt_callback authentication_record disable_automatic_authentication cache_persistence_options authenticate" + pythonCalls},
	{"EnvironmentCredential", "EnvironmentCredential", `AZURE_TENANT_ID AZURE_CLIENT_ID AZURE_CLIENT_SECRET AZURE_AUTHORITY_HOST AZURE_CLIENT_CERTIFICATE_PATH
		AZURE_CLIENT_CERTIFICATE_PASSWORD AZURE_USERNAME AZURE_PASSWORD` + pythonCalls},
	{"InteractiveBrowserCredential", "InteractiveBrowserCredential", "authority tenant_id client_id login_hint redirect_uri authentication_record disable_automatic_authentication cache_persistence_options timeout authenticate" + pythonCalls},
	{"KnownAuthorities", "-", "AZURE_CHINA AZURE_GERMANY AZURE_GOVERNMENT AZURE_PUBLIC_CLOUD"},
	{"ManagedIdentityCredential", "ManagedIdentityCredential", "client_id identity_config" + pythonCalls},
	{"OnBehalfOfCredential", "OnBehalfOfCredential", "tenant_id client_id client_secret client_certificate client_assertion_func user_assertion authority password additionally_allowed_tenants" + pythonCalls},
	{"SharedTokenCacheCredential", "SharedTokenCacheCredential", "username authority tenant_id authentication_record cache_persistence_options supported" + pythonCalls},
	{"TokenCachePersistenceOptions", "Cache", "name allow_unencrypted_storage"},
	{"UsernamePasswordCredential", "UsernamePasswordCredential", "client_id username password authority tenant_id cache_persistence_options authenticate" + pythonCalls},
	{"VisualStudioCodeCredential", "VisualStudioCodeCredential", "authority tenant_id additionally_allowed_tenants" + pythonCalls},
	{"WorkloadIdentityCredential", "WorkloadIdentityCredential", "tenant_id client_id token_file_path" + pythonCalls},
	{"get_bearer_token_provider", "NewBearerTokenProvider", "credential scopes"},
}

// The page on moving from Python has a section for every name of
// azure.identity and a row for each of its arguments, methods and properties;
// what it says is here is exported, and what it says is to come is not.
func TestDocsCoverPython(t *testing.T) {
	t.Parallel()
	text := page(t, migratingFromPython)
	have := exported(t)
	states := []string{"here", "to come", "not needed"}
	for _, p := range pythonNames {
		body := section(t, migratingFromPython, text, "### "+p.name)
		state := map[string]string{}
		for i, r := range rows(body) {
			if i == 0 {
				continue // the head
			}
			if len(r) != 3 || !slices.Contains(states, r[2]) {
				t.Errorf("%s, %s: the row %q does not end in one of %q", migratingFromPython, p.name, r, states)
				continue
			}
			for _, s := range spans(r[0]) {
				state[s] = r[2]
			}
		}
		for _, m := range append(strings.Fields(p.members), p.name) {
			if state[m] == "" {
				t.Errorf("%s: no row for %s of %s", migratingFromPython, m, p.name)
			}
		}
		want := "to come"
		if p.here == "-" || have[p.here] {
			want = "here"
		}
		if got := state[p.name]; got != want {
			t.Errorf("%s: %s is %q, want %q", migratingFromPython, p.name, got, want)
		}
	}
	for _, m := range strings.Fields("get_token get_token_info close scopes claims tenant_id enable_cae options") {
		if !slices.ContainsFunc(rows(section(t, migratingFromPython, text, "## Calls")), func(r row) bool { return slices.Contains(spans(r[0]), m) }) {
			t.Errorf("%s: no row for %s under \"Calls\"", migratingFromPython, m)
		}
	}
}
