package entra

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"github.com/azid-go/azidentity/internal/holdoff"
)

// defaultTryTimeout bounds one try of a request. A caller's own
// Retry.TryTimeout wins.
const defaultTryTimeout = 30 * time.Second

// A pipeline sends requests to authorities: azcore's pipeline, with its
// retries and the caller's policies, under guards of our own.
type pipeline struct {
	azcore  runtime.Pipeline
	version string
	retry   policy.RetryOptions
	plain   bool // nobody else's policy can put another body in an answer's place
}

// newPipeline builds the pipeline for cfg. The bodies of requests are secret
// and never logged, whatever the options say.
func newPipeline(cfg Config) pipeline {
	o := cfg.Options
	if o.Transport == nil {
		o.Transport = sharedClient
	}
	o.Transport = guarded{o.Transport}
	o.Logging.IncludeBody = false
	o.APIVersion = "" // a parameter of Azure services that authorities do not have
	if o.Retry.TryTimeout == 0 {
		o.Retry.TryTimeout = defaultTryTimeout
	}
	if o.Retry.RetryDelay < 0 {
		o.Retry.RetryDelay = 1 // none; azcore takes its own zero for an overflow and waits a minute
	}
	return pipeline{
		version: cfg.Version,
		retry:   o.Retry,
		plain:   len(o.PerCallPolicies)+len(o.PerRetryPolicies) == 0,
		azcore: runtime.NewPipeline(cfg.Module, cfg.Version, runtime.PipelineOptions{
			PerRetry:       []policy.Policy{taking{}},
			AllowedHeaders: []string{"X-Ms-Request-Id", "Client-Request-Id", "X-Client-Sku", "X-Client-Ver", "X-Vss-E2eid", "X-Msedge-Ref"},
		}, &o),
	}
}

// pipelineFor returns the pipeline for cfg. Clients whose options leave it at its
// defaults share the transport's: programs construct many clients, and making a
// pipeline takes a quarter of the time of a first token.
func (s *hostState) pipelineFor(cfg Config) pipeline {
	o := cfg.Options
	o.Transport, o.Cloud, o.APIVersion = nil, cloud.Configuration{}, "" // the same for the pipeline
	if !reflect.ValueOf(o).IsZero() {
		return newPipeline(cfg)
	}
	s.once.Do(func() { s.plain = newPipeline(cfg) })
	return s.plain
}

// notice takes note of what a try brought.
type notice struct {
	// until is when a server that asked to be left alone may be asked again,
	// to be known even if the callers leave before the last try.
	until time.Time
	body  *wholeBody // of the answer
	// forOnce says that the server spends what the request holds; mayBeRedeemed,
	// that it may have done so at the last try.
	forOnce, mayBeRedeemed bool
}

// taking is the policy that fills a request's notice.
type taking struct{}

func (taking) Do(req *policy.Request) (*http.Response, error) {
	var n *notice
	req.OperationValue(&n)
	var resp *http.Response
	var err error
	if n != nil && n.forOnce {
		resp, err = n.once(req)
	} else {
		resp, err = req.Next()
	}
	if n == nil || err != nil {
		return resp, err
	}
	if throttles(resp.StatusCode) {
		n.until = time.Now().Add(retryAfter(resp.Header))
	}
	n.body, _ = resp.Body.(*wholeBody)
	return resp, nil
}

// exchange sends one request, with retries, and returns status, header and
// body of the answer. form is nil for GET. An error is the caller's context's
// end, or a failure to get any answer. A form that is for once is sent again only
// where the server has certainly not acted on it.
func (p pipeline) exchange(ctx context.Context, method, url string, form *Form, header http.Header) (*http.Response, []byte, error) {
	n := &notice{forOnce: form != nil && form.forOnce}
	if n.forOnce {
		ctx = policy.WithRetryOptions(ctx, onceOptions(p.retry, n))
	}
	req, err := runtime.NewRequest(ctx, method, url)
	if err != nil {
		return nil, nil, err
	}
	h := req.Raw().Header
	values := [...]string{"application/json", newUUID(), "azid.Go", p.version}
	h["Accept"], h["Client-Request-Id"] = values[0:1:1], values[1:2:2]
	h["X-Client-Sku"], h["X-Client-Ver"] = values[2:3:3], values[3:4:4]
	for name, values := range header {
		h[name] = values
	}
	if form != nil {
		body := streaming.NopCloser(strings.NewReader(form.body.String()))
		if err := req.SetBody(body, form.mediaType()); err != nil {
			return nil, nil, err
		}
	}
	req.SetOperationValue(n)
	runtime.SkipBodyDownload(req) // the transport's guard has read it
	resp, err := p.azcore.Do(req)
	if err == nil {
		defer resp.Body.Close() // ends the last try's context
		if p.plain && n.body != nil {
			return resp, n.body.all, nil
		}
		var body []byte
		if body, err = runtime.Payload(resp); err == nil {
			return resp, body, nil
		}
	}
	if n.mayBeRedeemed {
		return nil, nil, &lostAnswer{err}
	}
	if wait := time.Until(n.until); ctx.Err() != nil && wait > 0 {
		return nil, nil, &interrupted{err, &throttled{n.until}}
	}
	return nil, nil, err
}

// interrupted is the end of a context while a server had asked to wait.
type interrupted struct {
	err  error
	wait *throttled
}

func (e *interrupted) Error() string   { return e.wait.Error() + ": " + e.err.Error() }
func (e *interrupted) Unwrap() []error { return []error{e.wait, e.err} }

// throttled is what a server asked for that was not waited for.
type throttled struct{ until time.Time }

func (e *throttled) Error() string {
	return "the authority asks to be left alone until " + holdoff.Time(e.until)
}

// ThrottledFor returns what is left of that.
func (e *throttled) ThrottledFor() time.Duration { return time.Until(e.until) }

// newUUID returns a random UUID (RFC 9562, version 4), the form that Entra
// wants of request IDs.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var text [36]byte
	for i, part := range [][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		at := [...]int{0, 9, 14, 19, 24}[i]
		hex.Encode(text[at:], part)
		if i > 0 {
			text[at-1] = '-'
		}
	}
	return string(text[:])
}
