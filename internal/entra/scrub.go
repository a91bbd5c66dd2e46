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

// scrub returns s without f's secrets. What is echoed as it was sent is
// replaced where it stands; a text that has a secret in some other encoding
// goes as a whole.
func (f *Form) scrub(s string) string {
	var pairs []string
	for _, one := range f.secrets {
		v := one.value.Expose()
		for _, form := range []string{v, url.QueryEscape(v), url.PathEscape(v), html.EscapeString(v)} {
			pairs = append(pairs, form, secret.Placeholder)
		}
	}
	if len(pairs) == 0 || s == "" {
		return s
	}
	s = strings.NewReplacer(pairs...).Replace(s)
	for _, one := range f.secrets {
		if encodes(s, one.value.Expose()) {
			return secret.Placeholder
		}
	}
	return s
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

// shortest is how long a secret must be for its encodings to be looked for:
// what is shorter is part of any text.
const shortest = 6

// encodes reports whether s contains v escaped as in JSON, URLs, HTML, or a
// mixture of these, or in base64 at any offset.
func encodes(s, v string) bool {
	if len(v) < shortest {
		return false
	}
	inJSON := unescapeJSON(s)
	for _, text := range []string{s, inJSON, unescapeURL(s), unescapeURL(inJSON)} {
		for _, t := range []string{text, html.UnescapeString(text)} {
			if strings.Contains(t, v) || strings.Contains(strings.ReplaceAll(t, "+", " "), v) {
				return true
			}
		}
	}
	standard := strings.NewReplacer("-", "+", "_", "/", `\/`, "/").Replace(s)
	return slices.ContainsFunc(append(inBase64(v), inBase64(url.QueryEscape(v))...), func(core string) bool {
		return strings.Contains(standard, core)
	})
}

// inBase64 returns the characters that v alone decides in the base64 of a text
// with v in it, for the three offsets that v can have.
func inBase64(v string) []string {
	var cores []string
	for offset := range 3 {
		core := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:offset] + v))
		if (offset+len(v))%3 != 0 {
			core = core[:len(core)-1]
		}
		cores = append(cores, core[(offset*4+2)/3:])
	}
	return cores
}

var (
	escapeInJSON = regexp.MustCompile(`\\(?:u[0-9a-fA-F]{4}|.)`)
	escapeInURL  = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
)

func unescapeJSON(s string) string {
	return escapeInJSON.ReplaceAllStringFunc(s, func(e string) string {
		if len(e) == 6 {
			n, _ := strconv.ParseUint(e[2:], 16, 16)
			return string(rune(n))
		}
		return e[1:]
	})
}

func unescapeURL(s string) string {
	return escapeInURL.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[1:], 16, 8)
		return string([]byte{byte(n)})
	})
}
