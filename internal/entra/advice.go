package entra

// An Advice says, in our own words, what a refusal means to whoever reads it,
// and what to do. {app}, {tenant} and {scope} stand for those of the request.
type Advice struct {
	Means string // completes "Entra ID …"
	Next  string // an instruction, with a command that can be pasted where there is one
}

// AdviceFor returns the advice on the first of e's codes that has one, or on the OAuth
// error.
func (e *Error) AdviceFor() (Advice, bool) {
	for _, code := range e.Codes {
		if a, ok := advice[code]; ok {
			return a, true
		}
	}
	a, ok := adviceByError[e.Code]
	return a, ok
}

// adviceByError is for refusals that come with several numbers, or none.
var adviceByError = map[string]Advice{
	"authorization_declined": {"was told by the user not to sign in", "start again, if that was a mistake"},
	"access_denied":          {"was told by the user not to sign in", "start again, if that was a mistake"},
	"expired_token":          {"waited for a sign-in with the device code until it expired", "start again, and enter the new code"},
	"code_expired":           {"waited for a sign-in with the device code until it expired", "start again, and enter the new code"},
	"bad_verification_code":  {"does not know the device code, or no longer", "start again, and enter the new code"},
	"unsupported_grant_type": {"does not take this kind of request",
		"check that the authority is Entra ID, and that application {app} allows this flow"},
}

const (
	listSecrets = "az ad app credential list --id {app}"
	listFIC     = "az ad app federated-credential list --id {app}"
)

// advice is for the codes that people meet. What the codes mean is Microsoft's
// public reference of AADSTS errors; the words are ours.
var advice = map[int]Advice{
	7000215: {"refused the secret of application {app} in tenant {tenant}",
		"check that the configured value is the secret itself, not its ID, and that it belongs to this application: " + listSecrets},
	7000222: {"refused the secret of application {app}: it has expired",
		"create a new secret and configure it: az ad app credential reset --id {app} --append"},
	7000216: {"wants a client secret or assertion in the request for application {app}, and found neither",
		"give the credential a secret, certificate or assertion"},
	7000218: {"wants application {app} to prove its identity, and the request has no proof",
		"give the credential a secret, certificate or assertion, or allow public client flows on the application"},
	7000112: {"has application {app} disabled in tenant {tenant}",
		"enable it: az ad sp update --id {app} --set accountEnabled=true"},
	700016: {"knows no application {app} in tenant {tenant}",
		"check client ID and tenant; if the application is of another tenant, it needs a service principal here: az ad sp create --id {app}"},
	700027: {"does not accept the certificate or key that signed for application {app}",
		"register the certificate with the application, or use the one that is registered: az ad app credential list --id {app} --cert"},
	700024: {"finds the assertion outside the time in which it is valid",
		"set this machine's clock by a time server; if the assertion comes from elsewhere, request a new one for each token"},
	700023: {"finds another audience in the assertion than the token endpoint",
		"let the assertion's audience be the token endpoint, or api://AzureADTokenExchange if it is a federated one"},
	50012: {"cannot verify the assertion's signature",
		"check that key and registered certificate belong together: az ad app credential list --id {app} --cert"},
	50027: {"cannot read the assertion: it is not a valid JWT",
		"check what the assertion source returns; it must be the JWT alone"},
	5002723: {"cannot read the assertion: it is not a valid JWT",
		"check what the assertion source returns; it must be the JWT alone"},
	70021: {"found no federated credential of application {app} that matches the assertion",
		"compare issuer, subject and audience of the assertion with " + listFIC},
	700211: {"found no federated credential of application {app} for the assertion's issuer",
		"compare the issuer, to the last slash, with " + listFIC},
	700212: {"found no federated credential of application {app} for the assertion's audience",
		"request the assertion for api://AzureADTokenExchange, or compare with " + listFIC},
	700213: {"found no federated credential of application {app} for the assertion's subject",
		"compare the subject, letter by letter, with " + listFIC},
	7002138: {"found a federated credential of application {app} whose subject differs in letter case only",
		"give the subject as the issuer writes it: " + listFIC},
	90002: {"knows no tenant {tenant}",
		"check the tenant ID or domain, and that the authority is that of its cloud: az account tenant list"},
	900023: {"cannot read {tenant} as a tenant: it is neither an ID nor a domain",
		"give the directory (tenant) ID that the portal shows on the overview page of Microsoft Entra ID"},
	90023: {"cannot read {tenant} as a tenant",
		"give the directory (tenant) ID that the portal shows on the overview page of Microsoft Entra ID"},
	50059: {"was not told the tenant",
		"configure the tenant's ID or domain"},
	500011: {"knows no resource in tenant {tenant} for the scope {scope}",
		"check the scope's spelling, and that the resource's application is present in this tenant and cloud"},
	500014: {"has the resource of scope {scope} disabled in tenant {tenant}",
		"ask an administrator to enable its enterprise application"},
	50001: {"knows no resource for the scope {scope}, or has it disabled",
		"check the scope's spelling and the tenant"},
	1002012: {"takes only <resource>/.default as the scope of an application's own token, not {scope}",
		"ask for the resource's identifier followed by /.default, for example https://management.azure.com/.default"},
	70011: {"cannot read the scope {scope}",
		"give <resource>/.default, for example https://management.azure.com/.default"},
	28000: {"was asked for several resources at once",
		"request a token for each resource"},
	700022: {"was asked for several resources at once",
		"request a token for each resource"},
	900144: {"misses a parameter in the request",
		"see the server's words above for its name"},
	901002: {"does not take the parameter \"resource\" at this endpoint",
		"use a scope"},
	65001: {"has no consent for application {app} to use {scope}",
		"grant it as an administrator: az ad app permission admin-consent --id {app}"},
	65004: {"was told by the user not to grant what application {app} asks for",
		"ask again, or for less"},
	90094: {"needs an administrator's consent for what application {app} asks for",
		"grant it as an administrator: az ad app permission admin-consent --id {app}"},
	90008: {"has no consent for application {app} to use the resource",
		"add the permission to the application, then grant it: az ad app permission admin-consent --id {app}"},
	650052: {"has no subscription to, or service principal of, the resource in tenant {tenant}",
		"ask an administrator of the tenant to enable the service"},
	50034: {"knows no such user in tenant {tenant}",
		"check the user name; guests sign in at the tenant that invited them"},
	50020: {"does not have the user in tenant {tenant}",
		"sign in with an account of this tenant, or have the user invited"},
	50053: {"has locked the account after too many attempts",
		"wait, or ask an administrator to unlock it"},
	50055: {"wants a new password: the old one has expired",
		"change the password in a browser first"},
	50056: {"has no password for the user",
		"check the user name; an account of another directory or a personal one signs in at a sign-in page"},
	50064: {"could not check the user's password",
		"check user name and password, or use a credential that shows a sign-in page"},
	50144: {"wants a new password: the one of the organisation's own directory has expired",
		"change the password there first"},
	50057: {"has the user's account disabled",
		"ask an administrator"},
	50126: {"refused the user name or the password",
		"check both"},
	50072: {"wants the user to register for multifactor authentication",
		"sign in once in a browser"},
	50074: {"wants multifactor authentication",
		"use a credential that shows a sign-in page; a password alone cannot do it"},
	50076: {"wants multifactor authentication for this resource",
		"use a credential that shows a sign-in page; for an application, pass the error's claims on to the client"},
	50079: {"wants the user to register for multifactor authentication",
		"sign in once in a browser"},
	50097: {"wants to know the device", "sign in in a browser, on a device that is registered with tenant {tenant}"},
	50129: {"wants a device that is registered with tenant {tenant}", "sign in from such a device, or ask an administrator"},
	50132: {"has ended the user's session: the password was changed or the sessions were revoked", "sign in again"},
	50133: {"has ended the user's session: the password was changed or has expired", "sign in again"},
	70018: {"does not know the device code, or no longer", "start again, and enter the new code"},
	70019: {"waited for a sign-in with the device code until it expired", "start again, and enter the new code"},
	70020: {"waited for a sign-in with the device code until it expired", "start again, and enter the new code"},
	700025: {"has application {app} as a public client, which must not send a secret or assertion",
		"leave them away, or register the redirect URI for a web application"},
	50105: {"has the user not assigned to application {app}",
		"ask an administrator to assign the user"},
	50158: {"wants a further step from another security provider",
		"sign in in a browser"},
	50173: {"has withdrawn the grant: the password was changed or the sessions were revoked",
		"sign in again"},
	53000: {"wants a device that complies with the tenant's policy", "sign in from a managed device, or ask an administrator"},
	53001: {"wants a device that is joined to the domain", "sign in from such a device, or ask an administrator"},
	53003: {"refuses by a Conditional Access policy of tenant {tenant}",
		"ask an administrator which policy applies; the sign-in log, searched by the correlation ID below, names it"},
	530035: {"refuses by the security defaults of tenant {tenant}",
		"ask an administrator"},
	700082: {"has let the refresh token lapse for want of use", "sign in again"},
	50013:  {"does not accept the user's assertion", "check that it is an unexpired access token for application {app}"},
	500131: {"finds another audience in the user's assertion than application {app}",
		"let the client request its token for this application"},
	50049: {"does not know this authority host",
		"check AZURE_AUTHORITY_HOST; for a private cloud switch instance discovery off"},
	50196: {"throttles: the same request came too often",
		"keep one credential and let it cache, and look for a loop"},
	90033: {"is in passing trouble", "try again"},
}
