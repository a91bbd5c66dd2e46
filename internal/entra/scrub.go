package entra

import (
	"encoding/base64"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/azid-go/azidentity/internal/secret"
)

// longRun is how much of a secret, in one piece, gives a text away as an echo.
const longRun = 12

// maxKept is how much of a text an error keeps. Real ones have a kilobyte.
const maxKept = 16 << 10

// scrub returns s, up to maxKept, without f's secrets. What is echoed as it was sent is
// replaced where it stands. A text that has a long run of a secret in it
// nevertheless, cut off or encoded in some other way, goes as a whole.
func (f *Form) scrub(s string) string {
	if s == "" || len(f.secrets) == 0 {
		return s
	}
	var pairs []string
	for _, one := range f.secrets {
		v := one.value.Expose()
		for _, form := range []string{v, url.QueryEscape(v), url.PathEscape(v), html.EscapeString(v)} {
			pairs = append(pairs, form, secret.Placeholder)
		}
	}
	s = strings.NewReplacer(pairs...).Replace(s[:min(len(s), maxKept)])
	texts := decodings(s)
	for _, one := range f.secrets {
		if slices.ContainsFunc(texts, sharesRun(one.value.Expose())) {
			return secret.Placeholder
		}
	}
	return s
}

// sharesRun returns a function that reports whether a text has a long run in
// common with v, or contains v if that is short.
func sharesRun(v string) func(string) bool {
	size := min(len(v), longRun)
	runs := make(map[string]bool)
	for i := range len(v) - size + 1 {
		runs[v[i:i+size]] = true
	}
	return func(text string) bool {
		for i := range len(text) - size + 1 {
			if runs[text[i:i+size]] {
				return true
			}
		}
		return false
	}
}

// scrubHeader returns a copy of h without f's secrets.
func (f *Form) scrubHeader(h http.Header) http.Header {
	clean := h.Clone()
	for _, values := range clean {
		for i, v := range values {
			values[i] = f.scrub(v)
		}
	}
	return clean
}

// decoders undo what JSON, URLs, forms, HTML and base64 do to a text.
var decoders = []func(string) string{unescapeJSON, unescapeURL, unescapePlus, html.UnescapeString, decodeBase64}

// decodings returns s and what comes of it when it is decoded up to three
// times, in any order: a message may quote a page that quotes a form.
func decodings(s string) []string {
	all := []string{s}
	for from, depth := 0, 0; depth < 3; depth++ {
		to := len(all)
		for _, text := range all[from:to] {
			for _, decode := range decoders {
				if d := decode(text); d != "" && !slices.Contains(all, d) {
					all = append(all, d)
				}
			}
		}
		from = to
	}
	return all
}

var (
	escapeInJSON = regexp.MustCompile(`\\(?:u[0-9a-fA-F]{4}|.)`)
	escapeInURL  = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
	base64Text   = regexp.MustCompile(`[A-Za-z0-9+/_-]{16,}`)
	toStandard   = strings.NewReplacer("-", "+", "_", "/")
)

func unescapeJSON(s string) string {
	return escapeInJSON.ReplaceAllStringFunc(s, func(e string) string {
		if len(e) < 6 {
			return e[1:]
		}
		n, _ := strconv.ParseUint(e[2:], 16, 16)
		return string(rune(n))
	})
}

func unescapeURL(s string) string {
	return escapeInURL.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[1:], 16, 8)
		return string([]byte{byte(n)})
	})
}

func unescapePlus(s string) string { return strings.ReplaceAll(s, "+", " ") }

// decodeBase64 returns what the longer pieces of base64 in s stand for. A
// piece may have begun earlier than it seems, so all four beginnings are tried.
func decodeBase64(s string) string {
	var b strings.Builder
	for _, piece := range base64Text.FindAllString(s, -1) {
		piece = toStandard.Replace(piece)
		for i := range 4 {
			// An odd letter at the end decides no byte.
			rest := piece[i:]
			if len(rest)%4 == 1 {
				rest = rest[:len(rest)-1]
			}
			d, _ := base64.RawStdEncoding.DecodeString(rest)
			b.Write(d)
			b.WriteByte('\n')
		}
	}
	return b.String()
}
