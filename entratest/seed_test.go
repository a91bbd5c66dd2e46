package entratest_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

func seedFile(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/seed.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParseSeed(t *testing.T) {
	t.Parallel()
	cfg, err := entratest.ParseSeed(seedFile(t))
	if err != nil {
		t.Fatal(err)
	}
	app := cfg.Tenants[0].Applications[0]
	if cfg.TokenLifetime != 90*time.Minute || cfg.CAETokenLifetime != 26*time.Hour || app.TokenLifetime != 2*time.Hour || app.RefreshIn != 30*time.Minute {
		t.Errorf("the lifetimes are %v, %v, %v, %v", cfg.TokenLifetime, cfg.CAETokenLifetime, app.TokenLifetime, app.RefreshIn)
	}
	if app.RedirectURIs[0] != "https://orders.contoso.example.com/signin" || app.PublicRedirectURIs[0] != "http://localhost" {
		t.Errorf("the redirect URIs are %v and %v", app.RedirectURIs, app.PublicRedirectURIs)
	}
	if ada := cfg.Tenants[0].Users[0]; ada.Password != "not-a-secret" || !ada.Conditions.MFA || ada.Conditions.AuthContexts[0] != "c1" {
		t.Errorf("the first user is %+v", ada)
	}
	if d := cfg.DeviceCodes; d.Outcome != "approve" || d.Interval != 2*time.Second || !d.SignIn.MFA || cfg.LockoutThreshold != 5 {
		t.Errorf("device codes: %+v", d)
	}
	if app.Secrets[1].Value != "old" || !app.Secrets[1].Expires.Equal(time.Date(2020, 1, 31, 0, 0, 0, 0, time.UTC)) {
		t.Error("the second secret is another")
	}
	e := newEmulator(t, cfg)
	got := post(t, e.Transport(), tokenURL, secretForm("client_secret", "one", "scope", "api://orders/.default"))
	if got.number("expires_in") != 7200 || got.number("refresh_in") != 1800 {
		t.Errorf("got %v", got.body)
	}
}

func TestParseSeedErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, seed, want string }{
		{"empty", ``, "line 1, column 1: the document ends early"},
		{"cut off", "{\n \"tenants\": [", "line 2, column 14: the document ends early"},
		{"syntax", "{\n \"region\": oops}", "line 2, column "},
		{"two documents", `{} {}`, "there is more after the document"},
		{"not an object", `[]`, "an object is needed"},
		{"unknown member", "{\n  \"regoin\": \"x\"\n}", `line 2, column 11: regoin: unknown member "regoin"`},
		{"letter case", `{"Region":"x"}`, `unknown member "Region"`},
		{"unknown member inside", `{"tenants":[{"id":"10000000-aaaa-4aaa-8aaa-000000000001","applications":[{"clientID":"x"}]}]}`, `tenants[0].applications[0].clientID: unknown member`},
		{"not from JSON", `{"Clock":null}`, "unknown member"},
		{"twice", `{"region":"a","region":"b"}`, "region: the member is there twice"},
		{"duration as a number", `{"tokenLifetime":60}`, `tokenLifetime: a duration is a string such as "90m"`},
		{"duration without a unit", `{"tokenLifetime":"60"}`, `tokenLifetime: "60" is not a duration`},
		{"time", `{"tenants":[{"applications":[{"secrets":[{"expires":"tomorrow"}]}]}]}`, "tenants[0].applications[0].secrets[0].expires: a time is"},
		{"string", `{"region":1}`, "region: a string is needed"},
		{"number", `{"journalSize":1.5}`, "journalSize: a whole number is needed"},
		{"bool", `{"tenants":[{"applications":[{"disabled":"yes"}]}]}`, "disabled: true or false"},
		{"list", `{"tenants":{}}`, "tenants: a list is needed"},
		{"map value", `{"tenants":[{"applications":[{"roles":{"a":"b"}}]}]}`, `roles["a"]: a list is needed`},
		{"invalid configuration", `{"tenants":[{"id":"x"}]}`, `tenants[0].id: "x" is not a GUID`},
	} {
		if _, err := entratest.ParseSeed([]byte(tt.seed)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// FuzzParseSeed checks that what is accepted survives being written and read, and
// that an emulator can be made of it.
func FuzzParseSeed(f *testing.F) {
	f.Add(seedFile(f))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"tenants":[]}`))
	f.Add([]byte(`{"tokenLifetime":"1h","journalSize":1}`))
	f.Add([]byte(`{"tenants":[{"id":"10000000-aaaa-4aaa-8aaa-000000000001","resources":[]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := entratest.ParseSeed(data)
		if err != nil {
			return
		}
		if _, err := entratest.New(cfg); err != nil {
			t.Fatalf("New refuses what ParseSeed took: %v", err)
		}
		text, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		again, err := entratest.ParseSeed(text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if text2, err := json.Marshal(again); err != nil || string(text2) != string(text) {
			t.Errorf("written, read and written again: %v\n%s\n%s", err, text, text2)
		}
	})
}

func TestSeedRoundTrip(t *testing.T) {
	t.Parallel()
	cfg, err := entratest.ParseSeed(seedFile(t))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	again, err := entratest.ParseSeed(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(cfg, again) {
		t.Errorf("got %s", text)
	}
}
