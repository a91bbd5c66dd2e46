package loopback

import (
	"errors"
	"net"
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

// This suite makes the guard refuse on purpose, so it does not run behind it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDialRefusesWhatIsNotLoopback(t *testing.T) {
	before := len(refused.dials)
	for _, address := range []string{"169.254.169.254:80", "10.0.0.1:443", "login.microsoftonline.com:443", "[fe80::1]:443", "0.0.0.0:1", "127.0.0.1.example.com:1"} {
		if c, err := Dial(t.Context(), "tcp", address); !errors.Is(err, ErrOffLoopback) || c != nil {
			t.Errorf("%s: got %v, want ErrOffLoopback", address, err)
		}
	}
	if got := len(refused.dials) - before; got != 6 {
		t.Errorf("%d more refused dials are on record, want 6", got)
	}
}

func TestDialReachesLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}

func TestGuardTakesTheProxyAway(t *testing.T) {
	tr := &http.Transport{Proxy: http.ProxyFromEnvironment}
	Guard(tr)
	if tr.Proxy != nil || tr.DialContext == nil {
		t.Error("the transport is not guarded")
	}
}
