package entratest

import (
	"net/http"
	"net/url"
	"time"
)

const (
	// DefaultServiceConnectionID is the only service connection of the emulated
	// Azure Pipelines.
	DefaultServiceConnectionID = "30000000-cccc-4ccc-8ccc-000000000001"
	// DefaultSystemAccessToken is the system access token of its running job.
	DefaultSystemAccessToken = "not-a-token~emulated-pipelines-job"
)

// buildLifetime is that of the assertions which build services hand out.
const buildLifetime = 5 * time.Minute

const pipelinesPattern = "/{organization}/{project}/_apis/distributedtask/hubs/{hub}/plans/{plan}/jobs/{job}/oidctoken"

// PipelinesRequestURI is what a job of the emulated Azure Pipelines finds in
// SYSTEM_OIDCREQUESTURI. With [DefaultSystemAccessToken] and
// [DefaultServiceConnectionID] the endpoint issues assertions of the hosted
// issuer about [DefaultFederatedSubject], which live five minutes.
func (e *Emulator) PipelinesRequestURI() string {
	return e.base + "/organization/project/_apis/distributedtask/hubs/build/plans/plan/jobs/job/oidctoken"
}

// servePipelines answers as dev.azure.com does: a bad token leads to a sign-in
// page, unless the client says that it wants to hear of it.
func servePipelines(c *call) reply {
	var rep reply
	query := c.req.URL.Query()
	switch {
	case c.req.Header.Get("Authorization") != "Bearer "+DefaultSystemAccessToken && c.req.Header.Get("X-TFS-FedAuthRedirect") != "Suppress":
		c.entry.Reason = "the system access token is wrong, and the header X-TFS-FedAuthRedirect: Suppress is missing"
		rep = reply{
			status: http.StatusFound,
			header: http.Header{
				"Content-Type": {"text/html; charset=utf-8"},
				"Location":     {"https://spsprodcus1.vssps.visualstudio.com/_signin?realm=dev.azure.com&reply_to=" + url.QueryEscape(c.origin)},
			},
			body: []byte("<html><head><title>Object moved</title></head><body><h2>Object moved to <a href=\"#\">here</a>.</h2></body></html>"),
		}
	case c.req.Header.Get("Authorization") != "Bearer "+DefaultSystemAccessToken:
		c.entry.Reason = "the system access token is wrong"
		rep = reply{
			status: http.StatusUnauthorized,
			header: http.Header{"Content-Type": {"text/html; charset=utf-8"}, "Www-Authenticate": {"Bearer", "Basic realm=\"https://dev.azure.com/\""}},
			body:   []byte("<html><head><title>Azure DevOps Services | Sign In</title></head><body></body></html>"),
		}
	case query.Get("api-version") == "":
		c.entry.Reason = "the api-version is missing"
		rep = vssError(http.StatusBadRequest, "VssVersionNotSpecifiedException",
			"No api-version was supplied for the \"POST\" request. The version must be supplied either as part of the Accept header or as a query parameter.")
	case query.Get("serviceConnectionId") != DefaultServiceConnectionID:
		c.entry.Reason = "there is no service connection with this ID"
		rep = vssError(http.StatusNotFound, "EndpointNotFoundException",
			"No service connection found with identifier "+query.Get("serviceConnectionId")+".")
	default:
		rep = c.buildAssertion("oidcToken", DefaultFederatedAudience)
	}
	rep.header.Set("X-Vss-E2eid", newGUID())
	rep.header.Set("X-Msedge-Ref", "Ref A: "+newGUID()+" Ref B: EMULATED")
	return rep
}

// vssError is an error in the form of Azure DevOps.
func vssError(status int, kind, message string) reply {
	return jsonReply(status, map[string]any{
		"$id": "1", "innerException": nil, "message": message,
		"typeName": "Microsoft.TeamFoundation." + kind, "typeKey": kind, "errorCode": 0, "eventId": 3000,
	})
}

// buildAssertion answers with an assertion in the member.
func (c *call) buildAssertion(member, audience string) reply {
	jwt, err := c.e.FederatedAssertion(DefaultFederatedSubject, WithAudience(audience), WithLifetime(buildLifetime))
	if err != nil {
		panic(err)
	}
	return jsonReply(http.StatusOK, map[string]any{member: jwt})
}
