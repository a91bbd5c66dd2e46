package entra_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/holdoff"
)

// Which answers keep the same request from being sent again and again. Those to a
// client that polls do not, nor does passing trouble.
func TestSameRequestIsNotSentAgain(t *testing.T) {
	t.Parallel()
	signingKey()
	const calls, atOnce, inRow, never = 10, 1, holdoff.Tries + 1, 10
	for _, tt := range []struct {
		fault entratest.Fault
		sent  int
	}{
		{entratest.Fault{Error: "invalid_client", Status: 401}, inRow},
		{entratest.Fault{Error: "invalid_client", Status: 400}, inRow},
		{entratest.Fault{Error: "invalid_grant"}, inRow},
		{entratest.Fault{Error: "unauthorized_client"}, inRow},
		{entratest.Fault{Error: "interaction_required"}, inRow},
		{entratest.Fault{Status: 429}, atOnce},
		{entratest.Fault{Status: 503, Code: 90033}, never},
		{entratest.Fault{Status: 408, Error: "timeout"}, never},
		{entratest.Fault{Error: "authorization_pending"}, never},
		{entratest.Fault{Error: "slow_down"}, never},
		{entratest.Fault{Reset: true}, never},
		{entratest.Fault{Status: 404, Body: "<html>"}, never},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEmulator(t, entratest.Config{})
			e.Inject(tt.fault)
			c := newClient(t, e.Transport(), func(cfg *entra.Config) { cfg.Options.Retry.MaxRetries = -1 })
			for range calls {
				_, err := c.ClientCredentials(t.Context(), request())
				var again *holdoff.Remembered
				if n := len(e.Journal()); err == nil || errors.As(err, &again) && n != tt.sent {
					t.Errorf("%+v: got %v after %d requests", tt.fault, err, n)
				}
			}
			if n := len(e.Journal()); n != tt.sent {
				t.Errorf("%+v: %d requests for %d calls, want %d", tt.fault, n, calls, tt.sent)
			}
		})
	}
}
