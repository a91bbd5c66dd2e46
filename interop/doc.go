// Package interop tests this module against programs that nobody here wrote:
// Microsoft's azure.identity for Python, @azure/identity for JavaScript, azidentity
// for Go and the Azure CLI, with go-oidc to verify the tokens, and apidiff to compare
// the API. A client and an emulator by the same hands could share a mistake. People
// sign in at the emulator's pages with Chromium, and axe-core checks the pages.
//
// The tests are behind the build tag interop, because they need those programs:
//
//	make interop
//
// They run in namespaces of their own, with no network but loopback: a forgotten
// setting fails instead of reaching Microsoft. See isolate_linux_test.go.
//
// AZID_INTEROP_SCREENSHOTS names a directory for pictures of the pages; make has them in
// dist/screenshots.
//
// TestMatrix writes docs/interop.md, if it is told to by -update; flows_test.go is
// its table of what the peers do. TestWire compares what Microsoft's credentials
// for Go and ours send, field by field; wire_differences_test.go is its table of
// what differs, and why.
package interop
