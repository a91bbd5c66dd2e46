package azidentity_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// completing is an authority that fills the code in, as RFC 8628 has it and Entra ID does
// not.
type completing struct{ entra *entratest.Transport }

func (c completing) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.entra.Do(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/devicecode") {
		return resp, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	body = bytes.Replace(body, []byte("{"), []byte(`{"verification_uri_complete":"https://example.com/code?c=ABC",`), 1)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

// A prompt gets the address with the code filled in, if there is one.
func TestDevicePromptComplete(t *testing.T) {
	t.Parallel()
	e, o := emulate(t, nil)
	enough := errors.New("enough")
	for _, want := range []string{"", "https://example.com/code?c=ABC"} {
		if want != "" {
			o.Transport = completing{e.Transport()}
		}
		var m azidentity.DeviceCodeMessage
		c := deviceCred(t, o, new(atomic.Int64), func(o *deviceOptions) {
			o.UserPrompt = func(_ context.Context, got azidentity.DeviceCodeMessage) error { m = got; return enough }
		})
		if _, err := c.GetToken(t.Context(), armToken); !errors.Is(err, enough) {
			t.Fatal(err)
		}
		if m.VerificationURLComplete != want || m.VerificationURL == "" {
			t.Errorf("the prompt had %+v, want %q", m, want)
		}
	}
}
