package managedidentity

import "net/http"

// A Machine is a transport that leads to an emulated machine, whose agent of Azure
// Arc keeps its keys somewhere else than the real one. Programs cannot make one:
// where a real agent keeps its keys is not for anybody to say.
type Machine struct {
	*http.Client
	ArcKeys string
}
