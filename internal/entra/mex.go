package entra

import (
	"errors"
	"net/url"
	"strings"
)

// Namespaces of the documents in which federation servers describe themselves.
const (
	nsWSDL       = "http://schemas.xmlsoap.org/wsdl/"
	nsWSDLSOAP12 = "http://schemas.xmlsoap.org/wsdl/soap12/"
	nsPolicy     = "http://schemas.xmlsoap.org/ws/2004/09/policy"
	nsPolicy15   = "http://www.w3.org/ns/ws-policy"
	nsUtility    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	nsSecurity   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	nsSP12       = "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702"
	nsSP2005     = "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy"
	nsAddressing = "http://www.w3.org/2005/08/addressing"

	soapOverHTTP = "http://schemas.xmlsoap.org/soap/http"
)

// A trustVersion is what differs between the versions of WS-Trust.
type trustVersion struct {
	namespace, action, requestType, keyType string
}

var (
	trust13 = trustVersion{
		namespace:   "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
		action:      "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue",
		requestType: "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Issue",
		keyType:     "http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer",
	}
	trust2005 = trustVersion{
		namespace:   "http://schemas.xmlsoap.org/ws/2005/02/trust",
		action:      "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue",
		requestType: "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue",
		keyType:     "http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey",
	}
	trustVersions = []trustVersion{trust13, trust2005} // by preference
)

// A trustEndpoint takes user names and passwords, and gives assertions.
type trustEndpoint struct {
	address string
	version trustVersion
}

var errNoTrustEndpoint = errors.New("it names no https endpoint for user names and passwords")

// decodeMEX finds the endpoint for user names and passwords in a metadata document
// (WS-MetadataExchange, with WSDL and WS-SecurityPolicy): the port of a binding that
// speaks WS-Trust over SOAP 1.2, and whose policy wants TLS and a user name token.
func decodeMEX(data []byte) (trustEndpoint, error) {
	root, err := parseXML(data)
	if err != nil {
		return trustEndpoint{}, err
	}
	policies := make(map[string]bool) // by ID
	for e := range root.all() {
		if id := e.attr(nsUtility, "Id"); id != "" && e.is("Policy", nsPolicy, nsPolicy15) && takesPasswords(e) {
			policies[id] = true
		}
	}
	bindings := make(map[string]trustVersion) // by name
	for e := range root.all() {
		if !e.is("binding", nsWSDL) {
			continue
		}
		reference := e.find("PolicyReference", nsPolicy, nsPolicy15).attr("", "URI")
		if v, ok := issues(e); ok && policies[strings.TrimPrefix(reference, "#")] {
			bindings[e.attr("", "name")] = v
		}
	}
	found := make(map[trustVersion]string)
	for e := range root.all() {
		if !e.is("port", nsWSDL) {
			continue
		}
		_, name, prefixed := strings.Cut(e.attr("", "binding"), ":")
		if !prefixed {
			name = e.attr("", "binding")
		}
		v, ok := bindings[name]
		address := e.find("Address", nsAddressing).content()
		if address == "" {
			address = e.find("address", nsWSDLSOAP12).attr("", "location")
		}
		if ok && found[v] == "" && checkTrustURL(address) == nil {
			found[v] = address
		}
	}
	for _, v := range trustVersions {
		if found[v] != "" {
			return trustEndpoint{found[v], v}, nil
		}
	}
	return trustEndpoint{}, errNoTrustEndpoint
}

// takesPasswords reports whether a policy is TLS with a user name token.
func takesPasswords(policy *element) bool {
	if policy.find("TransportBinding", nsSP12, nsSP2005) == nil {
		return false
	}
	for e := range policy.all() {
		if (e.is("SignedEncryptedSupportingTokens", nsSP12, nsSP2005) || e.is("SignedSupportingTokens", nsSP12, nsSP2005)) &&
			e.find("UsernameToken", nsSP12, nsSP2005).find("WssUsernameToken10", nsSP12, nsSP2005) != nil {
			return true
		}
	}
	return false
}

// issues returns the version of WS-Trust in which a binding issues tokens.
func issues(binding *element) (trustVersion, bool) {
	if binding.find("binding", nsWSDLSOAP12).attr("", "transport") != soapOverHTTP {
		return trustVersion{}, false
	}
	for e := range binding.all() {
		for _, v := range trustVersions {
			if e.is("operation", nsWSDLSOAP12) && e.attr("", "soapAction") == v.action {
				return v, true
			}
		}
	}
	return trustVersion{}, false
}

// checkTrustURL says what is wrong with an address that a password is to be sent to.
func checkTrustURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil || !validHost(strings.ToLower(u.Host)) {
		return errors.New("the address is not an https URL")
	}
	return nil
}
