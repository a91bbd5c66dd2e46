package tokencache

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unique"
)

// A Principal is the part of a key that a credential knows when it is
// constructed: whose tokens these are, whoever asks.
//
// Transport must hold a value that can be compared, or nil.
type Principal struct {
	// Authority is the canonical authority host of the cloud, in lower case,
	// so that all aliases of one cloud are one authority.
	Authority string
	// Client is the application (client) ID in lower case.
	Client string
	// Flow separates tokens that an application gets for itself from those
	// it gets in other ways, for example "client_credentials".
	Flow string
	// Proof stands for the secret or certificate: a digest or a thumbprint,
	// never the thing itself.
	Proof [32]byte
	// Unverified says that the authority host is not a known one and was
	// accepted without asking anyone.
	Unverified bool
	// Transport is the caller's own transport, if there is one. Another
	// transport may lead to another authority of the same name.
	Transport any
	// Alone is an address that no other principal has, if the credential shares
	// tokens with none. Another one's may be an equal proof of another identity.
	Alone *byte
}

// An Owner is a Principal ready for look-ups: interned, so that two owners
// with equal principals are equal, and hashed once. Owners are immutable and
// safe for concurrent use.
type Owner struct {
	principal unique.Handle[Principal]
	hash      uint64
}

// NewOwner interns p.
func NewOwner(p Principal) Owner {
	h := unique.Make(p)
	return Owner{principal: h, hash: maphash.Comparable(processSeed, h)}
}

// WithClient returns the owner that differs from o in the client ID only.
func (o Owner) WithClient(client string) Owner {
	p := o.principal.Value()
	p.Client = client
	return NewOwner(p)
}

var (
	processSeed = maphash.MakeSeed()
	// hashKey keeps strings that a stranger may choose, such as a tenant,
	// from being chosen so that they collide.
	hashKey = maphash.String(processSeed, "tokencache")
)

// A Query asks for one token. Two queries mean the same token when their
// [Query.Key] is equal: letter case in tenant and scopes does not count, nor
// do the order and repetition of scopes.
type Query struct {
	Owner   Owner
	Tenant  string   // the tenant in which the token is issued
	Subject string   // digest of the user, or empty for the application's own tokens
	Scopes  []string // at least one
	CAE     bool     // the token is for a client that handles claims challenges
	Claims  string   // a claims challenge; separates requests, not tokens
}

// A Key identifies a token: it carries everything that separates one from
// another.
type Key struct {
	Principal unique.Handle[Principal]
	Tenant    string
	Subject   string
	Scopes    string // sorted, without repetition, in lower case, joined by spaces
	CAE       bool
}

// Key returns q's key.
func (q Query) Key() Key {
	return Key{
		Principal: q.Owner.principal,
		Tenant:    lower(q.Tenant),
		Subject:   q.Subject,
		Scopes:    canonicalScopes(q.Scopes),
		CAE:       q.CAE,
	}
}

// canonicalScopes returns the set of scopes in the form that [Key] has.
func canonicalScopes(scopes []string) string {
	if len(scopes) == 1 && !strings.Contains(scopes[0], " ") {
		return lower(scopes[0])
	}
	set := strings.FieldsFunc(lower(strings.Join(scopes, " ")), func(r rune) bool { return r == ' ' }) // RFC 6749, section 3.3
	slices.Sort(set)
	return strings.Join(slices.Compact(set), " ")
}

// hash is equal for queries with equal keys. It allocates nothing and reads
// each string once, sixteen bytes at a time.
func (q *Query) hash() uint64 {
	h := foldHash(q.Owner.hash, q.Tenant)
	if q.Subject != "" {
		h = mix(h^maphash.String(processSeed, q.Subject), hashKey)
	}
	if q.CAE {
		h = ^h
	}
	return mix(h^hashScopes(q.Scopes), hashKey)
}

// hashScopes sums the hashes of the scopes, each counted once: neither order
// nor repetition changes that.
func hashScopes(scopes []string) (sum uint64) {
	if len(scopes) == 1 && scopes[0] != "" && strings.IndexByte(scopes[0], ' ') < 0 {
		return foldHash(hashKey, scopes[0])
	}
	var buf [16]uint64
	counted := buf[:0]
	for _, s := range scopes {
		for len(s) > 0 {
			var one string
			if one, s = nextScope(s); one == "" {
				continue
			}
			if h := foldHash(hashKey, one); !slices.Contains(counted, h) {
				counted = append(counted, h)
				sum += h
			}
		}
	}
	return sum
}

// nextScope cuts the first scope off a space-separated list.
func nextScope(s string) (one, rest string) {
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// containsScope reports whether one is among scopes, each of which may be a
// space-separated list.
func containsScope(scopes []string, one string) bool {
	for _, s := range scopes {
		for len(s) > 0 {
			var have string
			have, s = nextScope(s)
			if equalFold(have, one) {
				return true
			}
		}
	}
	return false
}

// sameScopes reports whether scopes, as a caller gave them, are the set that
// canonical is the canonical form of.
func sameScopes(canonical string, scopes []string) bool {
	if len(scopes) == 1 && (equalFold(scopes[0], canonical)) {
		return true
	}
	return coversScopes(scopes, canonical) && coversScopes([]string{canonical}, strings.Join(scopes, " "))
}

// coversScopes reports whether every scope of the list want is among scopes.
func coversScopes(scopes []string, want string) bool {
	for len(want) > 0 {
		var one string
		one, want = nextScope(want)
		if one != "" && !containsScope(scopes, one) {
			return false
		}
	}
	return true
}

// foldHash hashes s under seed without regard to the case of ASCII letters.
// Setting the bit that tells 'A' from 'a' in every byte also merges a few
// pairs of other characters: the comparison tells those apart.
func foldHash(seed uint64, s string) uint64 {
	const fold = 0x2020202020202020
	h := seed ^ uint64(len(s))
	for len(s) > 16 {
		h = mix(h^(load64(s)|fold), hashKey^(load64(s[8:])|fold))
		s = s[16:]
	}
	switch {
	case len(s) >= 8:
		return mix(h^(load64(s)|fold), hashKey^(load64(s[len(s)-8:])|fold))
	default:
		var tail uint64
		for i := range len(s) {
			tail = tail<<8 | uint64(s[i])
		}
		return mix(h^(tail|fold), hashKey)
	}
}

// lower maps ASCII capitals to small letters and leaves all else alone, so
// that it agrees with [equalFold] on every input.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// equalFold reports whether a and b differ at most in the case of ASCII letters.
func equalFold(a, b string) bool {
	if a == b {
		return true
	}
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		if x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z' {
			return false
		}
	}
	return true
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func load64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
