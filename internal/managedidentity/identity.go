package managedidentity

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/azid-go/azidentity/internal/secret"
)

// A Kind is a kind of identifier.
type Kind int

// The kinds. SystemAssigned, the zero value, is the identity of the machine
// itself, or whatever else the host takes for its own.
const (
	SystemAssigned Kind = iota
	ClientID
	ObjectID
	ResourceID
)

func (k Kind) String() string {
	return [...]string{"system-assigned identity", "client ID", "object ID", "resource ID"}[k]
}

// An Identity says whose token is asked for.
type Identity struct {
	Kind  Kind
	Value string // empty if system-assigned
}

func (id Identity) String() string {
	if id.Kind == SystemAssigned {
		return id.Kind.String()
	}
	return fmt.Sprintf("identity with the %v %q", id.Kind, id.Value)
}

// selectors are the parameters by which a host tells user-assigned identities
// apart. A kind that is missing is not supported.
type selectors map[Kind]string

// check refuses an identity that the host cannot be asked for. Asking without
// it would yield a token of another identity, with other rights.
func (s selectors) check(id Identity) error {
	switch {
	case id.Kind == SystemAssigned:
		return nil
	case strings.TrimSpace(id.Value) == "":
		return fmt.Errorf("the %v is empty: leave ID nil for the system-assigned identity", id.Kind)
	case len(s) == 0:
		return errors.New("this host has no user-assigned identities: leave ID nil")
	case s[id.Kind] == "":
		var takes []string
		for k := range s {
			takes = append(takes, k.String())
		}
		slices.Sort(takes)
		return fmt.Errorf("this host does not take an %v: pass a %s", id.Kind, strings.Join(takes, " or "))
	}
	return nil
}

// A host knows how one hosting environment is asked.
type host struct {
	endpoint  *url.URL
	selectors selectors
	// request completes the request for a resource.
	request func(*http.Request, url.Values)
	post    bool // the parameters go in the body
	// system is a client ID to be named when nobody named an identity.
	system  string
	version string
	secret  secret.Value // in the requests; nothing that holds it may get out
	// challenge is what the host wants to be shown, or nil.
	challenge *challenge
	// confirms says that the answer has to name the identity asked for.
	confirms bool
	// probes says that somebody else, or nobody, may be at the address.
	probes  bool
	revokes bool // understands which token a claims challenge is about
	// revoking is the version to be asked for that, if it is another.
	revoking string
	pin      []byte // SHA-1 of its certificate, if that is not to be verified otherwise
	retries  []retryRow
	verdicts []verdictRow
}

// parameters are those of a request for id's token.
func (h *host) parameters(resource string, id Identity) url.Values {
	v := url.Values{"resource": {resource}}
	if h.version != "" {
		v.Set("api-version", h.version)
	}
	if id.Kind != SystemAssigned {
		v.Set(h.selectors[id.Kind], strings.TrimSpace(id.Value))
	} else if h.system != "" {
		v.Set(h.selectors[ClientID], h.system)
	}
	return v
}
