package entratest

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
)

// onMachine reports whether the endpoint is one of the machine's own, which write
// errors in forms of their own.
func (e Endpoint) onMachine() bool {
	switch e {
	case EndpointIMDS, EndpointAppService, EndpointServiceFabric, EndpointAzureML, EndpointLegacyAppService, EndpointCloudShell, EndpointAzureArc:
		return true
	}
	return false
}

// machineRefusal is the fault's error in the form that the endpoint has for it.
func (c *call) machineRefusal(f *Fault) reply {
	r := f.refusal()
	c.entry.Reason = r.reason
	message := r.text
	if f.Code != 0 {
		message = fmt.Sprintf("AADSTS%d: %s", f.Code, r.text)
	}
	code := cmp.Or(f.Error, machineCode(c.route.endpoint, r.status))
	var body map[string]any
	switch c.route.endpoint {
	case EndpointAppService, EndpointAzureML, EndpointLegacyAppService:
		code = cmp.Or(f.Error, strconv.Itoa(r.status))
		body = map[string]any{"statusCode": r.status, "message": message}
	case EndpointServiceFabric:
		body = map[string]any{"error": map[string]string{"code": code, "message": message, "correlationId": c.correlationID}}
	case EndpointCloudShell:
		body = map[string]any{"error": map[string]string{"code": code, "message": message}}
	default:
		body = map[string]any{"error": code, "error_description": message}
	}
	if f.Claims != "" {
		body["claims"] = f.Claims
	}
	return c.refuseWith(r.status, body, code)
}

// machineCode is the code with which an endpoint explains a status.
func machineCode(host Endpoint, status int) string {
	fabric := host == EndpointServiceFabric || host == EndpointCloudShell
	for _, row := range []struct {
		from, to       int
		imds, inObject string
	}{
		{http.StatusUnauthorized, http.StatusUnauthorized, "unknown_source", "SecretHeaderNotFound"},
		{http.StatusForbidden, http.StatusForbidden, "access_denied", "Forbidden"},
		{http.StatusNotFound, http.StatusNotFound, "not_found", "ManagedIdentityNotFound"},
		{http.StatusGone, http.StatusGone, "gone", "Gone"},
		{http.StatusTooManyRequests, http.StatusTooManyRequests, "too_many_requests", "TooManyRequests"},
		{500, 599, "unknown", "InternalServerError"},
		{400, 499, "invalid_request", "ArgumentNullOrEmpty"},
	} {
		if row.from <= status && status <= row.to {
			if fabric {
				return row.inObject
			}
			return row.imds
		}
	}
	return ""
}
