package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// errOpaque says that a token is for its resource alone to understand.
var errOpaque = errors.New("azid token: this token cannot be decoded: it is opaque, not a JSON Web Token; without --decode it is printed")

// decodeToken shows header and claims of a token. It checks nothing.
func decodeToken(w io.Writer, token string, asJSON bool, now time.Time) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errOpaque
	}
	header, err := decodePart(parts[0])
	if err != nil {
		return errOpaque
	}
	claims, err := decodePart(parts[1])
	if err != nil {
		return errOpaque
	}
	if asJSON {
		return writeJSON(w, map[string]any{"header": header, "claims": claims})
	}
	var b strings.Builder
	writePart(&b, "header", header, now)
	writePart(&b, "claims", claims, now)
	_, err = io.WriteString(w, b.String())
	return err
}

func decodePart(part string) (map[string]any, error) {
	data, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // numbers are shown as the issuer wrote them
	var members map[string]any
	err = dec.Decode(&members)
	return members, err
}

func writePart(b *strings.Builder, title string, members map[string]any, now time.Time) {
	fmt.Fprintln(b, title)
	width := 0
	for name := range members {
		width = max(width, len(name))
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		fmt.Fprintf(b, "  %-*s  %s\n", width, printable(name), printable(showClaim(name, members[name], now)))
	}
}

// timeClaims hold seconds since 1970 (RFC 7519, section 4.1, and OpenID Connect).
var timeClaims = []string{"auth_time", "exp", "iat", "nbf", "xms_tcdt"}

func showClaim(name string, value any, now time.Time) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		if seconds, err := v.Int64(); err == nil && slices.Contains(timeClaims, name) {
			t := time.Unix(seconds, 0)
			return t.UTC().Format("2006-01-02 15:04:05Z") + ", " + relative(t.Sub(now))
		}
		return v.String()
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// relative is "in 52 min" or "3 s ago".
func relative(d time.Duration) string {
	future, d := d >= 0, d.Abs()
	minutes := d.Round(time.Minute) / time.Minute
	var text string
	switch {
	case d < time.Minute:
		text = fmt.Sprintf("%d s", d/time.Second)
	case minutes < 100:
		text = fmt.Sprintf("%d min", minutes)
	case minutes < 48*60:
		text = fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	default:
		text = fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	if future {
		return "in " + text
	}
	return text + " ago"
}
