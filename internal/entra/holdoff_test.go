package entra_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/azid-go/azidentity/entratest"
	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/holdoff"
)

// Which answers keep the same request from being sent again at once. Those to a
// client that polls do not, nor does passing trouble.
func TestSameRequestIsNotSentAgain(t *testing.T) {
	t.Parallel()
	signingKey()
	for _, tt := range []struct {
		fault entratest.Fault
		held  bool
	}{
		{entratest.Fault{Error: "invalid_client", Status: 401}, true},
		{entratest.Fault{Error: "invalid_client", Status: 400}, true},
		{entratest.Fault{Error: "invalid_grant"}, true},
		{entratest.Fault{Error: "unauthorized_client"}, true},
		{entratest.Fault{Error: "interaction_required"}, true},
		{entratest.Fault{Status: 429}, true},
		{entratest.Fault{Status: 503, Code: 90033}, false},
		{entratest.Fault{Status: 408, Error: "timeout"}, false},
		{entratest.Fault{Error: "authorization_pending"}, false},
		{entratest.Fault{Error: "slow_down"}, false},
		{entratest.Fault{Reset: true}, false},
		{entratest.Fault{Status: 404, Body: "<html>"}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEmulator(t, entratest.Config{})
			e.Inject(tt.fault)
			c := newClient(t, e.Transport(), func(cfg *entra.Config) { cfg.Options.Retry.MaxRetries = -1 })
			for range 2 {
				_, err := c.ClientCredentials(t.Context(), request())
				var again *holdoff.Remembered
				if n := len(e.Journal()); err == nil || errors.As(err, &again) && n != 1 {
					t.Errorf("%+v: got %v after %d requests", tt.fault, err, n)
				}
			}
			if n := len(e.Journal()); (n == 1) != tt.held {
				t.Errorf("%+v: %d requests for 2 calls, held off: want %v", tt.fault, n, tt.held)
			}
		})
	}
}
