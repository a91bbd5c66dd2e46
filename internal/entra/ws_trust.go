package entra

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	nsSOAP12 = "http://www.w3.org/2003/05/soap-envelope"
	nsSOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
)

// samlGrants are the grant types by the token types of WS-Trust and, for servers that
// do not name one, by the assertions' namespaces, which are the same for some.
var samlGrants = map[string]string{
	"urn:oasis:names:tc:SAML:1.0:assertion":                                    "urn:ietf:params:oauth:grant-type:saml1_1-bearer",
	"http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1": "urn:ietf:params:oauth:grant-type:saml1_1-bearer",
	"urn:oasis:names:tc:SAML:2.0:assertion":                                    "urn:ietf:params:oauth:grant-type:saml2-bearer",
	"http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0": "urn:ietf:params:oauth:grant-type:saml2-bearer",
}

// trustRequest writes a request for an assertion for audience (WS-Trust 1.3, section
// 4.1; WSS UsernameToken Profile 1.0).
func trustRequest(e trustEndpoint, username, password, audience string, now time.Time) string {
	const instant = "2006-01-02T15:04:05.000Z"
	now = now.UTC()
	return fmt.Sprintf(`<s:Envelope xmlns:s="`+nsSOAP12+`" xmlns:a="`+nsAddressing+`" xmlns:u="`+nsUtility+`">`+
		`<s:Header>`+
		`<a:Action s:mustUnderstand="1">%[1]s</a:Action>`+
		`<a:MessageID>urn:uuid:%[2]s</a:MessageID>`+
		`<a:ReplyTo><a:Address>`+nsAddressing+`/anonymous</a:Address></a:ReplyTo>`+
		`<a:To s:mustUnderstand="1">%[3]s</a:To>`+
		`<o:Security s:mustUnderstand="1" xmlns:o="`+nsSecurity+`">`+
		`<u:Timestamp u:Id="_0"><u:Created>%[4]s</u:Created><u:Expires>%[5]s</u:Expires></u:Timestamp>`+
		`<o:UsernameToken u:Id="_1"><o:Username>%[6]s</o:Username><o:Password>%[7]s</o:Password></o:UsernameToken>`+
		`</o:Security>`+
		`</s:Header>`+
		`<s:Body><t:RequestSecurityToken xmlns:t="%[8]s">`+
		`<p:AppliesTo xmlns:p="`+nsPolicy+`"><a:EndpointReference><a:Address>%[9]s</a:Address></a:EndpointReference></p:AppliesTo>`+
		`<t:KeyType>%[10]s</t:KeyType><t:RequestType>%[11]s</t:RequestType>`+
		`</t:RequestSecurityToken></s:Body></s:Envelope>`,
		e.version.action, newUUID(), escapeXML(e.address), now.Format(instant), now.Add(10*time.Minute).Format(instant),
		escapeXML(username), escapeXML(password), e.version.namespace, escapeXML(audience), e.version.keyType, e.version.requestType)
}

func escapeXML(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// A samlAssertion is what a federation server says of a user.
type samlAssertion struct {
	grantType string
	text      string // as the server wrote it, to the byte: it is signed
}

// A soapFault is a federation server's refusal.
type soapFault struct{ reason, subcode string }

func (f *soapFault) Error() string { return f.reason }

// decodeTrust reads the answer to a request for an assertion. Its error is a
// [*soapFault] if the server refused.
func decodeTrust(data []byte) (samlAssertion, error) {
	root, err := parseXML(data)
	if err != nil {
		return samlAssertion{}, err
	}
	body := root.find("Body", nsSOAP12, nsSOAP11)
	if !root.is("Envelope", nsSOAP12, nsSOAP11) || body == nil {
		return samlAssertion{}, errors.New("it is no SOAP envelope")
	}
	if fault := body.find("Fault", nsSOAP12, nsSOAP11); fault != nil {
		return samlAssertion{}, readFault(fault)
	}
	response := body.find("RequestSecurityTokenResponse", trust13.namespace, trust2005.namespace)
	token := response.find("RequestedSecurityToken", trust13.namespace, trust2005.namespace)
	if token == nil || len(token.children) != 1 {
		return samlAssertion{}, errors.New("it has no security token")
	}
	assertion := token.children[0]
	kind := response.find("TokenType", trust13.namespace, trust2005.namespace).content()
	if kind == "" {
		kind = assertion.name.Space
	}
	grantType, ok := samlGrants[kind]
	if !ok || assertion.name.Local != "Assertion" {
		return samlAssertion{}, fmt.Errorf("its token is of the type %.120q, not a SAML assertion", kind)
	}
	return samlAssertion{grantType, string(assertion.source)}, nil
}

// readFault reads a fault of SOAP 1.2 or 1.1.
func readFault(fault *element) *soapFault {
	f := &soapFault{
		reason:  fault.find("Reason", nsSOAP12).find("Text", nsSOAP12).content(),
		subcode: fault.find("Subcode", nsSOAP12).find("Value", nsSOAP12).content(),
	}
	if fault.is("Fault", nsSOAP11) {
		f.reason, f.subcode = fault.find("faultstring", "").content(), fault.find("faultcode", "").content()
	}
	if _, local, ok := strings.Cut(f.subcode, ":"); ok {
		f.subcode = local // the prefix is the server's own
	}
	f.reason, f.subcode = oneLine(f.reason, 300), oneLine(f.subcode, 100)
	if f.reason == "" {
		f.reason = "no reason was given"
	}
	return f
}
