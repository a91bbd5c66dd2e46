package entra_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/azid-go/azidentity/internal/entra"
)

// An answer is one of testdata/answers: an HTTP response as a server sends it.
type answer struct {
	name   string
	status int
	header http.Header
	body   []byte
}

func answers(t testing.TB) []answer {
	t.Helper()
	files, err := filepath.Glob("testdata/answers/*.http")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d answers, want 60 or more; %v", len(files), err)
	}
	var all []answer
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), nil)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, answer{strings.TrimSuffix(filepath.Base(file), ".http"), resp.StatusCode, resp.Header, body})
	}
	return all
}

// sent is when the requests of all answers were sent.
var sent = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// Pain 64: every answer becomes a token or one structured error.
func TestPain64Answers(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	for _, a := range answers(t) {
		token, err := entra.DecodeToken(a.status, a.header, a.body, sent)
		fmt.Fprintf(&got, "== %s: %d, %d bytes\n", a.name, a.status, len(a.body))
		describe(&got, token, err)
		if err != nil {
			var r struct {
				Token string `json:"access_token"`
			}
			_ = json.Unmarshal(a.body, &r)
			if r.Token != "" && strings.Contains(fmt.Sprintf("%+v %#v", err, err), r.Token) {
				t.Errorf("%s: the error has the token: %#v", a.name, err)
			}
			if strings.ContainsAny(err.Error(), "\n\x1b\a") || !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
				t.Errorf("%s: the error is not a readable line: %q", a.name, err)
			}
		}
	}
	golden := filepath.Join("testdata", "answers.golden")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		g, w := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("line %d of %s:\n got %s\nwant %s\n(-update rewrites the file)", i+1, golden, g[i], w[i])
			}
		}
		t.Fatalf("%s: got %d lines, want %d (-update rewrites the file)", golden, len(g), len(w))
	}
}

// describe prints the fields that are set.
func describe(w io.Writer, token entra.TokenResponse, err error) {
	field := func(name string, v any) {
		if s := fmt.Sprint(v); s != "" && s != "0" && s != "0s" && s != "[]" {
			fmt.Fprintf(w, "%s: %s\n", name, s)
		}
	}
	var e *entra.Error
	if !errors.As(err, &e) {
		field("token", len(token.AccessToken))
		field("expires", token.ExpiresOn.Sub(sent))
		field("extended", token.ExtExpiresOn.Sub(sent))
		if !token.RefreshOn.IsZero() {
			field("refresh", token.RefreshOn.Sub(sent))
		}
		field("scope", token.Scope)
		return
	}
	field("error", e.Error())
	field("code", e.Code)
	field("codes", e.Codes)
	field("suberror", e.SubError)
	field("claims", e.Claims)
	field("correlation", e.Correlation)
	field("trace", e.TraceID)
	field("timestamp", e.Timestamp)
	field("problem", e.Problem)
	field("retry after", e.RetryAfter)
	field("throttled for", e.ThrottledFor())
	if e.Body == nil {
		field("body", "withheld")
	}
	if a, ok := e.AdviceFor(); ok {
		field("advice", a.Means)
	}
}

func TestTokenDoesNotPrint(t *testing.T) {
	t.Parallel()
	token, err := entra.DecodeToken(200, nil, []byte(goodToken), sent)
	if err != nil || token.AccessToken != "token" {
		t.Fatalf("got %q, %v", token.AccessToken, err)
	}
	const want = "token until 2026-03-04T06:06:06Z"
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", token)
	for _, got := range []string{fmt.Sprint(token), fmt.Sprintf("%+v", token), fmt.Sprintf("%#v", token), fmt.Sprintf("%s", token)} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if !strings.Contains(log.String(), `"v":"`+want+`"`) {
		t.Errorf("the log has %s", &log)
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]entra.Error{
		"invalid_client: AADSTS7000215: Bad.":              {Status: 401, URL: "https://h/t", Code: "invalid_client", Description: "AADSTS7000215: Bad.\r\nTrace ID: x\r\nTimestamp: y"},
		"invalid_grant (HTTP status 400 from https://h/t)": {Status: 400, URL: "https://h/t", Code: "invalid_grant"},
		"Only words.": {Status: 400, URL: "https://h/t", Description: "Only words."},
		"the answer is empty (HTTP status 502 from https://h/t)": {Status: 502, URL: "https://h/t", Problem: "the answer is empty"},
		"HTTP status 418 from https://h/t":                       {Status: 418, URL: "https://h/t"},
		"invalid_grant: " + strings.Repeat("ü", 300) + "…":       {Status: 400, Code: "invalid_grant", Description: strings.Repeat("ü", 5000)},
		"invalid_grant: a" + strings.Repeat("ü", 299) + "…":      {Status: 400, Code: "invalid_grant", Description: "a" + strings.Repeat("ü", 5000)},
		"invalid_grant: words Trace IDs are not the tail of it":  {Code: "invalid_grant", Description: "words Trace IDs are\nnot the tail\tof it Correlation ID: x"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

func TestThrottledFor(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		after  time.Duration
		want   time.Duration
	}{
		{429, 0, 5 * time.Second}, {429, time.Minute, time.Minute}, {503, time.Minute, time.Minute}, {500, time.Second, time.Second},
		{503, 0, 0}, {400, time.Minute, 0}, {401, 0, 0},
	} {
		e := entra.Error{Status: tc.status, RetryAfter: tc.after}
		if got := e.ThrottledFor(); got != tc.want {
			t.Errorf("%d, %v: got %v, want %v", tc.status, tc.after, got, tc.want)
		}
	}
}

// Without a transport of the caller's there is one of ours, and constructing a
// client reaches for no network.
func TestDefaultTransport(t *testing.T) {
	t.Parallel()
	if _, err := entra.NewClient(entra.Config{Authority: authority(t, private), Region: entra.AutoDetect}); err != nil {
		t.Fatal(err)
	}
}
