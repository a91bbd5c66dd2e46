// Package interop tests this module against programs that nobody here wrote:
// Microsoft's azure.identity for Python, @azure/identity for JavaScript and
// azidentity for Go, with go-oidc to verify the tokens, and apidiff to compare
// the API. A client and an emulator by the same hands could share a mistake.
//
// The tests are behind the build tag interop, because they need those programs:
//
//	make interop
//
// They run in a network namespace of their own, in which there is nothing but
// loopback: a forgotten setting fails instead of reaching Microsoft. See
// isolate_linux_test.go.
package interop
