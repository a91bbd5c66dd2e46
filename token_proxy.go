package azidentity

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/azid-go/azidentity/internal/entra"
)

// The variables of AKS identity bindings.
const (
	envProxy       = "AZURE_KUBERNETES_TOKEN_PROXY"
	envProxyCAFile = "AZURE_KUBERNETES_CA_FILE"
	envProxyCAData = "AZURE_KUBERNETES_CA_DATA"
	envProxySNI    = "AZURE_KUBERNETES_SNI_NAME"
)

// A tokenProxy is a transport that takes every request to the token proxy of an
// AKS cluster. It follows no redirects and is safe for concurrent use.
type tokenProxy struct {
	target     *url.URL
	serverName string // empty: the target's
	caFile     string // read again for each request; empty if there is none
	caData     string

	mu      sync.Mutex // guards all below; not held while the file is read
	pem     []byte     // what current trusts; nil for the system's roots
	current *http.Transport
}

// proxyFromEnvironment returns nil if no proxy is configured.
func proxyFromEnvironment() (*tokenProxy, error) {
	address, sni := strings.TrimSpace(os.Getenv(envProxy)), strings.TrimSpace(os.Getenv(envProxySNI))
	file, data := strings.TrimSpace(os.Getenv(envProxyCAFile)), strings.TrimSpace(os.Getenv(envProxyCAData))
	if address == "" {
		for _, v := range []struct{ name, value string }{{envProxySNI, sni}, {envProxyCAFile, file}, {envProxyCAData, data}} {
			if v.value != "" {
				return nil, fmt.Errorf("%s is set and %s is not: the cluster's identity binding is half configured", v.name, envProxy)
			}
		}
		return nil, nil
	}
	if file != "" && data != "" {
		return nil, fmt.Errorf("%s and %s are both set: keep one", envProxyCAFile, envProxyCAData)
	}
	target, err := parseProxy(address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", envProxy, err)
	}
	p := &tokenProxy{target: target, serverName: sni, caFile: file, caData: data}
	switch {
	case file != "":
		_, err = p.transport()
	case data != "":
		if err = p.trust([]byte(data)); err != nil {
			err = fmt.Errorf("%s: %w", envProxyCAData, err)
		}
	default:
		p.current = p.newTransport(nil)
	}
	return p, err
}

func parseProxy(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL") // url's error repeats it, passwords included
	case u.Scheme != "https" || u.Host == "":
		return nil, errors.New("it must be a URL that begins with https://")
	case u.User != nil:
		return nil, errors.New("it must have no user name")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, errors.New("it must have no query")
	case u.Fragment != "" || strings.HasSuffix(address, "#"):
		return nil, errors.New("it must have no fragment")
	}
	return u, nil
}

// key tells one proxy from another.
func (p *tokenProxy) key() string {
	return strings.Join([]string{p.target.String(), p.serverName, p.caFile, p.caData}, "\x00")
}

// transport returns the one that trusts what the CA file holds now. An empty
// file is being written, and counts as unchanged.
func (p *tokenProxy) transport() (*http.Transport, error) {
	var data []byte
	if p.caFile != "" {
		var err error
		if data, err = os.ReadFile(p.caFile); err != nil {
			return nil, fmt.Errorf("CA file %s (%s): %w", p.caFile, envProxyCAFile, unwrapPath(err))
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	empty := len(bytes.TrimSpace(data)) == 0
	if p.current != nil && (empty || bytes.Equal(data, p.pem)) {
		return p.current, nil
	}
	if empty {
		return nil, fmt.Errorf("CA file %s (%s) is empty", p.caFile, envProxyCAFile)
	}
	if err := p.trust(data); err != nil {
		return nil, fmt.Errorf("CA file %s (%s): %w", p.caFile, envProxyCAFile, err)
	}
	return p.current, nil
}

// trust replaces the transport by one that trusts the certificates in data. The
// caller holds mu, or is the only one to know p.
func (p *tokenProxy) trust(data []byte) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return errors.New("there is no valid PEM certificate in it")
	}
	old := p.current
	p.pem, p.current = data, p.newTransport(roots)
	if old != nil {
		old.CloseIdleConnections()
	}
	return nil
}

func (p *tokenProxy) newTransport(roots *x509.CertPool) *http.Transport {
	t := entra.SharedTransport.Clone()
	t.TLSClientConfig.RootCAs = roots
	t.TLSClientConfig.ServerName = p.serverName
	return t
}

// Do sends a request to the proxy in place of the host it names.
func (p *tokenProxy) Do(req *http.Request) (*http.Response, error) {
	t, err := p.transport()
	if err != nil {
		return nil, err
	}
	there := req.Clone(req.Context())
	there.URL.Scheme, there.URL.Host, there.Host = p.target.Scheme, p.target.Host, ""
	path := strings.TrimSuffix(p.target.EscapedPath(), "/") + "/" + strings.TrimPrefix(req.URL.EscapedPath(), "/")
	if there.URL.Path, err = url.PathUnescape(path); err != nil {
		return nil, fmt.Errorf("token proxy: %w", err)
	}
	there.URL.RawPath = path
	resp, err := t.RoundTrip(there)
	if err != nil {
		return nil, fmt.Errorf("token proxy %s (%s): %w", p.target.Redacted(), envProxy, err)
	}
	resp.Request = req // to the pipeline above, the answer is the authority's
	return resp, nil
}

func (p *tokenProxy) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current.CloseIdleConnections()
}
