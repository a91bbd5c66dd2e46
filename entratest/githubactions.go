package entratest

import (
	"cmp"
	"net/http"
)

// DefaultActionsRequestToken is what a job of the emulated GitHub Actions finds
// in ACTIONS_ID_TOKEN_REQUEST_TOKEN.
const DefaultActionsRequestToken = "not-a-token~emulated-actions-job"

const actionsPattern = "/{pool}/{run}/_apis/distributedtask/hubs/Actions/plans/{plan}/jobs/{job}/idtoken"

// ActionsRequestURL is what a job of the emulated GitHub Actions finds in
// ACTIONS_ID_TOKEN_REQUEST_URL, provided that its workflow has the permission
// id-token: write. With [DefaultActionsRequestToken] the endpoint issues
// assertions of the hosted issuer about [DefaultFederatedSubject], for the
// audience that is asked for, which live five minutes.
func (e *Emulator) ActionsRequestURL() string {
	return e.base + "/pool/run/_apis/distributedtask/hubs/Actions/plans/plan/jobs/job/idtoken?api-version=2.0"
}

func serveActions(c *call) reply {
	if c.req.Header.Get("Authorization") != "Bearer "+DefaultActionsRequestToken {
		c.entry.Reason = "the request token is wrong"
		return vssError(http.StatusUnauthorized, "VssUnauthorizedException", "The request token is not valid for this job.")
	}
	return c.buildAssertion("value", cmp.Or(c.req.URL.Query().Get("audience"), "https://github.com/owner"))
}
