package managedidentity

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// endpoint reads the address of an endpoint from a variable. Its value is not
// repeated in errors: it may hold anything.
func endpoint(name, value string) (*url.URL, error) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("%s is not an absolute URL", name)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%s is neither http nor https", name)
	case u.User != nil:
		return nil, fmt.Errorf("%s has a user name or password in it", name)
	case u.Fragment != "":
		return nil, fmt.Errorf("%s has a fragment", name)
	}
	return u, nil
}

// local is for endpoints that are sent a secret: without TLS it does not leave
// this machine's network. App Service uses loopback, link-local and private
// addresses, depending on the plan.
func local(name string, u *url.URL) error {
	if u.Scheme == "https" || !strings.Contains(u.Hostname(), ".") && !strings.Contains(u.Hostname(), ":") {
		return nil
	}
	ip, err := netip.ParseAddr(u.Hostname())
	if err != nil || !ip.Unmap().IsLoopback() && !ip.Unmap().IsLinkLocalUnicast() && !ip.Unmap().IsPrivate() {
		return fmt.Errorf("%s is http at a host that is neither this machine nor beside it: a secret would cross the network in the clear", name)
	}
	return nil
}

// loopback is for endpoints of an agent on this machine.
func loopback(name string, u *url.URL) error {
	ip, err := netip.ParseAddr(u.Hostname())
	if strings.EqualFold(u.Hostname(), "localhost") || err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s is not on this machine", name)
}

// checkHeader checks a secret that goes into a header.
func checkHeader(name, value string) error {
	if !printable(value) {
		return errors.New(name + " holds a character that a header cannot have")
	}
	return nil
}

func printable(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}
