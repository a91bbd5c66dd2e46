package tokencache

import "time"

// Put files a token that came otherwise than by a [Source]'s Fetch for q, such as one
// that nobody waits for any more.
func (c *Cache) Put(q Query, t Token) {
	now := time.Now()
	c.file(newEntry(q.Key(), q.hash(), c.order.Add(1), t, now), now)
}

func (c *Cache) file(e *entry, now time.Time) {
	expired, evicted := c.index.put(e, now.UnixNano())
	c.stats.expired.Add(int64(expired))
	c.stats.evicted.Add(int64(evicted))
}

// Find returns the token for q that is in memory and not due for renewal, if there is
// one. q's claims do not count.
func (c *Cache) Find(q Query) (Token, bool) {
	now := time.Now().UnixNano()
	if e := c.index.find(&q, q.hash()); e != nil && now < e.renewFrom {
		e.used(now)
		return e.token(), true
	}
	return Token{}, false
}

// keptScopes stand in the key of what is kept beside the tokens of an identity. No
// scope has that character.
var keptScopes = []string{"\x00kept"}

func (q Query) kept() Query {
	q.Scopes, q.Claims = keptScopes, ""
	return q
}

// Keep files a secret that goes with all tokens of q's identity, whatever their
// scopes, such as a refresh token. It is bounded and evicted as tokens are, and
// leaves at until.
func (c *Cache) Keep(q Query, secret string, until time.Time) {
	q = q.kept()
	now := time.Now()
	c.file(newEntry(q.Key(), q.hash(), c.order.Add(1), Token{Value: secret, ExpiresOn: until}, now), now)
}

// Kept returns what was kept for q's identity, or "".
func (c *Cache) Kept(q Query) string {
	q = q.kept()
	now := time.Now().UnixNano()
	if e := c.index.find(&q, q.hash()); e != nil && now < e.expiresOn {
		e.used(now)
		return e.value
	}
	return ""
}

// Drop forgets what is kept for q's identity, if it still is secret.
func (c *Cache) Drop(q Query, secret string) {
	q = q.kept()
	hash := q.hash()
	if e := c.index.find(&q, hash); e != nil && e.value == secret {
		c.index.drop(e)
	}
}

// Forget removes all that is in memory for an owner's subject: tokens of every tenant,
// scope and kind, and what is kept beside them. It looks at every token there is. A
// token that a fetch brings later is filed again: the source has to see to that.
func (c *Cache) Forget(o Owner, subject string) {
	c.index.removeAll(func(e *entry) bool { return e.principal == o.principal && e.subject == subject })
}
