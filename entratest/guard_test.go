package entratest

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestGuard is inside the package because no request is known to make a handler
// panic.
func TestGuard(t *testing.T) {
	t.Parallel()
	e, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	e.routes = []route{{"GET", "/broken", "broken", v2, func(*call) reply { panic("oops") }, false}}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequest("GET", "https://localhost/broken", nil))
	if w.Code != 500 || !strings.Contains(w.Body.String(), "AADSTS90033") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if entry, _ := e.LastRequest("broken"); entry.Status != 500 || !strings.Contains(entry.Reason, "panicked: oops") {
		t.Errorf("the journal has %+v", entry)
	}
}
