package entratest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/entratest"
)

func postJSON(t *testing.T, client doer, target, body string, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return send(t, client, r)
}

func TestAdminOfDeviceCodes(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, nil)
	const admin = "https://localhost/_emulator/devicecodes"
	approved, denied := post(t, e.Transport(), deviceURL, nativeForm("")), post(t, e.Transport(), deviceURL, nativeForm(""))
	list, _ := get(t, e.Transport(), admin).body["deviceCodes"].([]any)
	if len(list) != 2 || list[0].(map[string]any)["userCode"] != approved.text("user_code") {
		t.Errorf("got %v", list)
	}
	if strings.Contains(fmt.Sprint(list), approved.text("device_code")) {
		t.Error("the list has a device code, which is the client's secret")
	}
	if got := postJSON(t, e.Transport(), admin, `{"userCode":"`+approved.text("user_code")+`","user":"`+entratest.DefaultUsername+`","signIn":{"mfa":true}}`); got.status != 204 {
		t.Errorf("got %d %v", got.status, got.body)
	}
	if got := postJSON(t, e.Transport(), admin, `{"userCode":"`+denied.text("user_code")+`","deny":true}`); got.status != 204 {
		t.Errorf("got %d %v", got.status, got.body)
	}
	if got := post(t, e.Transport(), tokenURL, deviceForm(approved.text("device_code"))); fmt.Sprint(claimsOf(t, got.text("access_token"))["amr"]) != "[pwd mfa]" {
		t.Errorf("got %d %v", got.status, got.body)
	}
	if got := post(t, e.Transport(), tokenURL, deviceForm(denied.text("device_code"))); got.text("error") != "authorization_declined" {
		t.Errorf("got %d %v", got.status, got.body)
	}
	for body, status := range map[string]int{`{"userCode":"ABCDEFGHI","deny":true}`: 404, `{"usercode":"x"}`: 400, `[`: 400} {
		if got := postJSON(t, e.Transport(), admin, body); got.status != status || got.text("error") == "" {
			t.Errorf("%s: got %d %v", body, got.status, got.body)
		}
	}
	if got := postJSON(t, e.Transport(), admin, `{}`, "Origin", "https://evil.example.com"); got.status != 403 {
		t.Errorf("from a web page: got %d", got.status)
	}
	if e.CountRequests(entratest.EndpointUnknown) != 0 {
		t.Error("the journal has the emulator's own endpoints")
	}
}

func TestAdminOfUsers(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, conditioned())
	const admin, user = "https://localhost/_emulator/users", entratest.DefaultUsername
	change := func(body string) int { return postJSON(t, e.Transport(), admin, body).status }
	ask := func(password string) answer {
		return post(t, e.Transport(), tokenURL, passwordForm(user, password, "client_id", "20000000-bbbb-4bbb-8bbb-00000000000a"))
	}
	wantRefused(t, e, ask(entratest.DefaultPassword), 400, "invalid_grant", 65001, "")
	if s := change(`{"user":"` + user + `","password":"new","consentTo":"20000000-bbbb-4bbb-8bbb-00000000000a"}`); s != 204 {
		t.Fatalf("got %d", s)
	}
	first := ask("new")
	if first.status != 200 {
		t.Fatalf("got %d %v", first.status, first.body)
	}
	if s := change(`{"user":"` + user + `","revokeSessions":true}`); s != 204 {
		t.Fatalf("got %d", s)
	}
	form := nativeForm("refresh_token", "refresh_token", first.text("refresh_token"), "client_id", "20000000-bbbb-4bbb-8bbb-00000000000a")
	wantRefused(t, e, post(t, e.Transport(), tokenURL, form), 400, "invalid_grant", 50173, "")
	if s := change(`{"user":"` + user + `","disable":true}`); s != 204 {
		t.Fatalf("got %d", s)
	}
	wantRefused(t, e, ask("new"), 400, "invalid_grant", 50057, "")
	if s := change(`{"user":"` + user + `","enable":true}`); s != 204 || ask("new").status != 200 {
		t.Errorf("got %d", s)
	}
	if s := change(`{"user":"nobody@x.example","disable":true}`); s != 404 {
		t.Errorf("got %d", s)
	}
	if s := change(`{"name":"x"}`); s != 400 {
		t.Errorf("got %d", s)
	}
}

// A password prints as a placeholder wherever a configuration is printed.
func TestPasswordsDoNotPrint(t *testing.T) {
	t.Parallel()
	tenant := entratest.DefaultTenant()
	for _, text := range []string{fmt.Sprint(tenant), fmt.Sprintf("%+v %#v", tenant, tenant), fmt.Sprint(entratest.Password("hunter2")), entratest.Password("hunter2").LogValue().String()} {
		if strings.Contains(text, entratest.DefaultPassword) || strings.Contains(text, "hunter2") {
			t.Errorf("got %s", text)
		}
	}
}
