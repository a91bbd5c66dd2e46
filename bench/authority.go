package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// An authority is Entra ID as a transport of this process: it answers every
// request from memory, so that what is left to measure is the client. Its
// answers have the members that the real ones have.
type authority struct {
	token []byte // the token endpoint's answer

	// delay is how long the token endpoint takes.
	delay time.Duration
	// hangs names a tenant whose token endpoint answers after release.
	hangs   string
	release chan struct{}

	tokens   atomic.Int64 // requests to the token endpoint
	metadata atomic.Int64 // for OpenID Connect metadata
	instance atomic.Int64 // for instance discovery
}

// newAuthority issues tokens of that many bytes.
func newAuthority(tokenBytes int) *authority {
	return &authority{
		token: []byte(`{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"` +
			strings.Repeat("e", tokenBytes) + `"}`),
		release: make(chan struct{}),
	}
}

// newUserAuthority issues tokens for users: with what else Entra ID sends when the
// scopes openid, profile and offline_access are asked for.
func newUserAuthority(tokenBytes int) *authority {
	a := newAuthority(tokenBytes)
	a.token = []byte(`{"token_type":"Bearer","scope":"https://management.azure.com/user_impersonation https://management.azure.com/.default",` +
		`"expires_in":3599,"ext_expires_in":3599,"access_token":"` + strings.Repeat("e", tokenBytes) + `",` +
		`"refresh_token":"` + strings.Repeat("r", 1024) + `","id_token":"` + idToken + `","client_info":"` + clientInfo + `"}`)
	return a
}

// What Microsoft's library decodes has to be well formed.
var (
	idToken = segment(`{"typ":"JWT","alg":"RS256","kid":"k"}`) + "." +
		segment(`{"aud":"`+guid(client, 1)+`","iss":"https://login.microsoftonline.com/`+homeTenant+`/v2.0","iat":1700000000,"nbf":1700000000,"exp":4700000000,`+
			`"name":"A User","oid":"`+guid(user, 1)+`","preferred_username":"user@example.com","sub":"subject","tid":"`+homeTenant+`","ver":"2.0"}`) + "." +
		strings.Repeat("s", 342)
	clientInfo = segment(`{"uid":"` + guid(user, 1) + `","utid":"` + homeTenant + `"}`)
)

func segment(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }

// requests returns how many there were, of all kinds.
func (a *authority) requests() int64 {
	return a.tokens.Load() + a.metadata.Load() + a.instance.Load()
}

// forget begins the counts anew.
func (a *authority) forget() {
	a.tokens.Store(0)
	a.metadata.Store(0)
	a.instance.Store(0)
}

// Do implements policy.Transporter.
func (a *authority) Do(req *http.Request) (*http.Response, error) {
	path := req.URL.Path
	tenant, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case strings.HasSuffix(path, "/oauth2/v2.0/token"):
		a.tokens.Add(1)
		if a.delay > 0 {
			time.Sleep(a.delay)
		}
		if a.hangs != "" && tenant == a.hangs {
			select {
			case <-a.release:
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		}
		return answer(req, a.token), nil
	case strings.HasSuffix(path, "/v2.0/.well-known/openid-configuration"):
		a.metadata.Add(1)
		return answer(req, []byte(strings.ReplaceAll(metadataDocument, "{tenant}", tenant))), nil
	case strings.HasSuffix(path, "/discovery/instance"):
		a.instance.Add(1)
		return answer(req, []byte(instanceDocument)), nil
	}
	return nil, fmt.Errorf("the authority of this measurement has no %s", req.URL)
}

var contentType = []string{"application/json; charset=utf-8"}

func answer(req *http.Request, body []byte) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": contentType},
		ContentLength: int64(len(body)), Body: &content{left: body}, Request: req,
	}
}

// content is a response body in memory.
type content struct{ left []byte }

func (c *content) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

func (*content) Close() error { return nil }

const metadataDocument = `{"token_endpoint":"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",` +
	`"token_endpoint_auth_methods_supported":["client_secret_post","private_key_jwt","client_secret_basic"],` +
	`"jwks_uri":"https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys",` +
	`"response_modes_supported":["query","fragment","form_post"],"subject_types_supported":["pairwise"],` +
	`"id_token_signing_alg_values_supported":["RS256"],` +
	`"response_types_supported":["code","id_token","code id_token","id_token token"],` +
	`"scopes_supported":["openid","profile","email","offline_access"],` +
	`"issuer":"https://login.microsoftonline.com/{tenant}/v2.0","request_uri_parameter_supported":false,` +
	`"userinfo_endpoint":"https://graph.microsoft.com/oidc/userinfo",` +
	`"authorization_endpoint":"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",` +
	`"device_authorization_endpoint":"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",` +
	`"http_logout_supported":true,"frontchannel_logout_supported":true,` +
	`"end_session_endpoint":"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/logout",` +
	`"claims_supported":["sub","iss","aud","exp","iat","auth_time","acr","nonce","preferred_username","name","tid","ver","at_hash","c_hash","email"],` +
	`"tenant_region_scope":"WW","cloud_instance_name":"microsoftonline.com"}`

const instanceDocument = `{"tenant_discovery_endpoint":"https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",` +
	`"api-version":"1.1","metadata":[` +
	`{"preferred_network":"login.microsoftonline.com","preferred_cache":"login.windows.net","aliases":["login.microsoftonline.com","login.windows.net","login.microsoft.com","sts.windows.net"]},` +
	`{"preferred_network":"login.partner.microsoftonline.cn","preferred_cache":"login.partner.microsoftonline.cn","aliases":["login.partner.microsoftonline.cn","login.chinacloudapi.cn"]},` +
	`{"preferred_network":"login.microsoftonline.us","preferred_cache":"login.microsoftonline.us","aliases":["login.microsoftonline.us","login.usgovcloudapi.net"]}]}`

// guid returns a tenant or client ID, another one for every kind and number.
func guid(kind, n int) string {
	const form = "00000000-0000-4000-8000-000000000000"
	b := []byte(form)
	put := func(end, v int) {
		for ; v > 0; end, v = end-1, v/10 {
			b[end] = '0' + byte(v%10)
		}
	}
	put(7, kind)
	put(len(form)-1, n)
	return string(b)
}

// scopeOf returns the scope of one of any number of resources.
func scopeOf(n int) []string {
	return []string{"https://r" + strconv.Itoa(n) + ".example.com/.default"}
}
