package entra_test

import (
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/entra"
)

func TestAdvice(t *testing.T) {
	t.Parallel()
	for _, code := range []int{
		7000215, 7000222, 700016, 90002, 700027, 700024, 70021, 50034, 65001, 50076, 53003, 90094, 900023, 500011, 7000112,
		7000218, 700211, 700212, 700213, 1002012, 65004, 50126,
	} {
		if _, ok := (&entra.Error{Codes: []int{1, code}}).AdviceFor(); !ok {
			t.Errorf("%d has no advice", code)
		}
	}
	if a, ok := (&entra.Error{Codes: []int{1}}).AdviceFor(); ok {
		t.Errorf("an unknown code has the advice %v", a)
	}
	if a, _ := (&entra.Error{Codes: []int{70021, 700213}}).AdviceFor(); a != entra.AllAdvice[70021] {
		t.Errorf("got %v, want the advice on the first code", a)
	}
	if a, ok := (&entra.Error{Code: "authorization_declined", Codes: []int{1}}).AdviceFor(); !ok || !strings.Contains(a.Means, "told by the user") {
		t.Errorf("a declined device code has the advice %v", a)
	}
	fill := strings.NewReplacer("{app}", "APP", "{tenant}", "TENANT", "{scope}", "SCOPE")
	all := make(map[any]entra.Advice)
	for code, a := range entra.AllAdvice {
		all[code] = a
	}
	for name, a := range entra.AdviceByError {
		all[name] = a
	}
	for code, a := range all {
		for _, text := range []string{fill.Replace(a.Means), fill.Replace(a.Next)} {
			switch {
			case text == "" || text != strings.TrimSpace(text):
				t.Errorf("%v: %q is empty or has spaces around it", code, text)
			case strings.ContainsAny(text, "{}\n"):
				t.Errorf("%v: %q has braces or line breaks left", code, text)
			case strings.HasSuffix(text, ".") || strings.Contains(text, "AADSTS"):
				t.Errorf("%v: %q has a final period or is the server's text", code, text)
			case text[0] != strings.ToLower(text)[0]:
				t.Errorf("%v: %q begins in upper case, in the middle of a sentence", code, text)
			}
		}
	}
}
