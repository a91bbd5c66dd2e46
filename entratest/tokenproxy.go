package entratest

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// TokenProxy is the token proxy of an AKS cluster with identity bindings: a TLS
// server with a CA of its own, known by one server name alone, that passes
// requests on to an emulator.
type TokenProxy struct {
	// URL is what pods find in AZURE_KUBERNETES_TOKEN_PROXY.
	URL string
	// ServerName is what they find in AZURE_KUBERNETES_SNI_NAME.
	ServerName string

	ca       atomic.Pointer[authority]
	requests atomic.Int64
	http     *http.Server
	stop     context.CancelFunc // ends what faults let hang
	served   chan struct{}
}

// proxyPath is below which the proxy serves, so that clients have to join paths.
const proxyPath = "/tenants/emulated"

// NewTokenProxy starts a proxy to the emulator on a free loopback port. Requests
// through it are in the emulator's journal, with the proxy's host, and meet its
// faults. It panics when there is no such port. The caller closes it.
func (e *Emulator) NewTokenProxy() *TokenProxy { return e.newTokenProxy("") }

// NewTokenProxy is [Emulator.NewTokenProxy], but requests through the proxy are for the
// server's own host, so that the issuer of their tokens is one that can be discovered.
func (s *Server) NewTokenProxy() *TokenProxy {
	return s.newTokenProxy(strings.TrimPrefix(s.URL, "https://"))
}

// newTokenProxy passes requests on to host, or to the proxy's own if that is empty.
func (e *Emulator) newTokenProxy(host string) *TokenProxy {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Errorf("entratest: %w", err))
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &TokenProxy{
		URL:        "https://" + listener.Addr().String() + proxyPath,
		ServerName: "token-proxy.emulated.invalid",
		stop:       stop,
		served:     make(chan struct{}),
	}
	p.RotateCA()
	p.http = &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.requests.Add(1)
			rest, below := strings.CutPrefix(r.URL.Path, proxyPath+"/")
			if !below {
				http.Error(w, "the token proxy serves below "+proxyPath+" only", http.StatusNotFound)
				return
			}
			in := r.Clone(r.Context())
			in.URL.Path, in.URL.RawPath, in.Host = "/"+rest, "", cmp.Or(host, r.Host)
			e.ServeHTTP(w, in)
		}),
		ReadHeaderTimeout: 30 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0), // handshakes of clients that do not trust the CA
	}
	go func() {
		defer close(p.served)
		_ = p.http.Serve(tls.NewListener(listener, &tls.Config{
			GetCertificate: p.certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		}))
	}()
	return p
}

func (p *TokenProxy) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName != p.ServerName {
		return nil, fmt.Errorf("entratest: the token proxy is not %q", hello.ServerName)
	}
	return p.ca.Load().certificate(hello)
}

// CAPEM returns the certificate that pods find in AZURE_KUBERNETES_CA_FILE or
// AZURE_KUBERNETES_CA_DATA.
func (p *TokenProxy) CAPEM() []byte { return p.ca.Load().pem() }

// RotateCA gives the proxy another CA. New connections see it.
func (p *TokenProxy) RotateCA() {
	ca, err := newAuthority()
	if err != nil {
		panic(err)
	}
	p.ca.Store(ca)
}

// Requests returns how many requests came through the proxy.
func (p *TokenProxy) Requests() int { return int(p.requests.Load()) }

// Close stops the proxy and ends its connections.
func (p *TokenProxy) Close() {
	p.stop()
	_ = p.http.Close()
	<-p.served
}
