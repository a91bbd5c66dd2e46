package entratest

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// The pages are HTML and CSS of our own. All work without scripts; the two scripts that
// there are spare a click, and refresh the journal.

//go:embed pages
var pageFiles embed.FS

var pageTemplates = template.Must(template.New("").ParseFS(pageFiles, "pages/*.html"))

// assets are what pages refer to.
var assets = map[string]string{
	"style.css":  "text/css; charset=utf-8",
	"icon.svg":   "image/svg+xml",
	"post.js":    "text/javascript; charset=utf-8",
	"console.js": "text/javascript; charset=utf-8",
}

func serveAsset(c *call) reply {
	name := strings.ToLower(path.Base(c.req.URL.Path))
	kind, ok := assets[name]
	if !ok {
		return serveNotFound(c)
	}
	data, err := pageFiles.ReadFile("pages/" + name)
	if err != nil {
		panic(err)
	}
	return reply{status: http.StatusOK, header: http.Header{"Content-Type": {kind}, "Cache-Control": {"no-cache"}}, body: data}
}

// page renders a template. Forms may lead to the emulator, and to the target: a browser
// follows no redirect from a form to anywhere else.
func page(status int, name string, data any, target string) reply {
	var b bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&b, name, data); err != nil {
		panic(err)
	}
	return reply{
		status: status,
		header: http.Header{
			"Content-Type":    {"text/html; charset=utf-8"},
			"Referrer-Policy": {"no-referrer"},
			"X-Frame-Options": {"DENY"},
			"Content-Security-Policy": {"default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; " +
				"base-uri 'none'; frame-ancestors 'none'; form-action 'self'" + formSource(target)},
		},
		body: b.Bytes(),
	}
}

// formSource is a URI as a source of a content security policy.
func formSource(uri string) string {
	u, err := url.Parse(uri)
	switch {
	case uri == "" || err != nil || strings.ContainsAny(u.Host, ";, "):
		return ""
	case u.Scheme == "https" || u.Scheme == "http":
		return " " + u.Scheme + "://" + u.Host
	}
	return " " + u.Scheme + ":"
}

// titled is a page with a heading.
type titled struct{ Title string }

// Tab is what the browser's tab says.
func (p titled) Tab() string { return p.Title + " · Entra ID emulator" }

// view is what the pages of a sign-in show.
type view struct {
	titled
	SignIn  string // the id of the sign-in, in each form
	App     string
	Client  string // its client ID
	Tenant  string
	Device  bool
	User    *User
	Name    string // that was given
	Mistake *mistake
	// Accounts are to be picked from.
	Accounts []pickable
	Scopes   []string
	Text     string // why the person cannot go on
	Code     string // what the error is called, or the user code
	Facts    []fact
	Return   bool // there is an application to return to
	CanFix   bool // the emulator can pretend
}

// mistake is what the person can correct, beside the field.
type mistake struct{ Code, Text string }

type pickable struct {
	ID, Name, Username, Tenant string
	SignedIn                   bool
}

type fact struct{ Name, Value string }

// initial is shown in place of a picture.
func initial(name string) string {
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return ""
}

// Tab tells of a mistake first, as whoever listens to the page hears it first.
func (v view) Tab() string {
	if v.Mistake != nil {
		return "Error: " + v.titled.Tab()
	}
	return v.titled.Tab()
}

// Initial is that of the account.
func (p pickable) Initial() string { return initial(cmp.Or(p.Name, p.Username)) }

// Shown is the name of the user, or else the username.
func (v view) Shown() string { return cmp.Or(v.User.Name, v.User.Username) }

// Initial is that of the user.
func (v view) Initial() string { return initial(v.Shown()) }

// errorPage shows an error to the person, who is not sent anywhere.
func (c *call) errorPage(r *refusal) reply {
	c.note(r)
	return page(r.status, "error", view{titled: titled{"You cannot be signed in"}, Code: r.name(), Facts: c.facts(r)}, "")
}

// facts are what whoever helps needs to know.
func (c *call) facts(r *refusal) []fact {
	return []fact{
		{"Message", r.text},
		{"The emulator’s reason", r.reason},
		{"Error", r.oauth},
		{"Correlation ID", c.correlationID},
		{"Trace ID", c.traceID},
		{"Timestamp", c.now.UTC().Format("2006-01-02 15:04:05Z")},
	}
}
