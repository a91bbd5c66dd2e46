package entratest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// requestToken asks for a token as any OAuth client would.
func requestToken(client *http.Client, authority, secret string) (int, string) {
	resp, err := client.PostForm(authority+"/"+entratest.DefaultTenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {entratest.DefaultClientID},
		"client_secret": {secret},
		"scope":         {"https://vault.azure.net/.default"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		TokenType string `json:"token_type"`
		Error     string `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		log.Fatal(err)
	}
	return resp.StatusCode, body.TokenType + body.Error
}

func ExampleNewServer() {
	server := entratest.NewServer(nil)
	defer server.Close()

	fmt.Println(requestToken(server.Client(), server.URL, entratest.DefaultClientSecret))
	fmt.Println(requestToken(server.Client(), server.URL, "wrong"))
	refused, _ := server.LastRequest(entratest.EndpointToken)
	fmt.Println(refused.Reason)
	// Output:
	// 200 Bearer
	// 401 invalid_client
	// the secret matches none of 1 secrets of application 20000000-bbbb-4bbb-8bbb-000000000001
}

func ExampleNew() {
	tenant := entratest.DefaultTenant()
	tenant.Applications[0].Secrets = []entratest.Secret{{Value: "rotated"}}
	emulator, err := entratest.New(&entratest.Config{Tenants: []entratest.Tenant{tenant}})
	if err != nil {
		log.Fatal(err)
	}
	// In process: no socket, and any host name leads to the emulator.
	client := emulator.Transport().Client()
	fmt.Println(requestToken(client, "https://login.microsoftonline.com", "rotated"))
	fmt.Println(emulator.CountRequests(entratest.EndpointToken), "token request")
	// Output:
	// 200 Bearer
	// 1 token request
}

func ExampleEmulator_Inject() {
	emulator, err := entratest.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	// The first two token requests meet an outage.
	emulator.Inject(entratest.Fault{Endpoint: entratest.EndpointToken, Times: 2, Status: http.StatusServiceUnavailable})

	client := emulator.Transport().Client()
	for range 3 {
		fmt.Println(requestToken(client, "https://login.microsoftonline.com", entratest.DefaultClientSecret))
	}
	// Output:
	// 503 temporarily_unavailable
	// 503 temporarily_unavailable
	// 200 Bearer
}

func ExampleListen() {
	// Port 0 takes a free one; a command would name its port.
	server, err := entratest.Listen("localhost:0", &entratest.Config{Region: "westus2"})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	// Clients have to trust server.CAPEM().
	fmt.Println(requestToken(server.Client(), server.URL, entratest.DefaultClientSecret))
	// Output:
	// 200 Bearer
}

func ExampleParseSeed() {
	cfg, err := entratest.ParseSeed([]byte(`{
	"tokenLifetime": "90m",
	"tenants": [{
		"id": "10000000-aaaa-4aaa-8aaa-000000000001",
		"domains": ["contoso.example.com"],
		"applications": [{
			"clientId": "20000000-bbbb-4bbb-8bbb-000000000001",
			"secrets": [{"value": "one"}, {"value": "old", "expires": "2020-01-31T00:00:00Z"}]
		}]
	}]
}`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cfg.Tenants[0].Domains, cfg.TokenLifetime)

	// Mistakes are named with their place.
	_, err = entratest.ParseSeed([]byte(`{
	"tenants": [{"ID": "10000000-aaaa-4aaa-8aaa-000000000001"}]
}`))
	fmt.Println(err)
	// Output:
	// [contoso.example.com] 1h30m0s
	// entratest: seed: line 2, column 19: tenants[0].ID: unknown member "ID"
}

// A user signs in with a device code, as a program asks for it.
func ExampleEmulator_ApproveDeviceCode() {
	emulator, err := entratest.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	client := emulator.Transport().Client()
	ask := func(endpoint string, form url.Values) (answer struct {
		DeviceCode string `json:"device_code"`
		Error      string `json:"error"`
		TokenType  string `json:"token_type"`
	}) {
		form.Set("client_id", entratest.DeveloperClientID)
		resp, err := client.PostForm("https://login.microsoftonline.com/organizations/oauth2/v2.0/"+endpoint, form)
		if err != nil {
			log.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			log.Fatal(err)
		}
		return answer
	}
	begun := ask("devicecode", url.Values{"scope": {"https://graph.microsoft.com/User.Read"}})
	poll := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {begun.DeviceCode}}
	fmt.Println(ask("token", poll).Error)

	for _, waiting := range emulator.DeviceCodes() {
		err := emulator.ApproveDeviceCode(waiting.UserCode, entratest.DefaultUsername, entratest.SignIn{MFA: true})
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(ask("token", poll).TokenType)
	// Output:
	// authorization_pending
	// Bearer
}

func ExampleUser() {
	tenant := entratest.DefaultTenant()
	users := []entratest.User{
		{Username: "ada@emulator.example.com", Password: "not-a-secret"},
		{Username: "grace@emulator.example.com", Password: "not-a-secret", Conditions: entratest.Conditions{MFA: true}},
	}
	tenant.Users = users
	emulator, err := entratest.New(&entratest.Config{Tenants: []entratest.Tenant{tenant}})
	if err != nil {
		log.Fatal(err)
	}
	for _, user := range users {
		resp, err := emulator.Transport().Client().PostForm("https://login.microsoftonline.com/organizations/oauth2/v2.0/token", url.Values{
			"grant_type": {"password"}, "client_id": {entratest.DeveloperClientID}, "scope": {"https://graph.microsoft.com/User.Read"},
			"username": {user.Username}, "password": {string(user.Password)},
		})
		if err != nil {
			log.Fatal(err)
		}
		_ = resp.Body.Close()
		last, _ := emulator.LastRequest(entratest.EndpointToken)
		fmt.Println(last.Status, last.Code)
	}
	// Output:
	// 200 0
	// 400 50076
}

func ExampleEmulator_FederatedAssertion() {
	emulator, err := entratest.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	// What a workload would read from AZURE_FEDERATED_TOKEN_FILE, too old to be used.
	assertion, err := emulator.FederatedAssertion(entratest.DefaultFederatedSubject, entratest.WithLifetime(-time.Hour))
	if err != nil {
		log.Fatal(err)
	}
	resp, err := emulator.Transport().Client().PostForm("https://login.microsoftonline.com/"+entratest.DefaultTenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type":            {"client_credentials"},
		"client_id":             {entratest.DefaultClientID},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
		"scope":                 {"https://vault.azure.net/.default"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	refused, _ := emulator.LastRequest(entratest.EndpointToken)
	fmt.Println(refused.Status, refused.Code, refused.AssertionClaims["aud"])
	// Output:
	// 401 700024 api://AzureADTokenExchange
}

// The emulator plays a machine too. A program finds it by the variables of a host.
func ExampleServer_Environment() {
	server := entratest.NewServer(nil)
	defer server.Close()
	env := server.Environment(entratest.EndpointAppService)

	// What libraries do on App Service, over plain HTTP as there.
	r, err := http.NewRequest(http.MethodGet, env["IDENTITY_ENDPOINT"]+"?api-version=2019-08-01&resource=https://vault.azure.net", nil)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("X-IDENTITY-HEADER", env["IDENTITY_HEADER"])
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(resp.StatusCode, strings.HasPrefix(env["IDENTITY_ENDPOINT"], server.MachineURL))
	// Output: 200 true
}

func ExampleEmulator_Verifications() {
	tenant := entratest.DefaultTenant()
	tenant.Users[0].Conditions.MFA = true
	emulator, err := entratest.New(&entratest.Config{Tenants: []entratest.Tenant{tenant}, VerificationCode: "123456"})
	if err != nil {
		log.Fatal(err)
	}
	// Somebody signs in, and has given the password.
	if err := signInByPage(emulator); err != nil {
		log.Fatal(err)
	}
	for _, asked := range emulator.Verifications() {
		fmt.Println(asked.Username, "has to enter", asked.Code)
	}
	// Output:
	// user@emulator.example.com has to enter 123456
}

// signInByPage does what a browser does until the password is sent.
func signInByPage(emulator *entratest.Emulator) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := emulator.Transport().Client()
	browser.Jar = jar
	const authority = "https://localhost"
	r, err := http.NewRequest(http.MethodGet, authority+"/"+entratest.DefaultTenantID+"/oauth2/v2.0/authorize?"+url.Values{
		"client_id": {entratest.DefaultClientID}, "redirect_uri": {entratest.DefaultRedirectURI}, "response_type": {"code"},
		"scope": {"openid"}, "login_hint": {entratest.DefaultUsername},
	}.Encode(), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/html")
	resp, err := browser.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	token := regexp.MustCompile(`name="signin_token" value="(.+?)"`).FindSubmatch(page)
	resp, err = browser.PostForm(authority+"/common/login", url.Values{
		"signin_token": {string(token[1])}, "do": {"password"}, "passwd": {entratest.DefaultPassword},
	})
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
