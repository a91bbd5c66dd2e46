// Package browser is what a sign-in in a web browser needs of this machine: a
// receiver on loopback for the redirect that ends it, the page that the person
// sees then, and the opening of a browser.
//
// It owns RFC 8252's loopback redirect (receiver.go), what counts as the answer
// of a sign-in (response.go), who may deliver it (handler.go), the pages
// (pages.go) and how a browser is opened on which system (open.go). The
// authorize URL, PKCE and the redemption of the code belong to whoever calls it.
//
// Anything on the machine can talk to the receiver, and any web page can make a
// browser do so. Only the answer with the right state ends the wait; all else is
// answered and forgotten.
package browser
