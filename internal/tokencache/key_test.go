package tokencache_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/tokencache"
)

// identity is a query in a form that a test can vary field by field.
type identity struct {
	authority, client, flow, transport string
	proof                              byte
	unverified                         bool
	alone                              *byte
	tenant, subject                    string
	scopes                             []string
	cae                                bool
}

func (i identity) query() tokencache.Query {
	p := tokencache.Principal{
		Authority: i.authority, Client: i.client, Flow: i.flow,
		Proof: [32]byte{31: i.proof}, Unverified: i.unverified, Alone: i.alone,
	}
	if i.transport != "" {
		p.Transport = i.transport
	}
	return tokencache.Query{
		Owner: tokencache.NewOwner(p), Tenant: i.tenant, Subject: i.subject,
		Scopes: slices.Clone(i.scopes), CAE: i.cae,
	}
}

func randomIdentity(r *rand.Rand) identity {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	i := identity{
		authority: pick("login.microsoftonline.com", "login.microsoftonline.us", "localhost:8443"),
		client:    pick("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"),
		flow:      pick("client_credentials", "on_behalf_of"), transport: pick("", "a", "b"),
		proof: byte(r.IntN(3)), unverified: r.IntN(2) == 0,
		tenant:  pick("contoso.example", "fabrikam.example", "11111111-1111-1111-1111-111111111111"),
		subject: pick("", "user1", "user2"), cae: r.IntN(2) == 0,
	}
	all := []string{"https://a.example/.default", "https://a.example//.default", "https://b.example/.default", "x", "xy", "y"}
	for range 1 + r.IntN(3) {
		i.scopes = append(i.scopes, all[r.IntN(len(all))])
	}
	return i
}

// vary returns i with exactly one field made different.
func vary(r *rand.Rand, i identity) (identity, string) {
	i.scopes = slices.Clone(i.scopes)
	switch r.IntN(11) {
	case 0:
		i.authority += "x"
		return i, "authority"
	case 1:
		i.client += "x"
		return i, "client"
	case 2:
		i.flow += "x"
		return i, "flow"
	case 3:
		i.transport += "x"
		return i, "transport"
	case 4:
		i.proof += 100
		return i, "proof"
	case 5:
		i.unverified = !i.unverified
		return i, "unverified"
	case 6:
		i.tenant += "x"
		return i, "tenant"
	case 7:
		i.subject += "x"
		return i, "subject"
	case 8:
		i.cae = !i.cae
		return i, "cae"
	case 9:
		i.alone = new(byte)
		return i, "alone"
	default:
		i.scopes = append(i.scopes, "another")
		return i, "scopes"
	}
}

// Pain 3: two requests that differ in one field never share a key, and no
// look-up takes one for the other.
func TestPain3NoTwoIdentitiesShareAKey(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	for range 20_000 {
		a := randomIdentity(r)
		b, field := vary(r, a)
		qa, qb := a.query(), b.query()
		if qa.Key() == qb.Key() || tokencache.Matches(qa, qb) || tokencache.Matches(qb, qa) {
			t.Fatalf("%+v and %+v differ in %s but share a key", a, b, field)
		}
		if qa.Hash() == qb.Hash() {
			t.Errorf("%+v and %+v differ in %s but have the same hash: unlucky at most once in 2^64", a, b, field)
		}
	}
}

// A hash that leaves out a part of the key makes look-ups slow, not wrong, so
// nothing but a test notices.
func TestHashesSpread(t *testing.T) {
	t.Parallel()
	seen := make(map[uint64]string)
	add := func(q tokencache.Query, name string) {
		if other, ok := seen[q.Hash()]; ok {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[q.Hash()] = name
	}
	for i := range 5_000 {
		q := query("tenant", fmt.Sprintf("https://r%d.example/.default", i))
		add(q, q.Scopes[0])
		two := query("tenant", fmt.Sprintf("s%d", i), "User.Read")
		add(two, two.Scopes[0]+" User.Read")
		short := query("tenant", fmt.Sprintf("s%d", i))
		add(short, short.Scopes[0])
		other := query(fmt.Sprintf("tenant-%d", i))
		add(other, other.Tenant)
		user := query("tenant")
		user.Subject = fmt.Sprintf("user-%d", i)
		add(user, user.Subject)
	}
}

// Pain 3, the other way round: spelling does not make two keys of one identity.
func TestPain3OneIdentityHasOneKey(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(4, 4))
	for range 20_000 {
		a := randomIdentity(r)
		b := a
		b.scopes = slices.Clone(a.scopes)
		r.Shuffle(len(b.scopes), func(i, j int) { b.scopes[i], b.scopes[j] = b.scopes[j], b.scopes[i] })
		if r.IntN(2) == 0 {
			b.scopes = append(b.scopes, a.scopes[r.IntN(len(a.scopes))])
		}
		if r.IntN(3) == 0 {
			b.scopes = []string{strings.Join(b.scopes, " ")}
		}
		if r.IntN(2) == 0 {
			b.tenant = strings.ToUpper(b.tenant)
			b.scopes[0] = strings.ToUpper(b.scopes[0])
		}
		qa, qb := a.query(), b.query()
		if qa.Key() != qb.Key() || qa.Hash() != qb.Hash() || !tokencache.Matches(qa, qb) {
			t.Fatalf("%+v and %+v are one identity: keys %+v, %+v, hashes %x, %x, match %v",
				a, b, qa.Key(), qb.Key(), qa.Hash(), qb.Hash(), tokencache.Matches(qa, qb))
		}
	}
}

// Equal keys, equal hashes and matching are one relation, for any strings.
func FuzzKey(f *testing.F) {
	f.Add("tenant", "a b", "tenant", "b a")
	f.Add("T", "A", "t", "a")
	f.Add("@", "[", "`", "{")
	f.Add("\u212a", "\u017f", "k", "s")
	f.Add("", " ", "", "")
	f.Add("t", "a", "t", "a a \na") // a line break separates no scopes
	f.Fuzz(func(t *testing.T, tenantA, scopesA, tenantB, scopesB string) {
		o := tokencache.NewOwner(tokencache.Principal{})
		a := tokencache.Query{Owner: o, Tenant: tenantA, Scopes: strings.Split(scopesA, "|")}
		b := tokencache.Query{Owner: o, Tenant: tenantB, Scopes: strings.Split(scopesB, "|")}
		same := a.Key() == b.Key()
		if m := tokencache.Matches(a, b); m != same {
			t.Errorf("keys %+v, %+v equal: %v, but matching: %v", a.Key(), b.Key(), same, m)
		}
		if same && a.Hash() != b.Hash() {
			t.Errorf("equal keys %+v but hashes %x and %x", a.Key(), a.Hash(), b.Hash())
		}
	})
}

func ExampleQuery_Key() {
	o := tokencache.NewOwner(tokencache.Principal{Authority: "login.microsoftonline.com"})
	k := tokencache.Query{Owner: o, Tenant: "Contoso.example", Scopes: []string{"User.Read", "Mail.Read", "user.read"}}.Key()
	fmt.Printf("%q %q\n", k.Tenant, k.Scopes)
	// Output: "contoso.example" "mail.read user.read"
}
