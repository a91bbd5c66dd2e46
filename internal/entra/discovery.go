package entra

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/flight"
	"github.com/azid-go/azidentity/internal/holdoff"
)

// A hostState is what one process has learnt about unknown authorities and
// regions through one transport. Everything in it can be learnt again.
type hostState struct {
	discoveries flight.Group[string, tokenTemplate]
	detecting   flight.Group[struct{}, string]
	refused     holdoff.Memory[[sha256.Size]byte] // by the request's digest

	used uint64 // when it was last asked for, in uses; guarded by states.mu

	once  sync.Once
	plain pipeline // of all clients whose options ask for nothing else

	mu        sync.Mutex // guards all below; held for no I/O
	templates map[string]tokenTemplate
	region    *string // detected; nil until then
	down      map[string]time.Time
}

// A tokenTemplate is a token endpoint with tenantMark in the tenant's place.
type tokenTemplate string

const tenantMark = "{tenant}"

var states struct {
	mu    sync.Mutex
	uses  uint64
	byKey map[any]*hostState
}

const maxStates = 256

// stateFor returns the state that all credentials with this transport share.
// When there are too many, the one that was asked for longest ago goes.
func stateFor(t policy.Transporter) *hostState {
	if t != nil && !reflect.ValueOf(t).Comparable() {
		return new(hostState)
	}
	states.mu.Lock()
	defer states.mu.Unlock()
	s := states.byKey[t]
	if s == nil {
		if len(states.byKey) >= maxStates {
			var oldest any
			least := uint64(math.MaxUint64)
			for key, other := range states.byKey {
				if other.used < least {
					oldest, least = key, other.used
				}
			}
			delete(states.byKey, oldest)
		}
		if states.byKey == nil {
			states.byKey = make(map[any]*hostState)
		}
		s = new(hostState)
		states.byKey[t] = s
	}
	states.uses++
	s.used = states.uses
	return s
}

// tokenEndpoint returns the global token endpoint for tenant. For a known
// host, or with discovery switched off, it asks nobody. For any other host one
// instance discovery and one metadata request per process answer for all
// tenants (token-endpoint facts, section 3).
func (c *Client) tokenEndpoint(ctx context.Context, tenant string) (string, error) {
	if c.skipDiscovery || c.authority.Known() || strings.EqualFold(tenant, ADFSTenant) {
		return c.authority.endpoint(c.authority.host, tenant, "token"), nil
	}
	for {
		if t, ok := c.host().template(c.authority.host, tenant); ok {
			return t.fill(tenant), nil
		}
		var mine atomic.Bool
		t, err := c.host().discoveries.Do(ctx, c.authority.host, func(ctx context.Context) (tokenTemplate, error) {
			mine.Store(true)
			return c.discover(ctx, tenant)
		})
		var refused *Error
		if mine.Load() || err != nil && !errors.As(err, &refused) {
			return t.fill(tenant), err
		}
		// A flight for another tenant has found the template, or was refused
		// for its tenant: look again.
	}
}

func (c *Client) discover(ctx context.Context, tenant string) (tokenTemplate, error) {
	if t, ok := c.host().template(c.authority.host, tenant); ok {
		return t, nil // a flight that landed just before this one
	}
	aliases, err := c.validateHost(ctx, tenant)
	if err != nil {
		return "", err
	}
	t, err := c.metadata(ctx, tenant, aliases)
	if err != nil {
		return "", err
	}
	c.host().learn(c.authority.host, tenant, t)
	return t, nil
}

func (t tokenTemplate) fill(tenant string) string {
	return strings.ReplaceAll(string(t), tenantMark, tenant)
}

// template returns what is known of host, for all tenants or for this one.
func (s *hostState) template(host, tenant string) (tokenTemplate, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.templates[host]
	if !ok {
		t, ok = s.templates[host+"/"+tenant]
	}
	return t, ok
}

// learn remembers t. A template without a place for the tenant is tenant's own.
func (s *hostState) learn(host, tenant string, t tokenTemplate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.templates == nil || len(s.templates) >= maxStates {
		s.templates = make(map[string]tokenTemplate)
	}
	if !strings.Contains(string(t), tenantMark) {
		host += "/" + tenant
	}
	s.templates[host] = t
}

// validationBound caps the wait for a trusted host that may be out of reach.
const validationBound = 10 * time.Second

// validateHost asks a trusted host whether c's is an authority of Microsoft's,
// and returns its aliases. Only a clear no is an error: a private network may
// keep the question from being answered.
func (c *Client) validateHost(ctx context.Context, tenant string) ([]string, error) {
	q := url.Values{
		"api-version":            {"1.1"},
		"authorization_endpoint": {c.authority.endpoint(c.authority.host, tenant, "authorize")},
	}
	u := "https://" + PublicCloudHost + "/common/discovery/instance?" + q.Encode()
	brief, cancel := context.WithTimeout(ctx, validationBound)
	defer cancel()
	brief = policy.WithRetryOptions(brief, policy.RetryOptions{MaxRetries: 1, TryTimeout: validationBound / 2})
	resp, body, err := c.exchange(brief, http.MethodGet, u, nil, nil)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, nil
	}
	aliases, err := decodeInstances(resp.StatusCode, resp.Header, body, c.authority.host)
	if errors.Is(err, errUnknownInstance) {
		return nil, fmt.Errorf("%s is not an authority that %s knows (AADSTS50049): check AZURE_AUTHORITY_HOST and the cloud option; for a private or disconnected cloud, whose authority you trust, set DisableInstanceDiscovery",
			c.authority.host, PublicCloudHost)
	}
	return aliases, nil
}

var errUnknownInstance = errors.New("unknown instance")

// decodeInstances returns the aliases of host that an instance discovery
// answer lists, or errUnknownInstance.
func decodeInstances(status int, header http.Header, body []byte, host string) ([]string, error) {
	if status != http.StatusOK {
		if decodeError(status, header, body).Code == "invalid_instance" {
			return nil, errUnknownInstance
		}
		return nil, errors.New("no answer to instance discovery")
	}
	var r struct {
		Metadata []struct {
			Aliases []string `json:"aliases"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, err
	}
	for _, m := range r.Metadata {
		for _, a := range m.Aliases {
			if strings.EqualFold(a, host) {
				return m.Aliases, nil
			}
		}
	}
	return nil, nil
}

// metadata reads c's OpenID Connect metadata for tenant.
func (c *Client) metadata(ctx context.Context, tenant string, aliases []string) (tokenTemplate, error) {
	u := "https://" + c.authority.host + "/" + tenant + "/v2.0/.well-known/openid-configuration"
	resp, body, err := c.exchange(ctx, http.MethodGet, u, nil, nil)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		e := decodeError(resp.StatusCode, resp.Header, body)
		e.describe(resp.Header, http.MethodGet, u, nil)
		return "", e
	}
	t, err := decodeMetadata(body, c.authority.host, tenant, aliases)
	if err != nil {
		return "", fmt.Errorf("the OpenID Connect metadata of %s: %w", c.authority.host, err)
	}
	return t, nil
}

// decodeMetadata checks the issuer against host and its aliases, and returns
// the token endpoint as a template for all tenants.
func decodeMetadata(body []byte, host, tenant string, aliases []string) (tokenTemplate, error) {
	var m struct {
		Issuer        string `json:"issuer"`
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return "", errors.New("it is not the JSON that it should be")
	}
	issuer, err := url.Parse(m.Issuer)
	if err != nil || issuer.Scheme != "https" || issuer.Host == "" {
		return "", errors.New("it has no issuer that is an https URL")
	}
	trusted := strings.EqualFold(issuer.Host, host) || cloudByHost[strings.ToLower(issuer.Host)] != nil ||
		strings.HasSuffix(strings.ToLower(host), "."+strings.ToLower(issuer.Host))
	for _, a := range aliases {
		trusted = trusted || strings.EqualFold(a, issuer.Host)
	}
	if !trusted {
		return "", fmt.Errorf("its issuer is at %.100q, which is another host", issuer.Host)
	}
	endpoint, err := url.Parse(strings.NewReplacer("{tenantid}", tenant, "{tenant}", tenant).Replace(m.TokenEndpoint))
	if err != nil || endpoint.Scheme != "https" || endpoint.User != nil || !validHost(strings.ToLower(endpoint.Host)) {
		return "", errors.New("it has no token_endpoint that is an https URL")
	}
	// The tenant's segment is as it was asked for, or the ID of that domain.
	id, _, _ := strings.Cut(strings.TrimPrefix(issuer.Path, "/"), "/")
	segments := strings.Split(endpoint.EscapedPath(), "/")
	for i, s := range segments {
		if strings.EqualFold(s, tenant) || id != "" && strings.EqualFold(s, id) {
			segments[i] = tenantMark
			break
		}
	}
	return tokenTemplate("https://" + strings.ToLower(endpoint.Host) + strings.Join(segments, "/")), nil
}
