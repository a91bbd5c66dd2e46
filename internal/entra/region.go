package entra

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/events"
)

// AutoDetect in the place of a region asks the machine for its own.
const AutoDetect = "TryAutoDetect"

var validRegion = regexp.MustCompile(`^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

const (
	// metadataHost is where a virtual machine asks about itself.
	metadataHost = "http://169.254.169.254"
	// detectionBound caps the wait for it on machines that have none.
	detectionBound = time.Second
	// regionPatience bounds the try at a regional endpoint.
	regionPatience = 5 * time.Second
	// regionPause is how long a regional endpoint that failed is left alone.
	regionPause = 5 * time.Minute
)

// ParseRegion reads the region option or AZURE_REGIONAL_AUTHORITY_NAME, in
// which the SDKs know several words for detection. Spaces and case do not
// count. The result is not validated.
func ParseRegion(s string) string {
	s = strings.ToLower(strings.ReplaceAll(s, " ", ""))
	switch s {
	case "tryautodetect", "autodiscoverregion", "true":
		return AutoDetect
	}
	return s
}

// A machine is where detection looks for its region.
type machine struct {
	region   string // what the environment says
	metadata string // base URL of the instance metadata service
	pipeline pipeline
}

// newMachine reads the environment.
func newMachine(cfg Config) *machine {
	m := &machine{region: ParseRegion(os.Getenv("REGION_NAME")), metadata: metadataHost}
	if v := strings.TrimRight(os.Getenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"), "/"); v != "" {
		m.metadata = v
	}
	if cfg.Options.Transport == nil {
		cfg.Options.Transport = directClient // link-local addresses are never reached through a proxy
	}
	m.pipeline = newPipeline(cfg)
	return m
}

// regionalHost returns the host of the regional endpoint to use, or "" for the
// global one (token-endpoint facts, section 4). ADFS, dSTS and external
// identities have no regions. Nor has an unknown host with discovery switched
// off: nothing is to be sent to any other host then.
func (c *Client) regionalHost(ctx context.Context, tenant string) string {
	cloud := c.authority.cloud
	if c.authority.Legacy(tenant) || c.authority.external() || cloud == nil && c.skipDiscovery {
		return ""
	}
	region := c.region
	if region == AutoDetect {
		region = c.detectRegion(ctx)
	}
	if region == "" {
		return ""
	}
	host := region + "." + c.authority.host
	if cloud != nil {
		host = region + "." + cloud.Host
		if cloud.Host == PublicCloudHost {
			host = region + ".login.microsoft.com"
		}
	}
	if c.host().isDown(host) {
		return ""
	}
	return host
}

// impatient returns ctx for a request to a regional endpoint. There is another
// to turn to, so there is one try, for at most half of the time that the
// caller has; a server that asks to wait is heeded nevertheless.
func (c *Client) impatient(ctx context.Context) context.Context {
	o := c.cfg.Options.Retry
	o.TryTimeout = regionPatience
	if deadline, ok := ctx.Deadline(); ok {
		o.TryTimeout = max(min(o.TryTimeout, time.Until(deadline)/2), time.Millisecond)
	}
	o.ShouldRetry = func(resp *http.Response, _ error) bool {
		return resp != nil && resp.StatusCode == http.StatusTooManyRequests
	}
	return policy.WithRetryOptions(ctx, o)
}

func (s *hostState) regionDown(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down == nil {
		s.down = make(map[string]time.Time)
	}
	s.down[host] = time.Now().Add(regionPause)
}

func (s *hostState) isDown(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.down[host])
}

// detectRegion finds the region of this machine, once per process; that there
// is none is remembered too.
func (c *Client) detectRegion(ctx context.Context) string {
	s := c.host()
	s.mu.Lock()
	known := s.region
	s.mu.Unlock()
	if known != nil {
		return *known
	}
	region, err := s.detecting.Do(ctx, struct{}{}, func(ctx context.Context) (string, error) {
		region := c.machine.region
		if !validRegion.MatchString(region) {
			region = c.askMetadata(ctx)
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		events.Log(ctx, events.RegionDetected, slog.String("region", region))
		s.mu.Lock()
		s.region = &region
		s.mu.Unlock()
		return region, nil
	})
	if err != nil {
		return ""
	}
	return region
}

// askMetadata asks the instance metadata service, and returns "" for any
// answer but a region.
func (c *Client) askMetadata(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, detectionBound)
	defer cancel()
	ctx = policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
	resp, body, err := c.machine.pipeline.exchange(ctx, http.MethodGet, c.machine.metadata+"/metadata/instance/compute?api-version=2021-02-01", nil, http.Header{"Metadata": {"true"}})
	if err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	var r struct {
		Location string `json:"location"`
	}
	if json.Unmarshal(body, &r) != nil {
		return ""
	}
	region := ParseRegion(r.Location)
	if !validRegion.MatchString(region) {
		return ""
	}
	return region
}
