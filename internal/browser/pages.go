package browser

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html"
	"html/template"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Pages replaces what the person sees at the end. An empty field is the page of
// this package.
//
// What begins with < is an HTML document and sent as it is: images, styles and
// fonts work inline and from https addresses, scripts do not. Anything else is a
// sentence or two, shown on the page of this package instead of its own.
//
// In Failure, $error, $error_description and $error_uri (also written ${error})
// stand for what the service said, escaped, and $$ for a dollar sign. These are
// the names that Python's templates have.
type Pages struct {
	Success string
	Failure string // also for a sign-in that the person cancelled
}

// of returns the page for an answer.
func (p Pages) of(r Response) page {
	text := p.Success
	if r.Error != "" {
		text = p.Failure
	}
	if text = strings.TrimSpace(text); strings.HasPrefix(text, "<") {
		return page{html: fill(text, r, html.EscapeString), policy: customPolicy}
	}
	return ownPage(r, fill(text, r, func(s string) string { return s }))
}

var placeholder = regexp.MustCompile(`\$(?:\$|(\w+)|\{(\w+)\})`)

// fill puts the values of r into template. Other words after a dollar sign stay,
// as in safe_substitute of Python.
func fill(template string, r Response, escape func(string) string) string {
	if r.Error == "" {
		return template
	}
	values := map[string]string{"error": r.Error, "error_description": r.ErrorDescription, "error_uri": r.ErrorURI}
	return placeholder.ReplaceAllStringFunc(template, func(s string) string {
		if s == "$$" {
			return "$"
		}
		if v, known := values[strings.Trim(s, "${}")]; known {
			return escape(v)
		}
		return s
	})
}

var (
	//go:embed page.css
	style string
	//go:embed page.html
	document string

	layout = template.Must(template.New("page").Parse(document))
)

// What pages may load. The address of a page can hold a code, so nothing that
// runs gets on any of them.
var (
	ownPolicy    = "default-src 'none'; img-src data:; style-src 'sha256-" + digest(style) + "'"
	customPolicy = "default-src 'none'; img-src data: https:; font-src data: https:; style-src 'unsafe-inline' https:"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// A page is a document and the sources of its content security policy.
type page struct{ html, policy string }

// content is what page.html shows. Kind selects the sign above the heading.
type content struct {
	Kind    string // "done", "cancelled", "failed" or "waiting"
	Heading string
	Text    []string
	Reason  string // what the service said, in lines
	Answer  Response
	Style   template.CSS
}

func (c content) page() page {
	c.Style = template.CSS(style)
	var b strings.Builder
	if err := layout.Execute(&b, c); err != nil {
		panic(err) // only a template that is wrong itself can fail
	}
	return page{b.String(), ownPolicy}
}

// lines puts the identifiers at the end of Entra ID's descriptions on lines of
// their own, where the service also had them.
var lines = strings.NewReplacer(" Trace ID: ", "\nTrace ID: ", " Correlation ID: ", "\nCorrelation ID: ", " Timestamp: ", "\nTimestamp: ")

// ownPage is this package's page for an answer. text, if any, takes the place of
// its sentences.
func ownPage(r Response, text string) page {
	c := content{Kind: "done", Heading: "You are signed in", Answer: r,
		Text: []string{"Close this window and return to the application or terminal."}}
	switch {
	case r.Cancelled():
		c.Kind, c.Heading = "cancelled", "Sign-in was cancelled"
		c.Text = []string{"Nothing was changed.", "Close this window and return to the application or terminal. You can start again from there."}
	case r.Error != "":
		c.Kind, c.Heading, c.Reason = "failed", "You are not signed in", lines.Replace(cmp.Or(r.ErrorDescription, "No reason was given."))
		c.Text = []string{"The sign-in service refused, for the reason below.", "Close this window and return to the application or terminal. You can start again from there."}
	}
	if text != "" {
		c.Text, c.Reason = strings.Split(text, "\n"), ""
	}
	return c.page()
}

// strayPage is the page for what is not the answer that is waited for.
func strayPage(status int) page {
	c := content{Kind: "waiting", Heading: "Not the expected answer",
		Text: []string{"This came from another sign-in, from an older window, or from something else.", "Finish in the newest sign-in window, or start again from the application or terminal."}}
	switch status {
	case http.StatusOK:
		c.Heading = "Waiting for you to sign in"
		c.Text = []string{"You are not signed in yet.", "Go back to the window with the sign-in page and finish there."}
	case http.StatusBadRequest, http.StatusForbidden:
	default:
		c.Heading = "Nothing to see here"
		c.Text = []string{"An application on this machine waits for a sign-in at this address: " + strconv.Itoa(status) + " " + http.StatusText(status) + ".", "Close this window and return to the application or terminal."}
	}
	return c.page()
}

// write sends p. Nothing of it is kept, framed, or told to other sites.
func (p page) write(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(p.html)))
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", p.policy+"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, p.html)
}
