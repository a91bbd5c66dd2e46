package managedidentity

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

const (
	// probeTimeout bounds a probe, as in Microsoft's libraries. The service
	// answers within milliseconds, but for the first request after a start.
	probeTimeout = time.Second
	// probeMemory is how long an absent service is not asked for again, so that
	// a chain with several resources to ask for pays once. It is short, because
	// the service may only have been slow.
	probeMemory = 5 * time.Second
)

// A probe finds out whether there is a metadata service, before it is asked for
// a token with all the patience that a token is worth.
type probe struct {
	present atomic.Bool
	absent  atomic.Pointer[Error] // the last verdict, for a short time
}

// check sends a request that the service refuses at once, for want of the header
// that it demands of all, and returns why a token need not be asked for.
func (c *Client) check(ctx context.Context) *Error {
	p := c.probe
	if p == nil || p.present.Load() {
		return nil
	}
	if e := p.absent.Load(); e != nil && time.Since(e.Received) < probeMemory {
		return e
	}
	a := c.knock(ctx)
	if a.verdict.verdict == Unavailable && !a.verdict.retry && a.status != http.StatusBadRequest {
		e := c.failure(a, 1)
		if ctx.Err() == nil {
			p.absent.Store(e)
		}
		return e
	}
	p.present.Store(true)
	return nil
}

func (c *Client) knock(ctx context.Context) (a attempt) {
	ctx, cancel := context.WithTimeout(policy.WithRetryOptions(ctx, once), min(probeTimeout, c.try))
	defer cancel()
	u := *c.host.endpoint
	req, err := runtime.NewRequest(ctx, http.MethodGet, u.String())
	if err == nil {
		req.Raw().Header["Accept"] = []string{"application/json"}
		runtime.SkipBodyDownload(req)
		a.response, a.body, err = c.exchange(req)
	}
	if err != nil {
		a.err = err
		a.verdict = judge(imdsVerdicts, 0, nothing)
		a.verdict.retry = false
		return a
	}
	a.status = a.response.StatusCode
	s := other
	if a.body != nil {
		a.answer, s = decode(a.body)
	}
	// What a probe is granted is nobody's token.
	if s == granted {
		s, a.answer = other, answer{}
	}
	a.verdict = judge(imdsVerdicts, a.status, s)
	return a
}
