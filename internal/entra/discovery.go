package entra

import (
	"cmp"
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
	discoveries flight.Group[string, templates]
	detecting   flight.Group[struct{}, string]
	refused     holdoff.Memory[[sha256.Size]byte] // by the request's digest

	used uint64 // when it was last asked for, in uses; guarded by states.mu

	once  sync.Once
	plain pipeline // of all clients whose options ask for nothing else

	mu        sync.Mutex // guards all below; held for no I/O
	templates map[string]templates
	region    *string // detected; nil until then
	down      map[string]time.Time
}

// templates are the endpoints of an authority, with tenantMark in the tenant's place.
type templates struct{ token, authorize, deviceCode string }

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

// tokenEndpoint returns the global token endpoint for tenant.
func (c *Client) tokenEndpoint(ctx context.Context, tenant string) (string, error) {
	return c.endpointFor(ctx, tenant, "token")
}

// endpointFor returns the global endpoint for tenant that ends in leaf: token,
// authorize or devicecode. For a known host, or with discovery switched off, it asks
// nobody. For any other host one instance discovery and one metadata request per
// process answer for all tenants (token-endpoint facts, section 3).
func (c *Client) endpointFor(ctx context.Context, tenant, leaf string) (string, error) {
	if c.skipDiscovery || c.authority.Known() || strings.EqualFold(tenant, ADFSTenant) {
		return c.authority.endpoint(c.authority.host, tenant, leaf), nil
	}
	for {
		if t, ok := c.host().template(c.authority.host, tenant); ok {
			return t.fill(tenant, leaf), nil
		}
		var mine atomic.Bool
		t, err := c.host().discoveries.Do(ctx, c.authority.host, func(ctx context.Context) (templates, error) {
			mine.Store(true)
			return c.discover(ctx, tenant)
		})
		var refused *Error
		if mine.Load() || err != nil && !errors.As(err, &refused) {
			return t.fill(tenant, leaf), err
		}
		// A flight for another tenant has found the template, or was refused
		// for its tenant: look again.
	}
}

func (c *Client) discover(ctx context.Context, tenant string) (templates, error) {
	if t, ok := c.host().template(c.authority.host, tenant); ok {
		return t, nil // a flight that landed just before this one
	}
	aliases, err := c.validateHost(ctx, tenant)
	if err != nil {
		return templates{}, err
	}
	t, err := c.metadata(ctx, tenant, aliases)
	if err != nil {
		return templates{}, err
	}
	c.host().learn(c.authority.host, tenant, t)
	return t, nil
}

func (t templates) fill(tenant, leaf string) string {
	template := t.token
	switch leaf {
	case "authorize":
		template = t.authorize
	case "devicecode":
		template = t.deviceCode
	}
	return strings.ReplaceAll(template, tenantMark, tenant)
}

// template returns what is known of host, for all tenants or for this one.
func (s *hostState) template(host, tenant string) (templates, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.templates[host]
	if !ok {
		t, ok = s.templates[host+"/"+tenant]
	}
	return t, ok
}

// learn remembers t. A template without a place for the tenant is tenant's own.
func (s *hostState) learn(host, tenant string, t templates) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.templates == nil || len(s.templates) >= maxStates {
		s.templates = make(map[string]templates)
	}
	if !strings.Contains(t.token, tenantMark) {
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
func (c *Client) metadata(ctx context.Context, tenant string, aliases []string) (templates, error) {
	u := "https://" + c.authority.host + "/" + tenant + "/v2.0/.well-known/openid-configuration"
	resp, body, err := c.exchange(ctx, http.MethodGet, u, nil, nil)
	if err != nil {
		return templates{}, err
	}
	if resp.StatusCode != http.StatusOK {
		e := decodeError(resp.StatusCode, resp.Header, body)
		e.describe(resp.Header, http.MethodGet, u, nil)
		return templates{}, e
	}
	t, err := decodeMetadata(body, c.authority.host, tenant, aliases)
	if err != nil {
		return templates{}, fmt.Errorf("the OpenID Connect metadata of %s: %w", c.authority.host, err)
	}
	return t, nil
}

// decodeMetadata checks the issuer against host and its aliases, and returns
// the endpoints as templates for all tenants.
func decodeMetadata(body []byte, host, tenant string, aliases []string) (templates, error) {
	var m struct {
		Issuer     string `json:"issuer"`
		Token      string `json:"token_endpoint"`
		Authorize  string `json:"authorization_endpoint"`
		DeviceCode string `json:"device_authorization_endpoint"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return templates{}, errors.New("it is not the JSON that it should be")
	}
	issuer, err := url.Parse(m.Issuer)
	if err != nil || issuer.Scheme != "https" || issuer.Host == "" {
		return templates{}, errors.New("it has no issuer that is an https URL")
	}
	trusted := strings.EqualFold(issuer.Host, host) || cloudByHost[strings.ToLower(issuer.Host)] != nil ||
		strings.HasSuffix(strings.ToLower(host), "."+strings.ToLower(issuer.Host))
	for _, a := range aliases {
		trusted = trusted || strings.EqualFold(a, issuer.Host)
	}
	if !trusted {
		return templates{}, fmt.Errorf("its issuer is at %.100q, which is another host", issuer.Host)
	}
	// The tenant's segment is as it was asked for, or the ID of that domain.
	id, _, _ := strings.Cut(strings.TrimPrefix(issuer.Path, "/"), "/")
	t := templates{token: endpointTemplate(m.Token, tenant, id)}
	if t.token == "" {
		return templates{}, errors.New("it has no token_endpoint that is an https URL")
	}
	t.authorize = t.orBeside(endpointTemplate(m.Authorize, tenant, id), "authorize")
	t.deviceCode = t.orBeside(endpointTemplate(m.DeviceCode, tenant, id), "devicecode")
	return t, nil
}

// orBeside returns template, or if that is of no use a neighbour of the token endpoint:
// not every authority lists all endpoints. One that is for a single tenant, where the
// token endpoint is for all, would send people to a stranger's.
func (t templates) orBeside(template, leaf string) string {
	if template == "" || strings.Contains(template, tenantMark) != strings.Contains(t.token, tenantMark) {
		return t.token[:strings.LastIndexByte(t.token, '/')+1] + leaf
	}
	return template
}

// endpointTemplate returns an endpoint of a metadata document for all tenants, or ""
// if it is none. tenant was asked for; id is what the issuer calls it.
func endpointTemplate(address, tenant, id string) string {
	endpoint, err := url.Parse(strings.NewReplacer("{tenantid}", tenant, "{tenant}", tenant).Replace(address))
	if err != nil || endpoint.Scheme != "https" || endpoint.User != nil || !validHost(strings.ToLower(endpoint.Host)) {
		return ""
	}
	segments := strings.Split(cmp.Or(endpoint.EscapedPath(), "/"), "/")
	for i, s := range segments {
		if strings.EqualFold(s, tenant) || id != "" && strings.EqualFold(s, id) {
			segments[i] = tenantMark
			break
		}
	}
	return "https://" + strings.ToLower(endpoint.Host) + strings.Join(segments, "/")
}
