package tokencache

// Hash shows the hash of a query to the property tests.
func (q Query) Hash() uint64 { return q.hash() }

// Matches reports whether an entry filed under have would answer want.
func Matches(have, want Query) bool { return keyed(have.Key(), have.hash()).matches(&want) }
