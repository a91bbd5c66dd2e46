package entra

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/events"
)

// A ClientAuth proves to a token endpoint which application is asking
// (RFC 6749, section 2.3; RFC 7521, section 4.2). Implementations are safe for
// concurrent use.
type ClientAuth interface {
	// Authenticate adds the proof to form for a request to the endpoint.
	// legacy says that the server is ADFS or dSTS.
	Authenticate(ctx context.Context, form *Form, endpoint string, legacy bool) error

	// Refused hears that the server answered form with e, and reports whether
	// a better proof can be had at once. It is asked for every refusal, and
	// its answer counts once per request for a token. It may set e.Presented,
	// e.Next and e.ProofFrom.
	Refused(ctx context.Context, e *Error, form *Form) (retry bool)
}

// Config configures a [Client].
type Config struct {
	Authority Authority
	// SkipDiscovery accepts an unknown authority host without asking anyone.
	SkipDiscovery bool
	// Region is the name of a regional endpoint, or [AutoDetect], or empty.
	Region string
	// Module and Version go into the User-Agent header. They are the same for all
	// clients of a process.
	Module, Version string
	// Options are the caller's.
	Options policy.ClientOptions
}

// A Client exchanges grants for tokens at one authority. It is safe for
// concurrent use.
type Client struct {
	authority     Authority
	skipDiscovery bool
	region        string
	machine       *machine // nil unless the region is to be detected
	cfg           Config

	// What requests need is made for the first one: most clients of a program that
	// constructs credentials freely find their tokens in memory and send none.
	once     sync.Once
	pipeline pipeline
	learnt   *hostState
}

// prepare makes what requests need.
func (c *Client) prepare() {
	c.once.Do(func() {
		c.learnt = stateFor(c.cfg.Options.Transport)
		c.pipeline = c.learnt.pipelineFor(c.cfg)
	})
}

// exchange is [pipeline.exchange] on c's pipeline.
func (c *Client) exchange(ctx context.Context, method, url string, form *Form, header http.Header) (*http.Response, []byte, error) {
	c.prepare()
	return c.pipeline.exchange(ctx, method, url, form, header)
}

// host returns what the process has learnt through c's transport.
func (c *Client) host() *hostState {
	c.prepare()
	return c.learnt
}

// NewClient returns a client for cfg.
func NewClient(cfg Config) (*Client, error) {
	c := new(Client)
	return c, c.Init(&cfg)
}

// Init makes a zero Client one for cfg, which it validates. It touches no network.
func (c *Client) Init(cfg *Config) error {
	if cfg.Region != AutoDetect && cfg.Region != "" && !validRegion.MatchString(cfg.Region) {
		return fmt.Errorf("region %.40q: a region is a name such as westeurope, or %s", cfg.Region, AutoDetect)
	}
	c.authority, c.skipDiscovery, c.region, c.cfg = cfg.Authority, cfg.SkipDiscovery, cfg.Region, *cfg
	if cfg.Region == AutoDetect {
		c.machine = newMachine(*cfg)
	}
	return nil
}

// A ClientCredentials is the request of RFC 6749, section 4.4: a token for the
// application itself.
type ClientCredentials struct {
	Tenant   string
	ClientID string
	Scopes   []string
	Claims   string // a challenge, as JSON
	CAE      bool
	Auth     ClientAuth
}

// ClientCredentials acquires a token for the application itself, at the
// regional endpoint if there is one.
func (c *Client) ClientCredentials(ctx context.Context, r ClientCredentials) (TokenResponse, error) {
	if err := checkOneResource(r.Scopes); err != nil {
		return TokenResponse{}, err
	}
	claims, err := mergeClaims(r.Claims, r.CAE)
	if err != nil {
		return TokenResponse{}, err
	}
	fill := func(f *Form) {
		f.Set("client_id", r.ClientID)
		f.Set("grant_type", "client_credentials")
		f.Set("scope", strings.Join(r.Scopes, " "))
		if claims != "" {
			f.Set("claims", claims)
		}
	}
	// First of all, as it may find that the host cannot be trusted.
	endpoint, err := c.tokenEndpoint(ctx, r.Tenant)
	if err != nil {
		return TokenResponse{}, err
	}
	if host := c.regionalHost(ctx, r.Tenant); host != "" {
		regional := c.authority.endpoint(host, r.Tenant, "token")
		t, err := c.grant(c.impatient(ctx), regional, false, r.Auth, fill)
		if err == nil || !outage(ctx, err) {
			return t, err
		}
		c.host().regionDown(host)
		events.Log(ctx, events.RegionDown, slog.String("host", host), events.Err(err))
	}
	return c.grant(ctx, endpoint, c.authority.Legacy(r.Tenant), r.Auth, fill)
}

// outage reports whether err means that no token service answered, rather
// than that it refused.
func outage(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, errProof) {
		return false
	}
	var e *Error
	return !errors.As(err, &e) || e.Code == "" || e.Status >= 500
}

// errProof marks errors of a ClientAuth: the network had no part in them.
var errProof = errors.New("the application's proof could not be made")

// grant posts to the token endpoint, twice if the proof can be mended, unless the same
// request was refused time and again just before. A form that is for once is posted
// again only if it is the proof that was refused.
func (c *Client) grant(ctx context.Context, endpoint string, legacy bool, auth ClientAuth, fill func(*Form)) (TokenResponse, error) {
	for try := 1; ; try++ {
		form := new(Form)
		fill(form)
		if auth != nil {
			if err := auth.Authenticate(ctx, form, endpoint, legacy); err != nil {
				return TokenResponse{}, &proofError{err}
			}
		}
		if try == 1 && !c.host().refused.Empty() {
			if err := c.host().refused.Find(form.digest(endpoint), time.Now()); err != nil {
				return TokenResponse{}, err
			}
		}
		t, err := c.post(ctx, endpoint, form)
		var e *Error
		if err == nil || !errors.As(err, &e) {
			return t, err
		}
		if auth != nil && e.Code != "" {
			better := auth.Refused(ctx, e, form) && (!form.forOnce || e.proofRefused())
			if better && try == 1 {
				continue
			}
		}
		if d := e.ThrottledFor(); d > 0 {
			c.host().refused.Throttled(form.digest(endpoint), e, e.Received, d)
		} else if e.holdsOff() {
			c.host().refused.Refused(form.digest(endpoint), e, e.Received)
		}
		return t, err
	}
}

// A proofError is a ClientAuth's error, unchanged but for the mark.
type proofError struct{ err error }

func (e *proofError) Error() string   { return e.err.Error() }
func (e *proofError) Unwrap() []error { return []error{e.err, errProof} }

// post sends form to a token endpoint.
func (c *Client) post(ctx context.Context, endpoint string, form *Form) (TokenResponse, error) {
	sent := time.Now()
	resp, body, err := c.exchange(ctx, http.MethodPost, endpoint, form, nil)
	if err != nil {
		return TokenResponse{}, err
	}
	t, err := decodeToken(resp.StatusCode, resp.Header, body, sent)
	var e *Error
	if errors.As(err, &e) {
		e.describe(resp.Header, http.MethodPost, endpoint, form)
	}
	return t, err
}

// describe completes an error that a decoder made.
func (e *Error) describe(header http.Header, method, url string, form *Form) {
	e.Method, e.URL, e.Received = method, url, time.Now()
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		e.Offset = time.Until(date).Round(time.Second)
	}
	if form == nil {
		return
	}
	e.Header = form.scrubHeader(e.Header)
	if e.Body != nil {
		e.Body = []byte(form.scrub(string(e.Body)))
	}
	for _, text := range []*string{&e.Code, &e.Description, &e.SubError, &e.Claims, &e.TraceID, &e.Correlation, &e.Timestamp, &e.Problem} {
		*text = form.scrub(*text)
	}
}
