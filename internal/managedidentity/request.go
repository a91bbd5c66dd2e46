package managedidentity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

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
	if a.status == http.StatusBadRequest && r.CAE && r.Refused != "" && c.host.revoking != "" {
		// A plan that does not know the newer version. Its own memory may hold
		// the old token, but then the caller finds out.
		r.Refused = ""
		a = c.send(ctx, r, "")
	}
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
		c.host.revoke(params, r)
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
func (h *host) revoke(params url.Values, r Request) {
	if !r.CAE || h.revoking != "" && r.Refused == "" {
		return
	}
	if h.revoking != "" {
		params.Set("api-version", h.revoking)
	}
	params.Set("xms_cc", "cp1")
	if r.Refused != "" {
		sum := sha256.Sum256([]byte(r.Refused))
		params.Set("token_sha256_to_refresh", hex.EncodeToString(sum[:]))
	}
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
