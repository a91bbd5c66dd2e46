package entratest

import (
	"encoding/json"
	"slices"
	"strings"
)

// userSession is a user who has signed in, and how.
type userSession struct {
	user *User
	did  SignIn
	// number is that of the user's sessions at the time: see person.
	number int
}

// session begins one.
func (c *call) session(u *User, did SignIn) userSession {
	return userSession{user: u, did: did, number: c.e.people.view(u.ID).sessions}
}

const mfaText = "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access '%s'."

// checkConditions is Conditional Access, and the user's consent.
func (c *call) checkConditions(app *application, s userSession, identifier string, requested claimsRequest) *refusal {
	want := s.user.Conditions
	applies := len(want.Resources) == 0 || slices.ContainsFunc(want.Resources, func(r string) bool { return sameResource(r, identifier) })
	for _, context := range requested.acrs {
		if slices.Contains(want.AuthContexts, context) && !s.did.MFA {
			ref := refuse(50076, "the claims ask for the authentication context "+context+", and the user has not passed multifactor authentication",
				mfaText, identifier)
			return c.stepUp(ref, "basic_action", "acrs", context)
		}
	}
	policy := stableGUID("conditional access policy", c.tenant.ID, s.user.ID)
	switch {
	case !applies:
	case want.Blocked:
		return c.stepUp(refuse(53003, "the user's conditions say blocked",
			"Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."), "message_only", "capolids", policy)
	case want.RegisterMFA:
		return c.stepUp(refuse(50079, "the user's conditions say registerMfa",
			"Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access '%s'.", identifier), "basic_action", "capolids", policy)
	case want.MFA && !s.did.MFA:
		return c.stepUp(refuse(50076, "the user's conditions say mfa, and the user has given a password only",
			mfaText, identifier), "basic_action", "capolids", policy)
	case want.CompliantDevice && !s.did.CompliantDevice:
		return c.stepUp(refuse(53000, "the user's conditions say compliantDevice, and the device is unknown",
			"Device is not in required device state: compliant. Conditional Access policy requires a compliant device, and the device is not compliant."), "message_only", "capolids", policy)
	}
	if app.ConsentRequired && !c.e.consented(s.user, app) {
		ref := refuse(65001, "the application has ConsentRequired, and the user has not consented",
			"The user or administrator has not consented to use the application with ID '%s' named '%s'. Send an interactive authorization request for this user and resource.", app.ClientID, app.Name)
		ref.suberror = "consent_required"
		return ref
	}
	return nil
}

// stepUp completes a refusal with what the client has to send with the next sign-in.
// Grants without one are refused with invalid_grant (password), others with
// interaction_required.
func (c *call) stepUp(ref *refusal, suberror, claim, value string) *refusal {
	request := map[string]any{"essential": true, "values": []string{value}}
	if claim == "acrs" {
		request = map[string]any{"essential": true, "value": value}
	}
	ref.claims = claimsText(claim, request)
	ref.suberror = suberror
	if c.form.Get("grant_type") == "password" || strings.Contains(c.form.Get("grant_type"), ":saml") {
		ref.oauth = "invalid_grant"
	}
	return ref
}

// claimsText is a claims parameter that asks for one claim of the access token.
func claimsText(claim string, request map[string]any) string {
	text, err := json.Marshal(map[string]any{"access_token": map[string]any{claim: request}})
	if err != nil {
		panic(err)
	}
	return string(text)
}
