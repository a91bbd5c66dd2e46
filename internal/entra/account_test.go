package entra_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
)

// unsigned is a JWT with these claims; nobody checks the rest.
func unsigned(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

const (
	user1 = "11111111-1111-1111-1111-111111111111"
	home2 = "22222222-2222-2222-2222-222222222222"
	// info is the vector of the facts, section 10.
	info = "eyJ1aWQiOiIxMTExMTExMS0xMTExLTExMTEtMTExMS0xMTExMTExMTExMTEiLCJ1dGlkIjoiMjIyMjIyMjItMjIyMi0yMjIyLTIyMjItMjIyMjIyMjIyMjIyIn0"
)

func TestAccount(t *testing.T) {
	t.Parallel()
	const app = entratest.DeveloperClientID
	const standard = `"iss":"https://login.microsoftonline.com/t1/v2.0","aud":"` + app + `"`
	full := entra.Account{
		HomeAccountID: user1 + "." + home2, LocalAccountID: "o1", TenantID: "t1", Username: "User@contoso.example", Name: "U",
		ClientID: app, Environment: "login.microsoftonline.com", Issuer: "login.microsoftonline.com",
	}
	changed := func(change func(*entra.Account)) entra.Account {
		a := full
		change(&a)
		return a
	}
	for _, tc := range []struct {
		name, host, claims, info, nonce string
		want                            entra.Account
		fails                           string
	}{
		{"all of it", "", `{` + standard + `,"oid":"o1","sub":"s1","tid":"t1","preferred_username":"User@contoso.example","upn":"u","name":"U","nonce":"n"}`, info, "n", full, ""},
		{"an alias of the authority", "login.windows.net", `{` + standard + `,"oid":"o1","tid":"t1","preferred_username":"User@contoso.example","name":"U"}`, info + "==", "",
			changed(func(a *entra.Account) { a.Environment = "login.windows.net" }), ""},
		{"several audiences", "", `{"iss":"https://sts.windows.net/t1/","aud":["x","` + strings.ToUpper(app) + `"],"sub":"o1","upn":"User@contoso.example","name":"U"}`, info, "",
			changed(func(a *entra.Account) { a.Issuer = "sts.windows.net" }), ""},
		{"ADFS", "adfs.contoso.example", `{"iss":"https://adfs.contoso.example/adfs","aud":"` + app + `","sub":"s1","upn":"u@contoso.example"}`, "", "", entra.Account{
			HomeAccountID: "s1", LocalAccountID: "s1", TenantID: "adfs", Username: "u@contoso.example", ClientID: app,
			Environment: "adfs.contoso.example", Issuer: "adfs.contoso.example"}, ""},
		{"no tenant at home", "", `{` + standard + `,"sub":"s"}`, base64.URLEncoding.EncodeToString([]byte(`{"uid":"u"}`)), "",
			entra.Account{HomeAccountID: "u.u", LocalAccountID: "s", TenantID: "t1", ClientID: app, Environment: full.Environment, Issuer: full.Issuer}, ""},
		{"out of time, which is this machine's clock", "", `{` + standard + `,"oid":"o1","tid":"t1","preferred_username":"User@contoso.example","name":"U","exp":1,"nbf":99999999999}`, info, "", full, ""},
		{"members of odd types", "", `{` + standard + `,"oid":"o1","tid":"t1","preferred_username":"User@contoso.example","name":"U","upn":1,"exp":"x"}`, info, "", full, ""},
		{"no ID token", "", "", info, "", entra.Account{}, "no ID token"},
		{"another application", "", `{"iss":"https://login.microsoftonline.com/t1/v2.0","aud":"other","sub":"s"}`, info, "", entra.Account{}, "another application"},
		{"no audience", "", `{"iss":"https://login.microsoftonline.com/t1/v2.0","sub":"s"}`, info, "", entra.Account{}, "another application"},
		{"another nonce", "", `{` + standard + `,"sub":"s","nonce":"m"}`, info, "n", entra.Account{}, "nonce"},
		{"no nonce", "", `{` + standard + `,"sub":"s"}`, info, "n", entra.Account{}, "nonce"},
		{"another cloud", "", `{"iss":"https://login.microsoftonline.us/t1/v2.0","aud":"` + app + `","sub":"s"}`, info, "", entra.Account{}, "not of the cloud"},
		{"another issuer", "", `{"iss":"https://evil.example.com/t1/v2.0","aud":"` + app + `","sub":"s"}`, info, "", entra.Account{}, "not of the cloud"},
		{"an issuer without TLS", "", `{"iss":"http://login.microsoftonline.com/t1/v2.0","aud":"` + app + `","sub":"s"}`, info, "", entra.Account{}, "https"},
		{"nobody", "", `{` + standard + `}`, info, "", entra.Account{}, "no subject"},
		{"not an object", "", `[1]`, info, "", entra.Account{}, "not a JSON object"},
		{"client_info is no base64", "", `{` + standard + `,"sub":"s"}`, "{}", "", entra.Account{}, "client_info is not base64url"},
		{"client_info has no uid", "", `{` + standard + `,"sub":"s"}`, "e30", "", entra.Account{}, "no uid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			host := tc.host
			if host == "" {
				host = entra.PublicCloudHost
			}
			response := entra.TokenResponse{ClientInfo: tc.info}
			if tc.claims != "" {
				response.IDToken = unsigned(tc.claims)
			}
			got, err := newClient(t, nil, at(t, host)).Account(t.Context(), entra.UserRequest{ClientID: app}, response, tc.nonce)
			switch {
			case tc.fails == "" && (err != nil || got != tc.want):
				t.Errorf("got  %+v, %v\nwant %+v", got, err, tc.want)
			case tc.fails != "" && (!errors.Is(err, entra.ErrNoAccount) || !strings.Contains(err.Error(), tc.fails) || got != (entra.Account{})):
				t.Errorf("got %+v, %v; want %q", got, err, tc.fails)
			case err != nil && response.IDToken != "" && strings.Contains(err.Error(), response.IDToken):
				t.Errorf("the error has the token: %v", err)
			}
		})
	}
}

func FuzzIDToken(f *testing.F) {
	f.Add(unsigned(`{"iss":"https://h/t/v2.0","aud":"a","exp":1700000000,"nbf":1,"oid":"o","sub":"s","tid":"t","preferred_username":"p","nonce":"n"}`), info)
	f.Add(unsigned(`{"aud":["a","b"],"exp":"1700000000","upn":"u"}`), "e30")
	f.Add("a.b.c", "eyJ1aWQiOiJ1In0=")
	f.Add("..", "")
	f.Fuzz(func(t *testing.T, token, clientInfo string) {
		id, err := entra.DecodeIDToken(token)
		if err != nil && (id.Issuer != "" || id.Subject != "" || id.Audiences != nil) {
			t.Fatalf("%q: both %+v and %v", token, id, err)
		}
		if err != nil && len(token) > 40 && strings.Contains(err.Error(), token) {
			t.Fatalf("the error has the token: %v", err)
		}
		uid, utid, err := entra.DecodeClientInfo(clientInfo)
		if (err == nil) != (uid != "") || (uid == "") != (utid == "") {
			t.Fatalf("%q: got %q, %q, %v", clientInfo, uid, utid, err)
		}
		// Whatever comes of it, it is an account or an error.
		c := newClient(t, nil)
		a, err := c.Account(context.Background(), entra.UserRequest{ClientID: "a"}, entra.TokenResponse{IDToken: token, ClientInfo: clientInfo}, "")
		if (err == nil) != (a.HomeAccountID != "") {
			t.Fatalf("%q %q: got %+v, %v", token, clientInfo, a, err)
		}
	})
}

func TestPKCE(t *testing.T) {
	t.Parallel()
	// RFC 7636, appendix B.
	if got := entra.Challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("got %s", got)
	}
	seen := make(map[string]bool)
	for _, make := range []func() string{entra.NewVerifier, entra.NewState, entra.NewNonce} {
		for range 10 {
			s := make()
			if data, err := base64.RawURLEncoding.DecodeString(s); err != nil || len(data) != 32 || seen[s] {
				t.Errorf("got %q", s)
			}
			seen[s] = true
		}
	}
}

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	base := entra.AuthorizeOptions{RedirectURI: "http://localhost:8400", State: "s"}
	e := newEmulator(t, entratest.Config{})
	for _, tc := range []struct {
		name, host, endpoint string
		tenant               string
		options              func(*entra.AuthorizeOptions)
		request              func(*entra.UserRequest)
		want                 url.Values // beside what all have
		asks                 int
	}{
		{"the least", "", "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize", "organizations", nil, nil, nil, 0},
		{"all of it", "", "https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize", "organizations", func(o *entra.AuthorizeOptions) {
			*o = entra.AuthorizeOptions{RedirectURI: o.RedirectURI, State: o.State, Nonce: "n", Verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
				ResponseMode: "query", Prompt: "login", LoginHint: "a+b@c.example", DomainHint: "c.example"}
		}, func(r *entra.UserRequest) { r.CAE = true }, url.Values{
			"nonce": {"n"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, "response_mode": {"query"},
			"prompt": {"login"}, "login_hint": {"a+b@c.example"}, "domain_hint": {"c.example"}, "claims": {entra.CAEClaims},
		}, 0},
		{"ADFS", "adfs.contoso.example", "https://adfs.contoso.example/adfs/oauth2/authorize", "adfs", nil, nil, nil, 0},
		{"discovered", "authorize.private.example.com", "https://authorize.private.example.com/" + tenant + "/oauth2/v2.0/authorize", tenant, nil, nil, nil, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			host := tc.host
			if host == "" {
				host = entra.PublicCloudHost
			}
			e.ResetJournal()
			r, o := userRequest(), base
			r.Tenant = tc.tenant
			if tc.options != nil {
				tc.options(&o)
			}
			if tc.request != nil {
				tc.request(&r)
			}
			text, err := newClient(t, e.Transport(), at(t, host)).AuthorizeURL(t.Context(), r, o)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(e.Journal()); n != tc.asks {
				t.Errorf("%d requests, want %d", n, tc.asks)
			}
			u, err := url.Parse(text)
			if err != nil || strings.Contains(text, "+") || u.Scheme+"://"+u.Host+u.Path != tc.endpoint {
				t.Errorf("got %s, want %s", text, tc.endpoint)
			}
			want := url.Values{
				"client_id": {r.ClientID}, "response_type": {"code"}, "redirect_uri": {o.RedirectURI}, "state": {"s"}, "client_info": {"1"},
				"scope": {vault + " openid offline_access profile"}, "response_mode": {"form_post"}, "prompt": {"select_account"},
			}
			for name, values := range tc.want {
				want[name] = values
			}
			if got := u.Query().Encode(); got != want.Encode() {
				t.Errorf("\n got %s\nwant %s", got, want.Encode())
			}
		})
	}
	c := newClient(t, e.Transport())
	for _, o := range []entra.AuthorizeOptions{{State: "s"}, {RedirectURI: "http://localhost"}} {
		if _, err := c.AuthorizeURL(t.Context(), userRequest(), o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	for _, bad := range []func(*entra.UserRequest){
		func(r *entra.UserRequest) { r.Claims = "{" },
		func(r *entra.UserRequest) { r.Scopes = []string{vault, "https://storage.azure.com/.default"} },
	} {
		r := userRequest()
		bad(&r)
		if _, err := c.AuthorizeURL(t.Context(), r, base); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
}

// What metadata documents say of the endpoints where people sign in.
func TestMetadataOfOtherEndpoints(t *testing.T) {
	t.Parallel()
	const head = `{"issuer":"https://h.example.com/t1/v2.0","token_endpoint":"https://h.example.com/t1/oauth2/token"`
	for body, want := range map[string][2]string{
		head + `,"authorization_endpoint":"https://w.example.com/t1/a","device_authorization_endpoint":"https://w.example.com/T1/d"}`: {
			"https://w.example.com/{tenant}/a", "https://w.example.com/{tenant}/d"},
		head + `}`: {"https://h.example.com/{tenant}/oauth2/authorize", "https://h.example.com/{tenant}/oauth2/devicecode"},
		head + `,"authorization_endpoint":"http://h.example.com/t1/a","device_authorization_endpoint":"https://u@h.example.com/t1/d"}`: {
			"https://h.example.com/{tenant}/oauth2/authorize", "https://h.example.com/{tenant}/oauth2/devicecode"},
		head + `,"authorization_endpoint":"https://w.example.com/t9/a"}`: {
			"https://h.example.com/{tenant}/oauth2/authorize", "https://h.example.com/{tenant}/oauth2/devicecode"},
	} {
		_, authorize, device, err := entra.Templates([]byte(body), "h.example.com", "t1")
		if err != nil || authorize != want[0] || device != want[1] {
			t.Errorf("%s: got %s and %s, %v; want %s", body, authorize, device, err, want)
		}
	}
}

// An application's own answer has no account, and pays for none.
func TestAccountOfTheEmulator(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, entratest.Config{})
	c := newClient(t, e.Transport())
	token, err := c.ClientCredentials(t.Context(), request())
	if err != nil || token.IDToken+token.ClientInfo+token.FamilyID != "" {
		t.Fatalf("got %+v, %v", token, err)
	}
	if _, err := c.Account(t.Context(), userRequest(), token, ""); !errors.Is(err, entra.ErrNoAccount) {
		t.Errorf("got %v", err)
	}
	verifier, nonce := entra.NewVerifier(), entra.NewNonce()
	code, err := e.AuthorizationCode(entratest.DefaultUsername, entratest.DeveloperClientID, entratest.DefaultPublicRedirectURI,
		entratest.WithCodeChallenge(entra.Challenge(verifier), "S256"), entratest.WithNonce(nonce), entratest.Lasting(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	token, err = c.AuthorizationCode(t.Context(), userRequest(), code, entratest.DefaultPublicRedirectURI, verifier)
	if err != nil {
		t.Fatal(err)
	}
	account, err := c.Account(t.Context(), userRequest(), token, nonce)
	if err != nil || account.Username != entratest.DefaultUsername || account.HomeAccountID != account.LocalAccountID+"."+tenant {
		t.Errorf("got %+v, %v", account, err)
	}
	if _, err := c.Account(t.Context(), userRequest(), token, entra.NewNonce()); !errors.Is(err, entra.ErrNoAccount) {
		t.Errorf("another nonce: got %v", err)
	}
}
