package entratest

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// platform is the kind of client that a redirect URI is registered for. It decides
// whether the client proves itself when it redeems what was sent there.
type platform int

const (
	web          platform = iota // confidential: has to prove itself
	publicClient                 // cannot keep a secret, and must not send one
)

// redirect finds the platform that a redirect URI is registered for. The comparison is
// exact; of http URIs to this machine the port does not count (RFC 8252 section 7.3).
func (a *application) redirect(uri string) (platform, bool) {
	for _, same := range []func(registered string) bool{
		func(registered string) bool { return sameRedirect(registered, uri) },
		func(registered string) bool {
			return loopbackRedirect(registered) && sameRedirect(withoutPort(registered), withoutPort(uri))
		},
	} {
		switch {
		case slices.ContainsFunc(a.RedirectURIs, same):
			return web, true
		case slices.ContainsFunc(a.PublicRedirectURIs, same):
			return publicClient, true
		}
	}
	return web, false
}

// sameRedirect compares URIs; a missing path is the root.
func sameRedirect(a, b string) bool { return a == b || rooted(a) == rooted(b) }

func rooted(uri string) string {
	if scheme, rest, ok := strings.Cut(uri, "://"); ok && !strings.ContainsAny(rest, "/?#") {
		return scheme + "://" + rest + "/"
	}
	return uri
}

func loopbackRedirect(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1")
}

func withoutPort(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	u.Host = u.Hostname()
	return rooted(u.String())
}

// redirectURIs checks what is registered.
func (p *problems) redirectURIs(path string, uris []string) {
	for i, uri := range uris {
		u, err := url.Parse(uri)
		switch {
		case err != nil || u.Scheme == "":
			p.add(fmt.Sprintf("%s[%d]", path, i), "%q is not an absolute URI", uri)
		case strings.ContainsAny(uri, "#*"):
			p.add(fmt.Sprintf("%s[%d]", path, i), "%q has a fragment or a wildcard", uri)
		case u.Scheme == "http" && !loopbackRedirect(uri):
			p.add(fmt.Sprintf("%s[%d]", path, i), "%q is without TLS, which Entra takes to this machine only", uri)
		case (u.Scheme == "http" || u.Scheme == "https") && u.Host == "":
			p.add(fmt.Sprintf("%s[%d]", path, i), "%q names no host", uri)
		}
	}
}
