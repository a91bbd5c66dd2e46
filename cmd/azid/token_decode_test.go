package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

func unsigned(claims string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	return b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(claims)) + ".signature"
}

func TestDecodeToken(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	token := unsigned(`{"exp":1800003600,"nbf":1799999990,"n":12345678901234567890,"exp2":1,"evil":"\u001b[31m\r","roles":["a","b"],"iat":"soon"}`)
	var out bytes.Buffer
	if err := decodeToken(&out, token, false, now); err != nil {
		t.Fatal(err)
	}
	want := `header
  alg  none
claims
  evil   ` + "\uFFFD[31m\uFFFD" + `
  exp    2027-01-15 09:00:00Z, in 60 min
  exp2   1
  iat    soon
  n      12345678901234567890
  nbf    2027-01-15 07:59:50Z, 10 s ago
  roles  ["a","b"]
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	for _, opaque := range []string{"", "opaque", "a.b.c", "..", "eyJhbGciOiJSU0EtT0FFUCJ9.a.b.c.d"} {
		if err := decodeToken(&out, opaque, false, now); !errors.Is(err, errOpaque) {
			t.Errorf("%q: got %v", opaque, err)
		}
	}
}

func TestRelative(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "in 0 s", 59 * time.Second: "in 59 s", -90 * time.Second: "2 min ago",
		time.Hour - time.Second: "in 60 min", 24 * time.Hour: "in 24 h 0 min", -72 * time.Hour: "3 days ago",
	} {
		if got := relative(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}

func FuzzDecodeToken(f *testing.F) {
	f.Add(unsigned(`{"exp":1800003600,"aud":["a"],"x":null}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		var out bytes.Buffer
		if decodeToken(&out, token, false, time.Now()) == nil && strings.Contains(out.String(), "\x1b") {
			t.Error("the output steers the terminal")
		}
	})
}
