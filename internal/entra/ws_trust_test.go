package entra_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/secret"
)

// federationAnswers are what the emulator's federation servers say to each version.
func federationAnswers(t testing.TB) (mex, trust [][]byte) {
	t.Helper()
	e := newEmulator(t, entratest.Config{Tenants: []entratest.Tenant{federatedDirectory()}})
	recorded := transporter(func(r *http.Request) (*http.Response, error) {
		resp, err := e.Transport().Do(r)
		if err == nil && strings.Contains(r.URL.Path, "/services/trust/") {
			body, _ := io.ReadAll(resp.Body)
			resp.Body = io.NopCloser(strings.NewReader(string(body)))
			if strings.HasSuffix(r.URL.Path, "/mex") {
				mex = append(mex, body)
			} else {
				trust = append(trust, body)
			}
		}
		return resp, err
	})
	c := newClient(t, &recorded)
	for _, user := range []string{"o'brien@federated.example.com", "u@old.example.com", "u@new.example.com"} {
		if _, err := c.Password(t.Context(), userRequest(), user, secret.New(wellKept)); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = c.Password(t.Context(), userRequest(), "u@new.example.com", secret.New("wrong")) // a fault
	return mex, trust
}

const (
	trust13   = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	trust2005 = "http://schemas.xmlsoap.org/ws/2005/02/trust"
)

func TestDecodeMEX(t *testing.T) {
	t.Parallel()
	mex, _ := federationAnswers(t)
	both, old, latest := string(mex[0]), string(mex[1]), string(mex[2])
	for _, tc := range []struct {
		name, document, address, action, fails string
	}{
		{"both versions", both, "https://sts.federated.example.com/adfs/services/trust/13/usernamemixed", trust13 + "/RST/Issue", ""},
		{"the old one", old, "https://adfs.old.example.com/adfs/services/trust/2005/usernamemixed", trust2005 + "/RST/Issue", ""},
		{"the new one", "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>\n" + latest + "\n", "https://sts.new.example.com/adfs/services/trust/13/usernamemixed", trust13 + "/RST/Issue", ""},
		{"the new one without TLS", strings.ReplaceAll(both, "https://sts.federated.example.com/adfs/services/trust/13/u", "http://x/13/u"),
			"https://sts.federated.example.com/adfs/services/trust/2005/usernamemixed", trust2005 + "/RST/Issue", ""},
		{"an address with a password", strings.ReplaceAll(latest, "https://sts.", "https://a:b@sts."), "", "", "no https endpoint"},
		{"no password policy", strings.ReplaceAll(latest, "WssUsernameToken10", "WssUsernameToken11"), "", "", "no https endpoint"},
		{"no TLS policy", strings.ReplaceAll(latest, "TransportBinding", "SymmetricBinding"), "", "", "no https endpoint"},
		{"another transport", strings.ReplaceAll(latest, "soap/http", "soap/smtp"), "", "", "no https endpoint"},
		{"another operation", strings.ReplaceAll(latest, "RST/Issue", "RST/Validate"), "", "", "no https endpoint"},
		{"other policies", strings.ReplaceAll(latest, `URI="#UserName`, `URI="#Other`), "", "", "no https endpoint"},
		{"other namespaces", strings.ReplaceAll(latest, "http://schemas.xmlsoap.org/wsdl/soap12/", "urn:x"), "", "", "no https endpoint"},
		{"cut off", latest[:len(latest)-10], "", "", "not well-formed"},
		{"two documents", latest + latest, "", "", "not well-formed"},
		{"a DTD", "<!DOCTYPE a>" + latest, "", "", "document type"},
		{"entities", `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, "", "", "document type"},
		{"an unknown entity", `<a>&b;</a>`, "", "", "not well-formed"},
		{"deep", strings.Repeat("<a>", 1000), "", "", "nested too deeply"},
		{"wide", "<a>" + strings.Repeat("<b/>", 30_000) + "</a>", "", "", "too many elements"},
		{"empty", "", "", "", "not well-formed"},
		{"another encoding", `<?xml version="1.0" encoding="utf-7"?><a/>`, "", "", "not well-formed"},
	} {
		address, action, err := entra.DecodeMEX([]byte(tc.document))
		if address != tc.address || action != tc.action || (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%s: got %s, %s, %v; want %s, %q", tc.name, address, action, err, tc.address, tc.fails)
		}
	}
}

func TestDecodeTrust(t *testing.T) {
	t.Parallel()
	_, trust := federationAnswers(t)
	const saml1, saml2 = "urn:ietf:params:oauth:grant-type:saml1_1-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer"
	without := func(s string) string { // the type of the token
		from, to := strings.Index(s, "<t:TokenType>"), strings.Index(s, "</t:TokenType>")
		return s[:from] + s[to+len("</t:TokenType>"):]
	}
	for _, tc := range []struct{ name, document, grant, fails string }{
		{"1.3, SAML 1.1", string(trust[0]), saml1, ""},
		{"2005, SAML 1.1", string(trust[1]), saml1, ""},
		{"1.3, SAML 2.0", string(trust[2]), saml2, ""},
		{"no type, SAML 1.1", without(string(trust[1])), saml1, ""},
		{"no type, SAML 2.0", without(string(trust[2])), saml2, ""},
		{"a fault", string(trust[3]), "", "could not be authenticated"},
		{"another type", strings.Replace(string(trust[1]), "<t:TokenType>urn:", "<t:TokenType>x", 1), "", "not a SAML assertion"},
		{"another namespace", strings.ReplaceAll(string(trust[1]), trust2005, "urn:x"), "", "no security token"},
		{"not SOAP", "<a/>", "", "no SOAP envelope"},
		{"a DTD", "<!DOCTYPE a>" + string(trust[1]), "", "document type"},
		{"cut off", string(trust[1])[:500], "", "not well-formed"},
	} {
		grant, assertion, err := entra.DecodeTrust([]byte(tc.document))
		if grant != tc.grant || (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("%s: got %s, %v; want %s, %q", tc.name, grant, err, tc.grant, tc.fails)
		}
		if err == nil && (!strings.Contains(tc.document, ">"+assertion+"<") || !strings.HasPrefix(assertion, "<saml:Assertion ") || !strings.HasSuffix(assertion, "</saml:Assertion>")) {
			t.Errorf("%s: the assertion is not what the server wrote: %s", tc.name, assertion)
		}
	}
}

func FuzzMEX(f *testing.F) {
	mex, trust := federationAnswers(f)
	for _, document := range append(mex, trust...) {
		f.Add(document)
	}
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Fuzz(func(t *testing.T, document []byte) {
		address, action, err := entra.DecodeMEX(document)
		if (err == nil) != (address != "") || (err == nil) != (action != "") || address != "" && !strings.HasPrefix(strings.ToLower(address), "https://") {
			t.Fatalf("%q: got %q, %q, %v", document, address, action, err)
		}
	})
}

func FuzzTrust(f *testing.F) {
	mex, trust := federationAnswers(f)
	for _, document := range append(trust, mex...) {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		grant, assertion, err := entra.DecodeTrust(document)
		if (err == nil) != (grant != "") || (err == nil) != (assertion != "") || !strings.Contains(string(document), assertion) {
			t.Fatalf("%q: got %q, %q, %v", document, grant, assertion, err)
		}
		if err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 1000) {
			t.Fatalf("the error is not a line: %q", err)
		}
	})
}
