package main

import "time"

// A run is how much is measured.
type run struct {
	rounds  int           // how often the sides of a comparison alternate
	walks   int           // the same, for walks through all tokens
	batch   time.Duration // how long one side is measured at a time, if its size does not matter
	tenants int           // of a credential that has many, in both libraries
	fillTo  []int         // tokens of ours alone at which memory is looked at; the last is all
	calls   int           // for the distribution of a call's duration
	equals  int           // equal credentials
	users   int           // of one credential
	flood   int           // users who are never seen again
}

// The quick run is for every change. It has fewer tokens in memory, and each
// of its rows says how many where that counts.
var (
	full  = run{rounds: 25, walks: 3, batch: 20 * time.Millisecond, tenants: 10_000, fillTo: []int{100_000, 135_000, 270_000, 530_000, 1_000_000}, calls: 20_000, equals: 10_000, users: 100_000, flood: 1_000_000}
	quick = run{rounds: 11, walks: 3, batch: 10 * time.Millisecond, tenants: 10_000, fillTo: []int{100_000, 270_000}, calls: 10_000, equals: 10_000, users: 100_000, flood: 200_000}
)

// A reading is one measured number.
type reading struct {
	value  float64
	detail string // what it is made of

	// unjudged says that the machine was in no state to tell.
	unjudged bool
}

// readings are what one scenario measured, by the names that its rows use.
type readings map[string]reading

// A scenario is measured once and fills one row or more.
type scenario struct {
	name    string
	measure func(*run) (readings, error)
	rows    []row
}

// A row is a line of the report: what is promised of a reading.
type row struct {
	what    string
	reading string
	target  target
}

var scenarios = []scenario{
	{"a token in memory", warmOne, []row{
		{"warm GetToken, one token", "floor", atMost(1.6, "times a map look-up and a clock reading")},
		{"its allocations", "allocs", atMost(0, "allocations")},
		{"Microsoft's warm GetToken", "microsoft", told("times ours")},
	}},
	{"two goroutines", warmPair, []row{
		{"warm, two goroutines, one token", "gain", atLeast(1.7, "times the throughput of one")},
		{"the same by CPU time", "cpu", told("times the throughput of one")},
	}},
	{"logging", warmLogged, []row{
		{"warm, while slog takes everything", "ratio", atMost(1.1, "times as without")},
	}},
	{"many tenants", warmTenants, []row{
		{"warm, 10,000 tenants", "microsoft", atLeast(500, "times as fast as Microsoft's")},
	}},
	{"many scopes", warmScopes, []row{
		{"warm, 1,000 scopes of one tenant", "ratio", atMost(2, "times one")},
	}},
	{"a new tenant", newTenant, []row{
		{"new tenant: requests", "requests", atMost(1, "requests")},
		{"new tenant: CPU time", "cpu", atMost(1./3, "of Microsoft's")},
		{"new tenant: allocations", "allocs", atMost(1./3, "of Microsoft's")},
		{"new tenant: bytes allocated", "bytes", told("of Microsoft's")},
	}},
	{"a new scope", newScope, []row{
		{"new scope: requests", "requests", atMost(1, "requests")},
		{"new scope: CPU time", "cpu", atMost(1./3, "of Microsoft's")},
		{"new scope: allocations", "allocs", atMost(1./3, "of Microsoft's")},
		{"new scope: bytes allocated", "bytes", told("of Microsoft's")},
	}},
	{"a new credential", newCredential, []row{
		{"new credential's first token: requests", "requests", atMost(1, "requests")},
		{"new credential's first token: CPU time", "cpu", atMost(1./2, "of Microsoft's")},
		{"new credential's first token: allocations", "allocs", told("of Microsoft's")},
	}},
	{"a hanging request", hanging, []row{
		{"cached token while another tenant's request hangs", "p99", atMost(1, "ms")},
	}},
	{"a crowd", crowd, []row{
		{"1,000 concurrent first calls", "requests", atMost(1, "requests")},
	}},
	{"equal credentials", equals, []row{
		{"10,000 equal credentials, one after another", "requests", atMost(1, "token requests")},
	}},
	{"on behalf of a user seen before", userAgain, []row{
		{"on behalf of a user seen before, credential built anew: requests", "requests", atMost(0, "requests")},
		{"on behalf of a user seen before, credential built anew: CPU time", "cpu", atMost(2, "µs")},
		{"Microsoft's", "microsoft", told("times ours")},
		{"the same through one credential for all users", "lasting", told("µs")},
		{"an application's own token, credential built anew", "secret", told("µs")},
	}},
	{"on behalf of a new user", newUser, []row{
		{"new user, credential built anew: requests", "requests", atMost(1, "requests")},
		{"new user, credential built anew: CPU time", "cpu", atMost(1./3, "of Microsoft's")},
		{"new user, credential built anew: allocations", "allocs", atMost(1./3, "of Microsoft's")},
		{"new user, one credential for all users: requests", "lasting requests", atMost(1, "requests")},
		{"new user, one credential for all users: CPU time", "lasting cpu", atMost(1./5, "of Microsoft's")},
		{"new user, one credential for all users: allocations", "lasting allocs", atMost(1./5, "of Microsoft's")},
	}},
	{"filing a token", filing, []row{
		{"a new token filed, its request aside", "cpu", atMost(10, "µs")},
	}},
	{"many tokens", manyTokens, []row{
		{"all tokens in memory, the same one again", "same", atMost(1.5, "times one token in memory")},
		{"all tokens in memory, a working set of 1,000", "set", atMost(1.5, "times one token in memory")},
		{"all tokens in memory, walk in order", "inorder", told("times one token in memory")},
		{"all tokens in memory, walk in random order", "shuffled", told("times one token in memory")},
		{"1,000 tokens read among all, or alone", "reads", atMost(2, "times alone")},
		{"its allocations", "allocs", atMost(0, "allocations")},
		{"live memory per token, its bytes aside", "memory", atMost(400, "bytes")},
	}},
	// Last, as they leave a heap of many holes.
	{"many users", manyUsers, []row{
		{"100,000 users of one credential, the same one again", "same", atMost(1.1, "times as of 100")},
		{"100,000 users of one credential, a working set of 100", "set", atMost(1.1, "times as of 100")},
		{"100,000 users of one credential, walk in random order", "shuffled", told("times as of 100")},
	}},
	{"a flood of users", flooded, []row{
		{"memory under a million users, TokenMemory of 64 MiB", "memory", atMost(1, "of the limit")},
		{"tokens of active users asked for again meanwhile", "again", atMost(0.01, "of their calls")},
	}},
}
