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
	"sync"
	"time"
)

// Server is an emulator that listens with TLS.
type Server struct {
	*Emulator
	// URL is the authority host, https://localhost:PORT without a trailing slash.
	URL string

	ca       *authority
	listener net.Listener
	http     *http.Server
	stop     context.CancelFunc // ends what faults let hang
	served   sync.WaitGroup     // the accept loop and the handlers
	client   *http.Client

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
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("entratest: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("entratest: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{Emulator: e, URL: "https://localhost:" + port, ca: ca, listener: listener, stop: stop}
	e.base = s.URL
	s.http = &http.Server{
		Handler:           http.HandlerFunc(s.serveHTTP),
		ReadHeaderTimeout: 30 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0), // handshakes of clients that do not trust the CA
	}
	s.client = s.newClient()
	s.served.Go(func() {
		_ = s.http.Serve(tls.NewListener(listener, &tls.Config{
			GetCertificate: ca.certificate,
			MinVersion:     tls.VersionTLS12,
			// HTTP/1.1 only: faults take the connection to pieces.
			NextProtos: []string{"http/1.1"},
		}))
	})
	return s, nil
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	s.served.Add(1)
	s.mu.Unlock()
	defer s.served.Done()
	s.ServeHTTP(w, r)
}

// Close stops the server and ends its connections, answered or not, and those of
// Client. Closing twice is fine.
func (s *Server) Close() {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	s.stop()
	_ = s.http.Close()
	s.client.CloseIdleConnections()
	s.served.Wait()
}

// CAPEM returns the certificate that clients have to trust. It is made for this
// server alone.
func (s *Server) CAPEM() []byte { return s.ca.pem() }

// Client returns a client that trusts the server, does not follow redirects and
// connects to the server whatever host a URL names, so that a test can use the
// public names and reach nothing else. URLs have to be https. All calls return the same client; Close
// ends its connections.
func (s *Server) Client() *http.Client { return s.client }

func (s *Server) newClient() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(s.ca.cert)
	addr := s.listener.Addr().String()
	if host, port, _ := net.SplitHostPort(addr); net.ParseIP(host).IsUnspecified() {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return &http.Client{
		CheckRedirect: keepRedirect,
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost: 100,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				if errors.Is(err, net.ErrClosed) {
					err = fmt.Errorf("entratest: the server is closed: %w", err)
				}
				return conn, err
			},
		},
	}
}
