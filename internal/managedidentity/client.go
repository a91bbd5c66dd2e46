package managedidentity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/azid-go/azidentity/internal/events"
	"github.com/azid-go/azidentity/internal/secret"
)

// Config says whose tokens a client asks for.
type Config struct {
	Identity Identity
	Options  policy.ClientOptions
	// Direct carries the requests if Options has no transport. It uses no
	// proxy: none reaches this machine's endpoints, and none is to see them.
	Direct          *http.Transport
	Module, Version string // of the library, for the User-Agent

	// ProbeFirst asks the metadata service whether it is there, briefly, before it
	// is asked for a token.
	ProbeFirst bool
	// NoTokenExchange leaves out [TokenExchange].
	NoTokenExchange bool

	// The machine. The zero values mean this one.
	Getenv  func(string) string
	Exists  func(path string) bool
	ArcKeys string // where the agent of Azure Arc keeps its keys
}

// A Client asks one hosting environment for one identity's tokens. It is safe
// for concurrent use, and keeps no tokens.
type Client struct {
	identity  Identity
	detection detection
	host      host
	pipeline  runtime.Pipeline
	schedule  schedule
	try       time.Duration
	pinned    *http.Transport
	probe     *probe // nil if there is nothing to find out
}

// defaultTryTimeout bounds one try.
const defaultTryTimeout = 30 * time.Second

// environment is the machine's.
func (cfg *Config) environment() *environment {
	keys, agent := arcPlaces()
	e := &environment{getenv: cfg.Getenv, exists: cfg.Exists, keys: keys, agent: agent}
	if e.getenv == nil {
		e.getenv = os.Getenv
	}
	if e.exists == nil {
		e.exists = func(path string) bool { i, err := os.Stat(path); return err == nil && i.Mode().IsRegular() }
	}
	if cfg.ArcKeys != "" {
		e.keys = cfg.ArcKeys
	}
	// The other kinds of ID name no application that could show an assertion;
	// the metadata service knows them.
	byClient := cfg.Identity.Kind == ClientID && cfg.Identity.Value != "" || cfg.Identity.Kind == SystemAssigned && e.get("AZURE_CLIENT_ID") != ""
	e.exchanges = !cfg.NoTokenExchange && byClient
	return e
}

// Detect returns the source that [New] would choose.
func Detect(cfg Config) Source { return cfg.environment().detect().source }

// New reads the environment, once, and chooses the source. It does no I/O but
// for looking whether Azure Arc's agent is installed. [TokenExchange] has no
// client: Entra ID is asked in its place.
func New(cfg Config) (*Client, error) {
	if m, ok := cfg.Options.Transport.(*Machine); ok {
		cfg.Options.Transport, cfg.ArcKeys = m.Client, m.ArcKeys
	}
	e := cfg.environment()
	c := &Client{identity: cfg.Identity, detection: e.detect()}
	fail := func(err error) (*Client, error) { return nil, fmt.Errorf("%v: %w", c.detection, err) }
	if c.detection.open == nil {
		return fail(errors.New("its tokens come from Entra ID"))
	}
	h, err := c.detection.open(e)
	if err != nil {
		return fail(err)
	}
	if cfg.ProbeFirst && h.probes {
		c.probe = &probe{}
	}
	if err := h.selectors.check(cfg.Identity); err != nil {
		return fail(err)
	}
	c.host = h
	o := cfg.Options
	if o.Transport, err = c.transport(o.Transport, cfg.Direct); err != nil {
		return fail(err)
	}
	c.schedule = schedule{h.retries, o.Retry}
	if c.try = o.Retry.TryTimeout; c.try <= 0 {
		c.try = defaultTryTimeout
	}
	o.Retry, o.APIVersion, o.Logging.IncludeBody = once, "", false
	c.pipeline = runtime.NewPipeline(cfg.Module, cfg.Version, runtime.PipelineOptions{}, &o)
	return c, nil
}

// once keeps azcore from repeating requests: what may be repeated, and when,
// depends on the answer's body.
var once = policy.RetryOptions{MaxRetries: -1}

// transport returns the caller's transport, or the direct one, in a form that
// follows no redirects: a redirect would take the secret along.
func (c *Client) transport(t policy.Transporter, direct *http.Transport) (policy.Transporter, error) {
	client, ok := t.(*http.Client)
	switch {
	case t == nil || ok && client == nil:
		client = &http.Client{}
	case !ok && c.host.pin == nil:
		return t, nil
	case !ok:
		return nil, errors.New("its certificate is to be pinned, so ClientOptions.Transport has to be an *http.Client or nil")
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if own.Transport == nil {
		own.Transport = direct
	}
	if c.host.pin != nil {
		base, ok := own.Transport.(*http.Transport)
		if !ok {
			return nil, errors.New("its certificate is to be pinned, so the client in ClientOptions.Transport needs an *http.Transport")
		}
		var err error
		if c.pinned, err = pinned(base, c.host.pin); err != nil {
			return nil, err
		}
		own.Transport = c.pinned
	}
	return &own, nil
}

// Source returns the hosting environment.
func (c *Client) Source() Source { return c.detection.source }

// Chosen says which hosting environment was chosen, and why.
func (c *Client) Chosen() string { return c.detection.String() }

// Endpoint returns the address of the endpoint.
func (c *Client) Endpoint() string { return c.host.endpoint.String() }

// Secret returns the secret of the endpoint, for a key that separates tokens.
func (c *Client) Secret() secret.Value { return c.host.secret }

// Close closes idle connections of the client's own.
func (c *Client) Close() {
	if c.pinned != nil {
		c.pinned.CloseIdleConnections()
	}
}

// A Request asks for one token.
type Request struct {
	Resource string
	CAE      bool   // the token is for a client that handles claims challenges
	Refused  string // the token that a claims challenge is about, if there is one
}

// A Token is what a host answers. It has no method to print it; keep it out of
// errors and logs.
type Token struct {
	Value                string
	ExpiresOn, RefreshOn time.Time
}

// Token asks for a token, again and again as the source's schedule has it. An
// error is the context's end, or an [*Error].
func (c *Client) Token(ctx context.Context, r Request) (Token, error) {
	if e := c.check(ctx); e != nil {
		if err := ctx.Err(); err != nil {
			return Token{}, fmt.Errorf("%w, while %s was probed", err, c.detection.source)
		}
		return Token{}, e
	}
	for n := 0; ; n++ {
		sent := time.Now()
		a := c.ask(ctx, r)
		if err := ctx.Err(); err != nil && a.verdict.verdict != Granted {
			return Token{}, fmt.Errorf("%w, after %d tries of %s", err, n+1, c.detection.source)
		}
		if a.verdict.verdict == Granted {
			return c.grant(ctx, a, sent)
		}
		pause, again := time.Duration(0), false
		if a.verdict.retry {
			pause, again = c.schedule.pause(n, a.status, a.response, a.err)
		}
		if !again {
			return Token{}, c.failure(a, n+1)
		}
		paused := time.Now()
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			failed := c.failure(a, n+1)
			failed.RetryAfter = max(failed.RetryAfter-time.Since(paused), 0) // what is left of it
			return Token{}, fmt.Errorf("%w, while waiting to ask again: %w", ctx.Err(), failed)
		}
	}
}

func (c *Client) grant(ctx context.Context, a attempt, sent time.Time) (Token, error) {
	l := life(a.answer, sent)
	if !l.expires.After(time.Now()) {
		a.verdict = expired
		return Token{}, c.failure(a, 1)
	}
	if l.guessed {
		events.Log(ctx, events.ExpiryUnknown, slog.String("source", string(c.detection.source)))
	}
	return Token{a.answer.AccessToken, l.expires, l.refresh}, nil
}

func (c *Client) failure(a attempt, tries int) *Error {
	u := *c.host.endpoint
	u.RawQuery, u.ForceQuery = "", false
	e := &Error{
		Source: c.detection.source, Verdict: a.verdict.verdict, Method: http.MethodGet, URL: u.String(),
		Status: a.status, Why: a.verdict.why, Tries: tries, Received: time.Now(), cause: a.err, final: !a.verdict.retry,
	}
	if c.host.post {
		e.Method = http.MethodPost
	}
	if a.err != nil && !clean(a.err.Error(), a.secrets...) {
		e.cause = errors.New("the request failed, and the reason given holds a secret")
	}
	if a.response == nil {
		return e
	}
	e.Header = http.Header{}
	for _, name := range []string{"Content-Type", "Date", "Retry-After", "Server", "Via", "X-Ms-Request-Id"} {
		if v := a.response.Header.Values(name); len(v) > 0 && clean(strings.Join(v, " "), a.secrets...) {
			e.Header[name] = v
		}
	}
	e.RetryAfter = retryAfter(a.response.Header)
	if e.Body = harmless(a.status, a.body, a.secrets...); e.Body != nil {
		e.Code, e.Description = a.answer.problem()
	}
	if claims := a.answer.challenge(a.response.Header); clean(claims, a.secrets...) {
		e.Claims = claims
	}
	return e
}
