package managedidentity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

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

	mu   sync.Mutex                   // guards last
	last map[string][sha256.Size]byte // by resource, of the token handed out last, where the host wants to know
}

// defaultTryTimeout bounds one try.
const defaultTryTimeout = 30 * time.Second

// New reads the environment, once, and chooses the source. It does no I/O but
// for looking whether Azure Arc's agent is installed.
func New(cfg Config) (*Client, error) {
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
	c := &Client{identity: cfg.Identity, detection: e.detect()}
	fail := func(err error) (*Client, error) { return nil, fmt.Errorf("%v: %w", c.detection, err) }
	h, err := c.detection.open(e)
	if err != nil {
		return fail(err)
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
	CAE      bool // the token is for a client that handles claims challenges
	Claims   bool // the token handed out last was refused
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
	for n := 0; ; n++ {
		sent := time.Now()
		a := c.ask(ctx, r)
		if err := ctx.Err(); err != nil && a.verdict.verdict != Granted {
			return Token{}, fmt.Errorf("%w, after %d tries of %s", err, n+1, c.detection.source)
		}
		if a.verdict.verdict == Granted {
			return c.grant(ctx, r, a, sent)
		}
		pause, again := time.Duration(0), false
		if a.verdict.retry {
			pause, again = c.schedule.pause(n, a.status, a.response, a.err)
		}
		if !again {
			return Token{}, c.failure(a, n+1)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Token{}, fmt.Errorf("%w, while waiting to ask again: %w", ctx.Err(), c.failure(a, n+1))
		}
	}
}

// An attempt is what one try brought.
type attempt struct {
	answer   answer
	verdict  verdictRow
	status   int
	response *http.Response
	body     []byte
	secrets  []string
	err      error // why there is no answer
}

// ask sends one request, or two where the host wants to be shown a key.
func (c *Client) ask(ctx context.Context, r Request) attempt {
	a := c.send(ctx, r, "")
	if c.host.challenge == nil || a.status != http.StatusUnauthorized {
		return a
	}
	key, err := c.host.challenge.key(a.response.Header.Get("WWW-Authenticate"))
	if err != nil {
		a.err = err
		a.verdict = verdictRow{verdict: Fatal, why: err.Error()}
		return a
	}
	a = c.send(ctx, r, key)
	a.secrets = append(a.secrets, key)
	return a
}

// maxBody bounds an answer. Real ones have a few kilobytes.
const maxBody = 1 << 20

func (c *Client) send(ctx context.Context, r Request, key string) attempt {
	a := attempt{secrets: []string{c.host.secret.Expose()}}
	ctx, cancel := context.WithTimeout(policy.WithRetryOptions(ctx, once), c.try)
	defer cancel()
	req, err := c.newRequest(ctx, r, key)
	if err == nil {
		a.response, a.body, err = c.exchange(req)
	}
	var final interface{ NonRetriable() }
	switch {
	case err == nil:
	case errors.Is(err, errPin) || errors.Is(err, errRedirected) || errors.As(err, &final):
		a.err, a.verdict = err, verdictRow{verdict: Fatal}
		return a
	default:
		a.err, a.verdict = err, judge(c.host.verdicts, 0, nothing)
		return a
	}
	a.status = a.response.StatusCode
	s := other
	if a.body != nil {
		a.answer, s = decode(a.body)
	}
	a.verdict = judge(c.host.verdicts, a.status, s)
	if a.verdict.verdict == Granted && c.host.confirms && !a.answer.names(c.identity) {
		a.verdict = verdictRow{verdict: Fatal, why: "the answer does not confirm the " + c.identity.String() + ", so the token may be another identity's and is dropped: update the agent, it may be too old for user-assigned identities"}
	}
	return a
}

func (c *Client) newRequest(ctx context.Context, r Request, key string) (*policy.Request, error) {
	u := *c.host.endpoint
	params := c.host.parameters(r.Resource, c.identity)
	if c.host.revokes {
		c.revoke(params, r)
	}
	method := http.MethodPost
	if !c.host.post {
		method = http.MethodGet
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+params.Encode(), "&")
	}
	req, err := runtime.NewRequest(ctx, method, u.String())
	if err != nil {
		return nil, err
	}
	h := req.Raw().Header
	h["Accept"] = []string{"application/json"}
	c.host.request(req.Raw(), params)
	if key != "" {
		h["Authorization"] = []string{"Basic " + key}
	}
	if c.host.post {
		body := streaming.NopCloser(strings.NewReader(params.Encode()))
		if err := req.SetBody(body, "application/x-www-form-urlencoded"); err != nil {
			return nil, err
		}
	}
	runtime.SkipBodyDownload(req)
	return req, nil
}

// revoke tells the host what the client can do, and which token a challenge
// was about, so that it does not answer with the same from its own memory.
func (c *Client) revoke(params url.Values, r Request) {
	if !r.CAE {
		return
	}
	params.Set("xms_cc", "cp1")
	if !r.Claims {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if sum, ok := c.last[r.Resource]; ok {
		params.Set("token_sha256_to_refresh", hex.EncodeToString(sum[:]))
	}
}

// maxLast bounds the memory for tokens' hashes.
const maxLast = 1000

func (c *Client) remember(resource, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || len(c.last) >= maxLast {
		c.last = map[string][sha256.Size]byte{}
	}
	c.last[resource] = sha256.Sum256([]byte(token))
}

// errRedirected is that of a transport that followed a redirect.
var errRedirected = errors.New("the transport followed a redirect to another host: give it a CheckRedirect that returns http.ErrUseLastResponse")

// exchange returns the answer and its body, nil if it is too long.
func (c *Client) exchange(req *policy.Request) (*http.Response, []byte, error) {
	asked := *req.Raw().URL
	resp, err := c.pipeline.Do(req)
	if err != nil {
		return nil, nil, err
	}
	if resp.Body == nil {
		resp.Body = http.NoBody
	}
	defer resp.Body.Close()
	if r := resp.Request; r != nil && r.URL != nil && (r.URL.Host != asked.Host || r.URL.Scheme != asked.Scheme) {
		return nil, nil, errRedirected
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("the answer broke off: %w", err)
	case len(body) > maxBody:
		return resp, nil, nil
	}
	return resp, body, nil
}

func (c *Client) grant(ctx context.Context, r Request, a attempt, sent time.Time) (Token, error) {
	l := life(a.answer, sent)
	if !l.expires.After(time.Now()) {
		a.verdict = verdictRow{verdict: Fatal, why: "the token that came back has already expired: check this machine's clock"}
		return Token{}, c.failure(a, 1)
	}
	if l.guessed {
		events.Log(ctx, events.ExpiryUnknown, slog.String("source", string(c.detection.source)))
	}
	if c.host.revokes {
		c.remember(r.Resource, a.answer.AccessToken)
	}
	return Token{a.answer.AccessToken, l.expires, l.refresh}, nil
}

func (c *Client) failure(a attempt, tries int) *Error {
	u := *c.host.endpoint
	u.RawQuery, u.ForceQuery = "", false
	e := &Error{
		Source: c.detection.source, Verdict: a.verdict.verdict, Method: http.MethodGet, URL: u.String(),
		Status: a.status, Why: a.verdict.why, Tries: tries, Received: time.Now(), cause: a.err,
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
	return e
}
