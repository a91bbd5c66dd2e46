package entratest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server is an emulator that listens with TLS, and without it on another port,
// where the machine's own endpoints are.
type Server struct {
	*Emulator
	// URL is the authority host, https://localhost:PORT without a trailing slash, nor
	// the port if that is 443.
	URL string
	// MachineURL is where the managed identity endpoints are that have no TLS in
	// Azure either: http://127.0.0.1:PORT without a trailing slash. Nothing else
	// answers there, and no other machine reaches it. See Environment.
	MachineURL string

	fabricURL, fabricThumbprint string

	ca        *authority
	listeners []net.Listener // authority, machine, Service Fabric
	servers   []*http.Server
	context   context.Context
	stop      context.CancelFunc // ends what faults let hang
	served    sync.WaitGroup     // the accept loops and the handlers
	client    *http.Client
	plain     *http.Transport // of client, for URLs that are http

	mu      sync.Mutex // guards closing, and that served only grows before it
	closing bool
}

// NewServer starts a server on a free loopback port. It panics when cfg is invalid
// or there is no such port, as httptest does. The caller closes it.
func NewServer(cfg *Config) *Server {
	s, err := Listen("127.0.0.1:0", cfg)
	if err != nil {
		panic(err)
	}
	return s
}

// Listen starts a server on addr, such as localhost:8443. The caller closes it.
// There is no authentication: whoever reaches addr gets tokens, which only the
// emulator's own keys vouch for.
func Listen(addr string, cfg *Config) (*Server, error) {
	e, err := New(cfg)
	if err != nil {
		return nil, err
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	fabric, thumbprint, err := newFabricCertificate()
	if err != nil {
		return nil, err
	}
	s := &Server{Emulator: e, ca: ca, fabricThumbprint: thumbprint}
	s.context, s.stop = context.WithCancel(context.Background())
	const own = "127.0.0.1:0" // a machine's endpoints are for who is on it
	var ports []string
	for _, a := range []string{addr, own, own} {
		l, err := net.Listen("tcp", a)
		if err == nil {
			s.listeners = append(s.listeners, l)
			var port string
			_, port, err = net.SplitHostPort(l.Addr().String())
			ports = append(ports, port)
		}
		if err != nil {
			for _, l := range s.listeners {
				_ = l.Close()
			}
			s.stop()
			return nil, fmt.Errorf("entratest: %w", err)
		}
	}
	// Clients leave the default port out of the Host, and so it is missing in issuers.
	s.URL = strings.TrimSuffix("https://localhost:"+ports[0], ":443")
	s.MachineURL, s.fabricURL = "http://127.0.0.1:"+ports[1], "https://localhost:"+ports[2]
	e.base = s.URL
	s.client = s.newClient()
	s.serve(0, ca.certificate, s.ServeHTTP)
	s.serve(1, nil, s.only(EndpointIMDS, EndpointAppService, EndpointAzureML, EndpointLegacyAppService, EndpointCloudShell, EndpointAzureArc))
	s.serve(2, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return fabric, nil }, s.only(EndpointServiceFabric))
	return s, nil
}

// serve answers on a listener, with TLS if there is a certificate.
func (s *Server) serve(listener int, certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error), handle http.HandlerFunc) {
	l := s.listeners[listener]
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{
			GetCertificate: certificate,
			MinVersion:     tls.VersionTLS12,
			// HTTP/1.1 only: faults take the connection to pieces.
			NextProtos: []string{"http/1.1"},
		})
	}
	server := &http.Server{
		Handler:           s.whileOpen(handle),
		ReadHeaderTimeout: 30 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return s.context },
		ErrorLog:          log.New(io.Discard, "", 0), // handshakes of clients that do not trust the CA
	}
	s.servers = append(s.servers, server)
	s.served.Go(func() { _ = server.Serve(l) })
}

// only serves some endpoints. The tokens they hand out are of the issuer at URL.
func (s *Server) only(endpoints ...Endpoint) http.HandlerFunc {
	routes := slices.DeleteFunc(slices.Clone(s.routes), func(rt route) bool { return !slices.Contains(endpoints, rt.endpoint) })
	return func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, routes, s.URL) }
}

func (s *Server) whileOpen(handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closing {
			s.mu.Unlock()
			panic(http.ErrAbortHandler)
		}
		s.served.Add(1)
		s.mu.Unlock()
		defer s.served.Done()
		handle(w, r)
	})
}

// Close stops the server and ends its connections, answered or not, and those of
// Client. It removes the key files of Azure Arc's that nobody came back with.
// Closing twice is fine.
func (s *Server) Close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.stop()
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.client.CloseIdleConnections()
	s.plain.CloseIdleConnections()
	s.served.Wait()
	s.removeArcKeys()
}

// CAPEM returns the certificate that clients have to trust. It is made for this
// server alone.
func (s *Server) CAPEM() []byte { return s.ca.pem() }

// Client returns a client that trusts the server, does not follow redirects and
// connects to the server whatever host a URL names, so that a test can use the
// public names and reach nothing else. URLs that are http, such as that of the
// metadata service, lead to MachineURL. All calls return the same client; Close
// ends its connections.
func (s *Server) Client() *http.Client { return s.client }

func (s *Server) newClient() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(s.ca.cert)
	addr := s.listeners[0].Addr().String()
	if host, port, _ := net.SplitHostPort(addr); net.ParseIP(host).IsUnspecified() {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	fabric := strings.TrimPrefix(s.fabricURL, "https://")
	secure := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 100,
		DialContext: func(ctx context.Context, network, named string) (net.Conn, error) {
			if named == fabric {
				return dial(ctx, network, s.listeners[2].Addr().String())
			}
			return dial(ctx, network, addr)
		},
	}
	s.plain = &http.Transport{
		MaxIdleConnsPerHost: 100,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial(ctx, network, s.listeners[1].Addr().String())
		},
	}
	secure.RegisterProtocol("http", s.plain)
	return &http.Client{CheckRedirect: keepRedirect, Transport: secure}
}

func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if errors.Is(err, net.ErrClosed) {
		err = fmt.Errorf("entratest: the server is closed: %w", err)
	}
	return conn, err
}
