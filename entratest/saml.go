package entratest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	saml11Grant = "urn:ietf:params:oauth:grant-type:saml1_1-bearer"
	saml2Grant  = "urn:ietf:params:oauth:grant-type:saml2-bearer"

	saml11Namespace = "urn:oasis:names:tc:SAML:1.0:assertion"
	saml2Namespace  = "urn:oasis:names:tc:SAML:2.0:assertion"

	samlLifetime = time.Hour
	samlInstant  = "2006-01-02T15:04:05.000Z"
)

// samlText escapes text as canonical XML has it.
var samlText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")

// samlAssertion writes what a federation server says of a user, in the form of
// Exclusive XML Canonicalization, so that its bytes are what is signed (XML Signature,
// enveloped).
func (e *Emulator) samlAssertion(f *FederatedDomain, u *User, now time.Time) (string, error) {
	id, issued, expires := "_"+newGUID(), now.UTC().Format(samlInstant), now.Add(samlLifetime).UTC().Format(samlInstant)
	issuer := federationIssuer(f)
	var before, after string // the signature
	if f.SAML2 {
		before = fmt.Sprintf(`<saml:Assertion xmlns:saml="`+saml2Namespace+`" ID="%s" IssueInstant="%s" Version="2.0"><saml:Issuer>%s</saml:Issuer>`, id, issued, issuer)
		after = fmt.Sprintf(`<saml:Subject><saml:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">%s</saml:NameID>`+
			`<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"></saml:SubjectConfirmation></saml:Subject>`+
			`<saml:Conditions NotBefore="%s" NotOnOrAfter="%s"><saml:AudienceRestriction><saml:Audience>`+federationAudience+`</saml:Audience></saml:AudienceRestriction></saml:Conditions>`+
			`<saml:AttributeStatement><saml:Attribute Name="http://schemas.xmlsoap.org/claims/UPN"><saml:AttributeValue>%s</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>`+
			`</saml:Assertion>`, u.ID, issued, expires, samlText.Replace(u.Username))
	} else {
		before = fmt.Sprintf(`<saml:Assertion xmlns:saml="`+saml11Namespace+`" AssertionID="%s" IssueInstant="%s" Issuer="%s" MajorVersion="1" MinorVersion="1">`+
			`<saml:Conditions NotBefore="%s" NotOnOrAfter="%s"><saml:AudienceRestrictionCondition><saml:Audience>`+federationAudience+`</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>`+
			`<saml:AttributeStatement><saml:Subject><saml:NameIdentifier Format="urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified">%s</saml:NameIdentifier>`+
			`<saml:SubjectConfirmation><saml:ConfirmationMethod>urn:oasis:names:tc:SAML:1.0:cm:bearer</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>`+
			`<saml:Attribute AttributeName="UPN" AttributeNamespace="http://schemas.xmlsoap.org/claims"><saml:AttributeValue>%s</saml:AttributeValue></saml:Attribute></saml:AttributeStatement>`,
			id, issued, issuer, issued, expires, u.ID, samlText.Replace(u.Username))
		after = `</saml:Assertion>`
	}
	digest := sha256.Sum256([]byte(before + after))
	info := fmt.Sprintf(`<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">`+
		`<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:CanonicalizationMethod>`+
		`<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod>`+
		`<ds:Reference URI="#%s"><ds:Transforms>`+
		`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>`+
		`<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform></ds:Transforms>`+
		`<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>`+
		`<ds:DigestValue>%s</ds:DigestValue></ds:Reference></ds:SignedInfo>`, id, base64.StdEncoding.EncodeToString(digest[:]))
	sum := sha256.Sum256([]byte(info))
	key := e.federation()
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.private, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return before + `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` + info +
		`<ds:SignatureValue>` + base64.StdEncoding.EncodeToString(signature) + `</ds:SignatureValue>` +
		`<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(key.cert) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>` +
		`</ds:Signature>` + after, nil
}

// federationIssuer is the name by which Entra ID knows a federation server.
func federationIssuer(f *FederatedDomain) string { return "http://" + f.Host + "/adfs/services/trust" }

// samlClaims are what matters of an assertion of either version.
type samlClaims struct {
	XMLName xml.Name   `xml:"Assertion"`
	Issuer1 string     `xml:"Issuer,attr"`
	Issuer2 string     `xml:"Issuer"`
	Limits  samlLimits `xml:"Conditions"`
	UPN     string     `xml:"AttributeStatement>Attribute>AttributeValue"`
}

type samlLimits struct {
	NotBefore    time.Time `xml:"NotBefore,attr"`
	NotOnOrAfter time.Time `xml:"NotOnOrAfter,attr"`
	Audience1    string    `xml:"AudienceRestrictionCondition>Audience"`
	Audience2    string    `xml:"AudienceRestriction>Audience"`
}

// parseSAML verifies the signature, over the bytes as they came, and reads the
// assertion. Whoever writes the XML anew on the way breaks the signature.
func (e *Emulator) parseSAML(text string) (samlClaims, error) {
	var out samlClaims
	start, end := strings.Index(text, "<ds:Signature "), strings.Index(text, "</ds:Signature>")
	if start < 0 || end < start {
		return out, errors.New("it has no signature, or not in the place where it was")
	}
	end += len("</ds:Signature>")
	signature, rest := text[start:end], text[:start]+text[end:]
	info, digest, value := between(signature, "<ds:SignedInfo", "</ds:SignedInfo>"), between(signature, "<ds:DigestValue>", "</ds:DigestValue>"), between(signature, "<ds:SignatureValue>", "</ds:SignatureValue>")
	sum := sha256.Sum256([]byte(rest))
	if subtle.ConstantTimeCompare([]byte(digest), []byte("<ds:DigestValue>"+base64.StdEncoding.EncodeToString(sum[:])+"</ds:DigestValue>")) != 1 {
		return out, errors.New("it was changed after it was signed, if only in its form")
	}
	value = strings.TrimSuffix(strings.TrimPrefix(value, "<ds:SignatureValue>"), "</ds:SignatureValue>")
	raw, err := base64.StdEncoding.DecodeString(value)
	sum = sha256.Sum256([]byte(info))
	if err != nil || !strings.Contains(info, digest) || rsa.VerifyPKCS1v15(&e.federation().private.PublicKey, crypto.SHA256, sum[:], raw) != nil {
		return out, errors.New("its signature is not that of the federation server")
	}
	if err := xml.Unmarshal([]byte(rest), &out); err != nil {
		return out, errors.New("it is not a SAML assertion")
	}
	return out, nil
}

// between returns the first part of text from one mark to another, with both, or "".
func between(text, from, to string) string {
	start := strings.Index(text, from)
	if start < 0 {
		return ""
	}
	length := strings.Index(text[start:], to)
	if length < 0 {
		return ""
	}
	return text[start : start+length+len(to)]
}

// samlGrant is the grant of RFC 7522 section 2.1, and its like for SAML 1.1.
func samlGrant(c *call) (*grant, *refusal) {
	data, err := decodeBase64(c.form.Get("assertion"))
	if c.form.Get("assertion") == "" {
		return nil, missing("assertion", "there is no assertion in the form")
	}
	invalid := func(reason string) (*grant, *refusal) {
		return nil, refuse(50008, "the SAML assertion is not usable: "+reason, "Unable to verify token signature. The SAML assertion is missing or misconfigured.")
	}
	if err != nil {
		return invalid("it is not base64")
	}
	claims, err := c.e.parseSAML(string(data))
	if err != nil {
		return invalid(err.Error())
	}
	namespace := saml11Namespace
	if c.form.Get("grant_type") == saml2Grant {
		namespace = saml2Namespace
	}
	if claims.XMLName.Space != namespace {
		return invalid("it is of another version of SAML than the grant_type")
	}
	if c.tenant == nil && isPseudoTenant(c.segment) {
		c.settle(c.directory.tenant(domain(claims.UPN)))
	}
	app, proof, kind, ref := c.nativeClient()
	if ref != nil {
		return nil, ref
	}
	f := c.tenant.federated(domain(claims.UPN))
	switch {
	case f == nil || claims.Issuer1+claims.Issuer2 != federationIssuer(f):
		return invalid(claims.Issuer1 + claims.Issuer2 + " does not speak for the users of " + domain(claims.UPN))
	case claims.Limits.Audience1+claims.Limits.Audience2 != federationAudience:
		return invalid("it is for another audience than " + federationAudience)
	case c.now.Add(clockTolerance).Before(claims.Limits.NotBefore) || !c.now.Add(-clockTolerance).Before(claims.Limits.NotOnOrAfter):
		return invalid("it is not valid now")
	}
	user, ref := c.activeUser(claims.UPN)
	if ref != nil {
		return nil, ref
	}
	return c.issueForUser(app, proof, c.session(user, SignIn{}), kind, offlineIn(c.form.Get("scope")))
}
