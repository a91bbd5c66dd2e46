package entra

import (
	"encoding/json"
	"strings"
	"testing"
)

// The scanner and encoding/json agree on all that the scanner accepts, and it
// accepts what Entra writes.
func FuzzTokenAnswer(f *testing.F) {
	for _, s := range []string{
		`{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"a.b.c"}`,
		`{"token_type":"Bearer","expires_in":"3599","expires_on":"1700000000","resource":"x","access_token":"a"}`,
		` { "scope" : "a b" , "access_token" : "x" } `,
		`{"access_token":"a","access_token":"b","expires_in":1,"expires_in":"2"}`,
		`{"Access_Token":"a"}`, `{"expires_in":01}`, `{"expires_in":1e3}`, `{"expires_in":-1}`, `{"expires_in":null}`,
		`{"access_token":"é\n"}`, `{"access_token":"\u0061"}`, `{"access_token":1}`, `{"x":{"y":1}}`, `{}`, `{"a":1,}`, `{"a":1}x`,
		`{"":1}`, "{\"a\":\"\x00\"}", `{"expires_in":999999999999}`, `{"expires_in":"0x10"}`, `{"error":"e"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var fast, slow tokenAnswer
		if !fast.scan(body) {
			return
		}
		if err := json.Unmarshal(body, &slow); err != nil {
			t.Fatalf("the scanner accepts %q, and encoding/json says %v", body, err)
		}
		if fast != slow {
			t.Errorf("%q: scanned %+v, decoded %+v", body, fast, slow)
		}
	})
}

func TestScannerAcceptsWhatEntraWrites(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		`{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ0eXAi.eyJhdWQi.x-_"}`,
		`{"token_type":"Bearer","scope":"User.Read profile openid","expires_in":86399,"ext_expires_in":86399,"refresh_in":43199,"access_token":"a"}`,
		"{\r\n  \"token_type\": \"Bearer\",\r\n  \"expires_in\": \"3599\",\r\n  \"access_token\": \"a\"\r\n}\r\n",
	} {
		var a tokenAnswer
		if !a.scan([]byte(s)) || a.AccessToken == "" || a.ExpiresIn.n == 0 {
			t.Errorf("%s: got %+v", s, a)
		}
	}
}

func BenchmarkDecodeToken(b *testing.B) {
	body := []byte(`{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"` + strings.Repeat("e", 1500) + `"}`)
	b.ReportAllocs()
	for b.Loop() {
		var a tokenAnswer
		if err := a.decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
