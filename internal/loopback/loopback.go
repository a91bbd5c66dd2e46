// Package loopback keeps a test suite on this machine.
//
// A suite calls [Main] from its TestMain: from then on name resolution is off,
// the default transports refuse to dial anything but a loopback address, the
// suite fails if something tried, and it fails if it leaves goroutines behind.
// The package is for tests only; nothing else imports it.
package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// ErrOffLoopback is in the tree of every error that a refused dial returns.
var ErrOffLoopback = errors.New("tests stay on loopback")

var refused struct {
	mu    sync.Mutex
	dials []string
}

// Main runs the suite behind the guard and ends the process.
//
// Transports that were made elsewhere are guarded by passing them in.
func Main(m *testing.M, transports ...*http.Transport) {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		transports = append(transports, t)
	}
	for _, t := range transports {
		Guard(t)
	}
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(_ context.Context, network, address string) (net.Conn, error) {
			return nil, refuse("name resolution through " + network + " " + address)
		},
	}
	code := m.Run()
	for _, t := range transports {
		t.CloseIdleConnections()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "FAIL: goroutines outlived the suite:", err)
		code = 1
	}
	refused.mu.Lock()
	defer refused.mu.Unlock()
	if len(refused.dials) > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: %d dials off loopback:\n%s\n", len(refused.dials), strings.Join(refused.dials, "\n"))
		code = 1
	}
	os.Exit(code)
}

// Guard makes t refuse, and the suite fail on, any dial off loopback. It also
// takes the proxies out of t, since a proxy reaches anywhere.
func Guard(t *http.Transport) {
	t.Proxy = nil
	t.DialContext = Dial
	t.DialTLSContext = nil
}

// Dial is a [net.Dialer.DialContext] that refuses addresses off loopback.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, refuse(network + " " + address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

func refuse(what string) error {
	refused.mu.Lock()
	defer refused.mu.Unlock()
	if len(refused.dials) < 100 {
		refused.dials = append(refused.dials, what+"\n"+string(debug.Stack()))
	}
	return fmt.Errorf("dial %s: %w", what, ErrOffLoopback)
}
