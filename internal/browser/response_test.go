package browser_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/azid-go/azidentity/internal/browser"
	"github.com/azid-go/azidentity/internal/secret"
)

const (
	state = "canary-state-0c7e5d1fa2"
	code  = "1.canary-code-9b1f~/+=&%"
)

func answer(values ...string) string {
	v := url.Values{}
	for i := 0; i < len(values); i += 2 {
		v.Add(values[i], values[i+1])
	}
	return v.Encode()
}

func TestParseRedirect(t *testing.T) {
	t.Parallel()
	good := answer("code", code, "state", state, "client_info", "eyJ1aWQi")
	want := browser.Response{Code: secret.New(code), ClientInfo: "eyJ1aWQi"}
	refused := browser.Response{Error: "access_denied", SubError: "cancel", ErrorDescription: "AADSTS65004: declined. Trace ID: 1",
		ErrorURI: "https://login.example/error?code=65004", Claims: `{"a":1}`}
	for name, tt := range map[string]struct {
		address string
		want    browser.Response
		err     error
	}{
		"address":            {address: "http://localhost:8400/?" + good, want: want},
		"without a slash":    {address: "http://localhost:8400?" + good, want: want},
		"other redirect URI": {address: "https://login.example/nativeclient?" + good + "#", want: want},
		"only the query":     {address: "?" + good, want: want},
		"bare query":         {address: good, want: want},
		"wrapped and quoted": {address: "  \"http://localhost:8400/?" + good[:20] + "\r\n" + good[20:] + "\"\n", want: want},
		"in angle brackets":  {address: "<http://localhost:8400/?" + good + ">", want: want},
		"refusal": {address: "http://localhost/?" + answer("error", "access_denied", "error_subcode", "cancel",
			"error_description", "AADSTS65004: declined.\r\nTrace ID: 1", "error_uri", "https://login.example/error?code=65004",
			"claims", `{"a":1}`, "state", state), want: refused},
		"suberror goes before":        {address: answer("error", "e", "suberror", "s", "error_subcode", "c", "state", state), want: browser.Response{Error: "e", SubError: "s"}},
		"escapes for the terminal":    {address: answer("error", "e\x1b[31m", "error_description", "a\x00b\u202ec\xff", "state", state), want: browser.Response{Error: "e [31m", ErrorDescription: "a b c"}},
		"script as link":              {address: answer("error", "e", "error_uri", "javascript:alert(1)", "state", state), want: browser.Response{Error: "e"}},
		"link with quotes":            {address: answer("error", "e", "error_uri", `https://login.example/"><'`, "state", state), want: browser.Response{Error: "e", ErrorURI: "https://login.example/%22%3E%3C%27"}},
		"endless description":         {address: answer("error", "e", "error_description", strings.Repeat("é", 3000), "state", state), want: browser.Response{Error: "e", ErrorDescription: strings.Repeat("é", 2000) + "…"}},
		"empty parameters are none":   {address: good + "&error=&error_uri=", want: want},
		"unknown parameters":          {address: good + "&session_state=1&x=1&x=2", want: want},
		"address of a form's answer":  {address: "http://localhost:8400/", err: browser.ErrNoAnswer},
		"empty":                       {address: "", err: browser.ErrNoAnswer},
		"only the state":              {address: "?state=" + state, err: browser.ErrNoAnswer},
		"in the fragment":             {address: "http://localhost:8400/#" + good, err: browser.ErrNoAnswer},
		"other state":                 {address: answer("code", code, "state", state+"x"), err: browser.ErrOtherSignIn},
		"beginning of the state":      {address: answer("code", code, "state", state[:5]), err: browser.ErrOtherSignIn},
		"no state":                    {address: answer("code", code), err: browser.ErrOtherSignIn},
		"empty state":                 {address: answer("code", code, "state", ""), err: browser.ErrOtherSignIn},
		"error without state":         {address: answer("error", "access_denied"), err: browser.ErrOtherSignIn},
		"state twice":                 {address: good + "&state=" + state, err: browser.ErrMalformed},
		"code twice":                  {address: good + "&code=x", err: browser.ErrMalformed},
		"error twice":                 {address: answer("error", "a", "error", "b", "state", state), err: browser.ErrMalformed},
		"code and error":              {address: good + "&error=access_denied", err: browser.ErrMalformed},
		"broken escape":               {address: good + "&x=%zz", err: browser.ErrMalformed},
		"semicolon":                   {address: good + ";x=1", err: browser.ErrMalformed},
		"longer than any real answer": {address: good + "&x=" + strings.Repeat("x", browser.MaxAnswer), err: browser.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := browser.ParseRedirect(tt.address, state)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if g, w := got.Code.Expose(), tt.want.Code.Expose(); g != w {
				t.Errorf("got code %q, want %q", g, w)
			}
			if got.Code = tt.want.Code; got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// An empty state is no state: nothing matches it.
func TestParseRedirectWithoutState(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"code=c&state=", "code=c", "error=e"} {
		if _, err := browser.ParseRedirect(query, ""); !errors.Is(err, browser.ErrOtherSignIn) {
			t.Errorf("%s: got %v, want ErrOtherSignIn", query, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		r    browser.Response
		want bool
	}{
		{browser.Response{Error: "access_denied", SubError: "cancel"}, true},
		{browser.Response{Error: "access_denied", ErrorDescription: "AADSTS65004: User declined to consent."}, true},
		{browser.Response{Error: "access_denied", ErrorDescription: "The user denied the request"}, true},
		{browser.Response{Error: "access_denied"}, true},
		{browser.Response{Error: "access_denied", ErrorDescription: "AADSTS53003: Blocked by Conditional Access."}, false},
		{browser.Response{Error: "server_error", SubError: "cancel"}, false},
		{browser.Response{Code: secret.New("c")}, false},
	} {
		if got := tt.r.Cancelled(); got != tt.want {
			t.Errorf("%+v: got %v, want %v", tt.r, got, tt.want)
		}
	}
}

// Pain 4: no error shows what was pasted, and no verb prints the code.
func TestPain4RedirectIsNotShown(t *testing.T) {
	t.Parallel()
	r, err := browser.ParseRedirect(answer("code", code, "state", state), state)
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %q", r, r, &r, r)
	for _, address := range []string{"http://[" + answer("code", code, "state", state), "code=" + code + "&state=" + state + "&x=%zz", answer("code", code, "state", state+"x"), answer("code", code, "code", code, "state", state)} {
		_, err := browser.ParseRedirect(address, state)
		if err == nil {
			t.Errorf("%s: no error", address)
		}
		printed += fmt.Sprintf("\n%v %+v %#v", err, err, err)
	}
	if strings.Contains(printed, "canary") {
		t.Errorf("the code or the state was printed:\n%s", printed)
	}
}

func FuzzParseRedirect(f *testing.F) {
	for _, s := range []string{
		"http://localhost:8400/?" + answer("code", code, "state", state),
		"?" + answer("error", "access_denied", "error_description", "AADSTS65004: x\r\ny", "error_uri", "https://login.example/", "state", state),
		"http://localhost:8400/", "state=" + state + "&code=a&state=" + state, "code=%zz", "#?&=;", "\"<code=1>\"",
	} {
		f.Add(s, state)
	}
	f.Fuzz(func(t *testing.T, address, state string) {
		r, err := browser.ParseRedirect(address, state)
		if err != nil {
			if !errors.Is(err, browser.ErrNoAnswer) && !errors.Is(err, browser.ErrOtherSignIn) && !errors.Is(err, browser.ErrMalformed) {
				t.Errorf("got error %v", err)
			}
			if r != (browser.Response{}) {
				t.Errorf("got %+v with an error", r)
			}
			return
		}
		if state == "" || r.Code.IsZero() == (r.Error == "") {
			t.Errorf("state %q: got %+v", state, r)
		}
		for _, s := range []string{r.Error, r.SubError, r.ErrorDescription, r.ErrorURI} {
			if strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Errorf("%q is not fit for a terminal", s)
			}
		}
		if u, err := url.Parse(r.ErrorURI); err != nil || r.ErrorURI != "" && u.Scheme != "https" && u.Scheme != "http" {
			t.Errorf("got the link %q", r.ErrorURI)
		}
		// It is the sign-in's, because the state stands in it, once.
		again, err := browser.ParseRedirect(answer("code", r.Code.Expose(), "error", r.Error, "state", state), state)
		if err != nil || again.Error != r.Error || again.Code.Expose() != r.Code.Expose() {
			t.Errorf("the answer of %+v reads as %+v, %v", r, again, err)
		}
	})
}
