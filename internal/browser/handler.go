package browser

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// handler answers the requests of one wait.
type handler struct {
	state    string
	pages    Pages
	answered chan Response // has room for one

	mu    sync.Mutex // guards what follows
	first *Response
	other int // answers of other sign-ins
}

func newHandler(state string, pages Pages) *handler {
	return &handler{state: state, pages: pages, answered: make(chan Response, 1)}
}

// ignored says what else came, for the error when nothing right did.
func (h *handler) ignored() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.other == 0 {
		return ""
	}
	return fmt.Sprintf(" but %d of other sign-ins", h.other)
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, status := h.receive(w, r)
	if answer == nil {
		strayPage(status).write(w, status)
		return
	}
	// A redirect that comes twice, as after a double click, shows what the first
	// one brought: the browser displays only the last.
	h.mu.Lock()
	if h.first == nil {
		h.first = answer
	}
	answer = h.first
	h.mu.Unlock()
	h.pages.of(*answer).write(w, http.StatusOK)
	// The page is out, or never will be. The wait ends after that.
	_ = http.NewResponseController(w).Flush()
	select {
	case h.answered <- *answer:
	default:
	}
}

// receive returns the answer that is waited for, or the status for anything
// else.
func (h *handler) receive(w http.ResponseWriter, r *http.Request) (*Response, int) {
	switch {
	case !ours(r.Host):
		return nil, http.StatusForbidden
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		w.Header().Set("Allow", "GET, POST")
		return nil, http.StatusMethodNotAllowed
	case r.URL.Path != "/":
		return nil, http.StatusNotFound
	case !navigation(r.Header):
		return nil, http.StatusForbidden
	}
	query := r.URL.RawQuery
	if r.Method == http.MethodPost {
		if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
			return nil, http.StatusUnsupportedMediaType
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswer))
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, http.StatusRequestEntityTooLarge
		} else if err != nil {
			return nil, http.StatusBadRequest
		}
		query = string(body)
	}
	answer, err := parseQuery(query, h.state)
	switch {
	case err == nil:
		return &answer, http.StatusOK
	case errors.Is(err, ErrNoAnswer) && r.Method == http.MethodGet:
		return nil, http.StatusOK // someone looks whether anybody is here
	case errors.Is(err, ErrOtherSignIn):
		h.mu.Lock()
		h.other++
		h.mu.Unlock()
	}
	return nil, http.StatusBadRequest
}

// ours reports whether a request's Host is one of loopback. A page whose own name
// resolves to loopback (DNS rebinding) sends another.
func ours(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return loopback(host)
}

// navigation reports whether a request can be one with which a browser goes to a
// page. Scripts of other pages cannot send these. An identity provider's form has
// an Origin that is foreign, or "null" because of its referrer policy; only one
// that no identity provider has is refused.
func navigation(h http.Header) bool {
	if mode := h.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false
	}
	if dest := h.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return false
	}
	origin := h.Get("Origin")
	if origin == "" || origin == "null" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()))
}
