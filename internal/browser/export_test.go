package browser

import (
	"context"
	"io/fs"
	"net"
	"time"
)

// NewReceiver makes a receiver of other listeners, for tests with time.
func NewReceiver(pages Pages, l ...net.Listener) *Receiver { return newReceiver(8400, pages, l...) }

// Addrs are the addresses that r is bound to.
func (r *Receiver) Addrs() (all []net.Addr) {
	for _, l := range r.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// The bounds.
const (
	HeaderTimeout  = headerTimeout
	RequestTimeout = requestTimeout
	EndTimeout     = endTimeout
	MaxAnswer      = maxAnswer
)

// A Machine is a faked [machine].
type Machine struct {
	OS       string
	Env      map[string]string
	Programs map[string]string // names and their paths
	Files    map[string]string
	LookPath func(string) (string, error) // instead of Programs
}

func (m Machine) machine() machine {
	look := m.LookPath
	if look == nil {
		look = func(name string) (string, error) { return in(m.Programs, name) }
	}
	return machine{os: m.OS, lookPath: look,
		getenv:   func(name string) string { return m.Env[name] },
		readFile: func(name string) ([]byte, error) { s, err := in(m.Files, name); return []byte(s), err }}
}

func in(all map[string]string, name string) (string, error) {
	if s, ok := all[name]; ok {
		return s, nil
	}
	return "", fs.ErrNotExist
}

// Openers returns the commands that Open would try.
func (m Machine) Openers(address string) ([][]string, error) { return m.machine().openers(address) }

// Open is the package's Open on this machine.
func (m Machine) Open(ctx context.Context, address string, patience time.Duration) error {
	return m.machine().open(ctx, address, patience)
}

// Split exports split.
func Split(s string, backslash bool) []string { return split(s, backslash) }
