// Package entratest is an emulator of Microsoft Entra ID for tests, as
// net/http/httptest is for HTTP: discovery documents, signing keys and a token
// endpoint that really verifies what it is given, in this process and without
// the network.
//
// There are three ways to reach one:
//
//   - [NewServer] listens on a loopback port with TLS, for code that needs a
//     real connection and for programs in other processes and languages.
//   - [Emulator.Transport] answers requests inside the process, whatever host
//     they name. There is no socket, so time moves under testing/synctest.
//   - [Emulator] is an [net/http.Handler], to be mounted anywhere else.
//
// A nil [Config] gives one tenant with one application; see [DefaultTenant].
// What was asked is in the journal ([Emulator.Journal]), refusals with a reason
// written for the developer, and [Emulator.Inject] makes things go wrong on
// purpose.
//
// Programs in other processes and languages reach the same over HTTP, from the
// same machine only:
//
//	GET, DELETE        /_emulator/journal      ?endpoint=token
//	GET, POST, DELETE  /_emulator/faults       a Fault as JSON; ?id=1
//	GET                /_emulator/assertion    ?subject=&audience=&lifetime=90m
//	GET, POST          /_emulator/devicecodes  {"userCode":"","user":"","signIn":{"mfa":true},"deny":false}
//	POST               /_emulator/users        {"user":"","password":"","disable":false,"enable":false,
//	                                            "revokeSessions":false,"consentTo":""}
//	GET                /_emulator/verifications
//
// People sign in at pages, with a browser: at the authorize endpoint, and at /devicelogin
// with the code of a device. /_emulator/ is a console for the developer.
//
// Beside Entra ID stand those who vouch for workloads to it: a cluster's service
// account tokens ([Emulator.WriteServiceAccountToken]) and token proxy
// ([Emulator.NewTokenProxy]), Azure Pipelines ([Emulator.PipelinesRequestURI])
// and GitHub Actions ([Emulator.ActionsRequestURL]).
//
// The package shares no code with the library whose tests it serves: a fake
// that used the client's own parser would confirm the client's mistakes.
//
// How a request goes through: [Emulator.ServeHTTP] finds the row of the endpoint
// table (routes.go), reads the form, opens the journal entry, lets faults act,
// calls the row's handler, completes the entry, and only then writes. A grant is
// a row of the table in token.go; adding an endpoint or a grant is adding a file
// and a row.
package entratest
