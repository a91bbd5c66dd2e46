package tokencache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/azid-go/azidentity/internal/tokencache"
)

// Forget takes all of one subject of one owner, and nothing else.
func TestForget(t *testing.T) {
	t.Parallel()
	c := tokencache.New(tokencache.Limits{})
	until := time.Now().Add(time.Hour)
	owners := []tokencache.Owner{
		tokencache.NewOwner(tokencache.Principal{Client: "one"}), tokencache.NewOwner(tokencache.Principal{Client: "two"}),
	}
	each := func(do func(q tokencache.Query)) {
		for _, o := range owners {
			for _, subject := range []string{"a", "b"} {
				for i := range 50 {
					q := tokencache.Query{Owner: o, Subject: subject, Tenant: fmt.Sprint("tenant ", i), CAE: i%2 == 0}
					for _, q.Scopes = range [][]string{{"x"}, {"x", "y"}} {
						do(q)
					}
				}
			}
		}
	}
	each(func(q tokencache.Query) {
		c.Put(q, tokencache.Token{Value: "token", ExpiresOn: until})
		c.Keep(q, "kept", until)
	})
	all := c.Stats().Tokens
	c.Forget(owners[0], "a")
	if n := c.Stats().Tokens; n != all/4*3 {
		t.Errorf("%d tokens of %d stay, want three quarters", n, all)
	}
	each(func(q tokencache.Query) {
		stays := q.Owner != owners[0] || q.Subject != "a"
		if _, found := c.Find(q); found != stays || (c.Kept(q) == "kept") != stays {
			t.Fatalf("%+v: found %t, kept %q", q, found, c.Kept(q))
		}
		q.Scopes = []string{"y"}
		if _, found := c.Find(q); found && !stays {
			t.Fatalf("%+v is found by one of its scopes", q)
		}
	})
	c.Forget(owners[1], "nobody")
}
