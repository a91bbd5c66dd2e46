package entratest

import (
	"net"
	"slices"
	"strings"
	"sync"
)

// faultList holds the injected faults in order.
type faultList struct {
	mu   sync.Mutex // guards all below
	next int
	list []*injected
}

type injected struct {
	Fault
	id   int
	seen int
}

func (l *faultList) add(f Fault) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.list = append(l.list, &injected{Fault: f, id: l.next})
	return l.next
}

func (l *faultList) remove(id int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(f *injected) bool { return f.id == id })
}

func (l *faultList) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

// match returns the fault that hits the call, and counts. A used-up fault leaves.
func (l *faultList) match(c *call) (Fault, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, f := range l.list {
		if !f.selects(&c.entry) {
			continue
		}
		f.seen++
		if f.seen <= f.Skip {
			continue
		}
		if f.Times > 0 && f.seen >= f.Skip+f.Times {
			l.list = slices.Delete(l.list, i, i+1)
		}
		return f.Fault, true
	}
	return Fault{}, false
}

func (f *Fault) selects(en *Entry) bool {
	fits := func(want string, got ...string) bool {
		return want == "" || slices.ContainsFunc(got, func(g string) bool { return strings.EqualFold(want, g) })
	}
	hostname := en.Host
	if h, _, err := net.SplitHostPort(en.Host); err == nil {
		hostname = h
	}
	return fits(f.Host, en.Host, hostname) &&
		fits(string(f.Endpoint), string(en.Endpoint)) &&
		fits(f.Tenant, en.Tenant, en.segment) &&
		fits(f.ClientID, en.ClientID) &&
		fits(f.GrantType, en.GrantType)
}

// snapshot copies the active faults.
func (l *faultList) snapshot() []listedFault {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []listedFault{}
	for _, f := range l.list {
		out = append(out, listedFault{f.id, f.seen, f.Fault})
	}
	return out
}

// listedFault is a fault in the answer of the emulator's fault endpoint.
type listedFault struct {
	ID    int   `json:"id"`
	Seen  int   `json:"seen"`
	Fault Fault `json:"fault"`
}
