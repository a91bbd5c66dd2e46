package entratest

import (
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"time"
)

// trustVersion is what differs between the versions of WS-Trust.
type trustVersion struct{ name, namespace, action, keyType, policyNamespace string }

var trustVersions = []trustVersion{
	{"2005", "http://schemas.xmlsoap.org/ws/2005/02/trust", "http://schemas.xmlsoap.org/ws/2005/02/trust/RST/Issue",
		"http://schemas.xmlsoap.org/ws/2005/05/identity/NoProofKey", "http://schemas.xmlsoap.org/ws/2005/07/securitypolicy"},
	{"1.3", "http://docs.oasis-open.org/ws-sx/ws-trust/200512", "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue",
		"http://docs.oasis-open.org/ws-sx/ws-trust/200512/Bearer", "http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702"},
}

// trustPaths are the endpoints for user names and passwords, by version.
var trustPaths = map[string]string{"2005": "/2005/usernamemixed", "1.3": "/13/usernamemixed"}

// serveMEX describes a federation server: beside the endpoints for user names and
// passwords those for Windows sign-in, which clients must not mistake for them.
func serveMEX(c *call) reply {
	_, f := c.directory.federationServer(c.req.Host)
	if f == nil {
		return serveNotFound(c)
	}
	var policies, bindings, ports strings.Builder
	for _, v := range trustVersions {
		if f.Version != "" && f.Version != v.name {
			continue
		}
		for _, kind := range []struct{ name, token string }{
			{"Windows" + v.name, `<sp:EndorsingSupportingTokens><wsp:Policy><sp:KerberosToken/></wsp:Policy></sp:EndorsingSupportingTokens>`},
			{"UserName" + v.name, `<sp:SignedEncryptedSupportingTokens><wsp:Policy><sp:UsernameToken><wsp:Policy><sp:WssUsernameToken10/></wsp:Policy></sp:UsernameToken></wsp:Policy></sp:SignedEncryptedSupportingTokens>`},
		} {
			token, path := kind.token, trustPaths[v.name]
			if v.name == "2005" {
				token = strings.ReplaceAll(token, "SignedEncryptedSupportingTokens", "SignedSupportingTokens")
			}
			if strings.HasPrefix(kind.name, "Windows") {
				path = strings.ReplaceAll(path, "usernamemixed", "windowstransport")
			}
			fmt.Fprintf(&policies, `<wsp:Policy wsu:Id="%s_policy" xmlns:sp="%s"><wsp:ExactlyOne><wsp:All><sp:TransportBinding><wsp:Policy><sp:TransportToken><wsp:Policy><sp:HttpsToken/></wsp:Policy></sp:TransportToken></wsp:Policy></sp:TransportBinding>%s</wsp:All></wsp:ExactlyOne></wsp:Policy>`+"\n",
				kind.name, v.policyNamespace, token)
			fmt.Fprintf(&bindings, `<wsdl:binding name="%s" type="tns:Trust"><wsp:PolicyReference URI="#%s_policy"/><soap12:binding transport="http://schemas.xmlsoap.org/soap/http"/><wsdl:operation name="Issue"><soap12:operation soapAction="%s" style="document"/></wsdl:operation></wsdl:binding>`+"\n",
				kind.name, kind.name, v.action)
			address := c.federationBase(f) + path
			fmt.Fprintf(&ports, `<wsdl:port name="%s" binding="tns:%s"><soap12:address location="%s"/><wsa10:EndpointReference><wsa10:Address>%s</wsa10:Address></wsa10:EndpointReference></wsdl:port>`+"\n",
				kind.name, kind.name, address, address)
		}
	}
	return xmlReply(http.StatusOK, `<wsdl:definitions name="SecurityTokenService" targetNamespace="http://schemas.microsoft.com/ws/2008/06/identity/securitytokenservice"`+
		` xmlns:tns="http://schemas.microsoft.com/ws/2008/06/identity/securitytokenservice" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"`+
		` xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy" xmlns:wsa10="http://www.w3.org/2005/08/addressing" xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/"`+
		` xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">`+"\n"+
		policies.String()+bindings.String()+"<wsdl:service name=\"SecurityTokenService\">\n"+ports.String()+"</wsdl:service></wsdl:definitions>")
}

// trustRequest is what matters of a request for a security token.
type trustRequest struct {
	XMLName xml.Name `xml:"http://www.w3.org/2003/05/soap-envelope Envelope"`
	Header  struct {
		Action    string `xml:"http://www.w3.org/2005/08/addressing Action"`
		MessageID string `xml:"http://www.w3.org/2005/08/addressing MessageID"`
		To        string `xml:"http://www.w3.org/2005/08/addressing To"`
		Security  struct {
			Created  time.Time `xml:"Timestamp>Created"`
			Expires  time.Time `xml:"Timestamp>Expires"`
			Username string    `xml:"UsernameToken>Username"`
			Password string    `xml:"UsernameToken>Password"`
		} `xml:"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd Security"`
	} `xml:"http://www.w3.org/2003/05/soap-envelope Header"`
	Body struct {
		Request struct {
			XMLName     xml.Name
			AppliesTo   string `xml:"AppliesTo>EndpointReference>Address"`
			KeyType     string `xml:"KeyType"`
			RequestType string `xml:"RequestType"`
		} `xml:"RequestSecurityToken"`
	} `xml:"http://www.w3.org/2003/05/soap-envelope Body"`
}

func serveTrust2005(c *call) reply { return c.serveTrust(trustVersions[0]) }
func serveTrust13(c *call) reply   { return c.serveTrust(trustVersions[1]) }

// serveTrust exchanges a user name and a password for a SAML assertion.
func (c *call) serveTrust(v trustVersion) reply {
	var f *FederatedDomain
	if c.tenant, f = c.directory.federationServer(c.req.Host); f == nil {
		return serveNotFound(c)
	}
	c.entry.Tenant = c.tenant.ID
	data, err := io.ReadAll(io.LimitReader(c.req.Body, maxBody))
	var r trustRequest
	if err != nil || xml.Unmarshal(data, &r) != nil {
		return c.fault("a:InvalidRequest", "the body is not a SOAP 1.2 envelope", "The request is not a valid SOAP message.")
	}
	ask, security := r.Body.Request, r.Header.Security
	switch {
	case ask.XMLName.Space != v.namespace || r.Header.Action != v.action || ask.KeyType != v.keyType || ask.RequestType != strings.Replace(v.action, "/RST/", "/", 1):
		return c.fault("a:InvalidRequest", "the request is not one of WS-Trust "+v.name, "The request does not fit the endpoint.")
	case r.Header.To != c.origin+c.req.URL.Path || r.Header.MessageID == "":
		return c.fault("a:DestinationUnreachable", "To is "+r.Header.To+", or there is no MessageID", "The message is addressed to another endpoint.")
	case ask.AppliesTo != federationAudience:
		return c.fault("a:InvalidScope", "AppliesTo is "+ask.AppliesTo, "There is no relying party of this name.")
	case c.now.Add(clockTolerance).Before(security.Created) || !c.now.Add(-clockTolerance).Before(security.Expires):
		return c.fault("a:MessageExpired", "the time stamp is not of now", "The message is outside the time in which it is valid.")
	}
	user, ref := c.activeUser(security.Username)
	if ref == nil && c.tenant.federated(domain(security.Username)) != f {
		ref = refuse(50034, "the user is of another domain than "+f.Domain, "")
	}
	if ref == nil {
		ref = c.checkPassword(user, security.Password)
	}
	if ref != nil {
		return c.fault("a:FailedAuthentication", ref.reason, "The security token could not be authenticated or authorized.")
	}
	assertion, err := c.e.samlAssertion(f, user, c.now)
	if err != nil {
		panic(err)
	}
	kind := saml11Namespace
	if f.SAML2 {
		kind = "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV2.0"
	}
	body := `<t:RequestSecurityTokenResponse xmlns:t="` + v.namespace + `"><t:RequestedSecurityToken>` + assertion + `</t:RequestedSecurityToken><t:TokenType>` + kind + `</t:TokenType></t:RequestSecurityTokenResponse>`
	action := v.namespace + "/RSTR/Issue"
	if v.name == "1.3" {
		body = `<t:RequestSecurityTokenResponseCollection xmlns:t="` + v.namespace + `">` + body + `</t:RequestSecurityTokenResponseCollection>`
		action = v.namespace + "/RSTRC/IssueFinal"
	}
	return xmlReply(http.StatusOK, envelope(action, body))
}

// fault answers as federation servers do: with status 500, whoever is to blame.
func (c *call) fault(subcode, reason, text string) reply {
	c.entry.Error, c.entry.Reason = strings.TrimPrefix(subcode, "a:"), reason
	return xmlReply(http.StatusInternalServerError, envelope("http://www.w3.org/2005/08/addressing/soap/fault",
		`<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:a="http://docs.oasis-open.org/ws-sx/ws-trust/200512">`+subcode+
			`</s:Value></s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">`+html.EscapeString(text)+`</s:Text></s:Reason></s:Fault>`))
}

func envelope(action, body string) string {
	return `<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing"><s:Header><wsa:Action s:mustUnderstand="1">` + action +
		`</wsa:Action></s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

func xmlReply(status int, text string) reply {
	return reply{status: status, header: http.Header{"Content-Type": {"application/soap+xml; charset=utf-8"}}, body: []byte(text)}
}
