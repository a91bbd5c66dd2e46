//go:build interop

package interop_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/entratest"
)

// What is compared here is what service principals, people and managed identities send:
// method, scheme, host, path, query, header fields, form fields, and the header and
// claims of assertions, with their number and order. Not compared: retries of the
// token endpoint (azcore's on both sides) and of Service Fabric's, the pauses before
// all retries, HTTP/2 framing, and detection of the region by the instance metadata
// service.

// A difference is one thing that Microsoft's credential sent and ours did not,
// or the other way round, or differently.
type difference struct {
	kind         string // of the request
	field        string // of the request; "request" is the whole of it, "repeat" another of its kind
	theirs, ours string // "" if there is none
}

func (d difference) String() string {
	return fmt.Sprintf("%s: %s: Microsoft's %q, ours %q", d.kind, d.field, d.theirs, d.ours)
}

// compare pairs the requests of each kind in order, and compares them by field.
func compare(theirs, ours run) []difference {
	var all []difference
	if a, b := fmt.Sprint(theirs.outcomes), fmt.Sprint(ours.outcomes); a != b {
		all = append(all, difference{"GetToken", "outcome", a, b})
	}
	left := slices.Clone(ours.requests)
	both := map[string]bool{} // kinds of which a pair was found
	whole := func(kind string) string {
		if both[kind] {
			return "repeat"
		}
		return "request"
	}
	var paired []int // for each paired request of theirs, the position of ours
	for _, a := range theirs.requests {
		i := slices.IndexFunc(left, func(b request) bool { return b.kind == a.kind })
		if i < 0 {
			all = append(all, difference{a.kind, whole(a.kind), summary(a), ""})
			continue
		}
		all = append(all, compareFields(a, left[i])...)
		both[a.kind] = true
		left[i].kind = "" // taken
		paired = append(paired, i)
	}
	for _, b := range left {
		if b.kind != "" {
			all = append(all, difference{b.kind, whole(b.kind), "", summary(b)})
		}
	}
	if !slices.IsSorted(paired) {
		all = append(all, difference{"all requests", "order", "", fmt.Sprint(paired)})
	}
	return all
}

func summary(r request) string {
	return r.fields["method"] + " " + r.fields["scheme"] + "://" + r.fields["host"] + r.fields["path"]
}

func compareFields(a, b request) []difference {
	names := map[string]bool{}
	for name := range a.fields {
		names[name] = true
	}
	for name := range b.fields {
		names[name] = true
	}
	var all []difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if a.fields[name] != b.fields[name] {
			all = append(all, difference{a.kind, name, a.fields[name], b.fields[name]})
		}
	}
	return all
}

// A knownDifference is one that is meant, and why.
type knownDifference struct {
	key    string
	what   string
	reason string
	is     func(scenario, difference) bool
}

// explain returns the row of the table that d is, or nil.
func explain(s scenario, d difference) *knownDifference {
	for i := range knownDifferences {
		if knownDifferences[i].is(s, d) {
			return &knownDifferences[i]
		}
	}
	return nil
}

var knownDifferences = []knownDifference{
	{
		"discovery-unneeded",
		"no `GET /common/discovery/instance` for a host in the table of known hosts",
		"The table says what the answer would: the host is Microsoft's, and its aliases. A round trip less before the first token.",
		func(s scenario, d difference) bool {
			return d.kind == "instance-discovery" && onlyTheirs(d) && !s.discovers()
		},
	}, {
		"metadata-unneeded",
		"no `GET /{tenant}/v2.0/.well-known/openid-configuration` for a known host, ADFS, a regional endpoint, or with discovery switched off",
		"The token endpoint is a fixed function of host and tenant there, so that the answer is known. A round trip less for each tenant.",
		func(s scenario, d difference) bool {
			return d.kind == "openid-configuration" && onlyTheirs(d) && !s.discovers()
		},
	}, {
		"discovery-once",
		"instance discovery and metadata of an unknown host are requested once per process and transport",
		"Microsoft's requests them once per credential, tenant, kind of proof and setting of CAE, and again after a failure. The answer does not depend on those.",
		func(s scenario, d difference) bool {
			return (d.kind == "instance-discovery" || d.kind == "openid-configuration") && d.field == "repeat" && d.ours == "" && s.discovers()
		},
	}, {
		"region-host-verified",
		"an unknown host is asked about, at itself, also if a region is configured",
		"Microsoft's takes a region's endpoint at any host for genuine, whatever DisableInstanceDiscovery says: a mistyped host gets the secret.",
		func(s scenario, d difference) bool {
			if !s.discovers() || s.env["AZURE_REGIONAL_AUTHORITY_NAME"] == "" {
				return false
			}
			return d.kind == "instance-discovery" && d.field == "request" && d.theirs == "" ||
				d.kind == "openid-configuration" && d.field == "host" && d.theirs == "westeurope."+d.ours
		},
	}, {
		"region-not-at-private-host",
		"a configured region is ignored at an unknown host with discovery switched off",
		"Only Microsoft's clouds have regional endpoints. DisableInstanceDiscovery promises that nothing is sent to a host that was not named.",
		func(s scenario, d difference) bool {
			return strings.HasSuffix(s.authority, ".example") && s.skip && d.kind == "token" && d.field == "host" && d.theirs == "westeurope."+d.ours
		},
	}, {
		"tenant-refused-by-token-endpoint",
		"a tenant that does not exist is refused by the token endpoint, not by the metadata endpoint",
		"Follows from metadata-unneeded; the code is the same, AADSTS90002.",
		func(s scenario, d difference) bool {
			return s.name == "unknown tenant" && d.kind == "token" && d.field == "request" && d.theirs == ""
		},
	}, {
		"tenant-as-given",
		"a tenant given by its domain stays so in the token endpoint's path",
		"Follows from metadata-unneeded: the ID is the metadata's to tell. The token endpoint takes both.",
		func(_ scenario, d difference) bool {
			return d.kind == "token" && d.field == "path" &&
				d.ours == strings.Replace(d.theirs, entratest.DefaultTenantID, entratest.DefaultTenantDomain, 1)
		},
	}, {
		"scope-oidc-extras",
		"`scope` without `openid offline_access profile`",
		"They ask for an ID token and a refresh token, which client_credentials never yields. Python and JavaScript leave them out as well.",
		func(_ scenario, d difference) bool {
			return d.field == "form.scope" && d.theirs == d.ours+" openid offline_access profile"
		},
	}, {
		"no-client-info",
		"no `client_info=1`",
		"It asks for the user's identifiers, and there is no user. Microsoft's sends it with assertions, and not with secrets.",
		func(_ scenario, d difference) bool {
			return d.field == "form.client_info" && d.theirs == "1" && d.ours == ""
		},
	}, {
		"assertion-iat",
		"certificate assertions have `iat`",
		"RFC 7519 defines it, Microsoft's documentation lists it, and it tells in a log when the assertion was made.",
		func(_ scenario, d difference) bool {
			return d.field == "assertion.claims.iat" && d.theirs == "" && d.ours == "now+0 s"
		},
	}, {
		"assertion-nbf-leeway",
		"`nbf` of certificate assertions is 30 seconds ago, not now",
		"A clock that is a little fast would otherwise make an assertion that is not valid yet (AADSTS700024).",
		func(_ scenario, d difference) bool {
			return d.field == "assertion.claims.nbf" && d.theirs == "now+0 s" && d.ours == "now-30 s"
		},
	}, {
		"assertion-thumbprint-encoding",
		"`x5t#S256` and `x5t` are base64url without padding, not standard base64 with padding",
		"RFC 7515, sections 4.1.7 and 4.1.8. Entra ID takes both.",
		func(_ scenario, d difference) bool {
			return (d.field == "assertion.header.x5t#S256" || d.field == "assertion.header.x5t") &&
				d.ours == strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(d.theirs)
		},
	}, {
		"assertion-reused",
		"a certificate assertion is sent again to the same endpoint while it is valid, instead of a new one for each request",
		"A signature costs a millisecond, or a call to a key vault. Python and JavaScript reuse assertions as well.",
		func(s scenario, d difference) bool {
			return d.field == "assertion.claims.jti" && (strings.HasSuffix(s.proof, "certificate") || strings.HasSuffix(s.proof, "chain")) && d.ours < d.theirs
		},
	}, {
		"header-accept",
		"`Accept: application/json`",
		"Says what is understood; Microsoft's sends no Accept.",
		func(_ scenario, d difference) bool {
			return d.field == "header.Accept" && d.theirs == "" && d.ours == "application/json"
		},
	}, {
		"header-content-type",
		"`Content-Type: application/x-www-form-urlencoded` without `; charset=utf-8`",
		"The type has no such parameter (its registration with IANA; RFC 6749, appendix B).",
		func(_ scenario, d difference) bool {
			return d.field == "header.Content-Type" && d.theirs == d.ours+"; charset=utf-8"
		},
	}, {
		"header-client-sku",
		"`x-client-SKU` and `x-client-ver` name this library, not MSAL.Go",
		"It is not MSAL, and Microsoft's telemetry should not count it as such.",
		func(_ scenario, d difference) bool {
			return d.field == "header.X-Client-Sku" && d.theirs == "MSAL.Go" && d.ours == "azid.Go"
		},
	}, {
		"header-client-machine",
		"no `x-client-OS`, `x-client-CPU`",
		"Telemetry. The User-Agent names the system.",
		func(_ scenario, d difference) bool {
			return (d.field == "header.X-Client-Os" || d.field == "header.X-Client-Cpu") && d.ours == ""
		},
	}, {
		"assertion-expired-unsent",
		"`AssertionFromFile` does not send a token that has expired",
		"Entra ID would refuse it; the error shows when it expired, and nothing has left the machine. A service account's token is sent all the same, as the machine's clock may be what is wrong.",
		func(s scenario, d difference) bool {
			return s.proof == "file, expired" && d.kind == "token" && onlyTheirs(d)
		},
	}, {
		"device-grant-type",
		"`grant_type` of device codes is `urn:ietf:params:oauth:grant-type:device_code`, not `device_code`",
		"RFC 8628, section 3.4, and Microsoft's documentation. Python sends it, too.",
		func(_ scenario, d difference) bool {
			return d.kind == "token" && d.field == "form.grant_type" && d.theirs == "device_code" && d.ours == "urn:ietf:params:oauth:grant-type:device_code"
		},
	}, {
		"user-realm-path",
		"`GET /common/userrealm/{user}` in lower case",
		"As Python writes it. Letter case does not count there.",
		func(_ scenario, d difference) bool {
			return d.kind == "user-realm" && d.field == "path" && d.ours == strings.ToLower(d.theirs)
		},
	}, {
		"authorize-nonce",
		"the browser is sent off with a `nonce`",
		"OpenID Connect Core, section 3.1.2.1: it ties the ID token to the request. Python sends one, too.",
		func(_ scenario, d difference) bool {
			return d.kind == "authorize" && d.field == "query.nonce" && d.theirs == "" && d.ours == "present"
		},
	}, {
		"authorize-client-info",
		"the browser is sent off with `client_info=1`",
		"As MSAL for JavaScript does: it says that the application wants to know the account's identifiers.",
		func(_ scenario, d difference) bool {
			return d.kind == "authorize" && d.field == "query.client_info" && d.theirs == "" && d.ours == "1"
		},
	}, {
		"authorize-who",
		"when the person has to sign in once more, for another tenant for example, the browser is sent off with a `login_hint`",
		"It is the account of the first sign-in. Nobody has to pick it again, or picks another by mistake.",
		func(s scenario, d difference) bool {
			return d.kind == "authorize" && d.field == "query.login_hint" && d.theirs == "" && d.ours == entratest.DefaultUsername && s.hint == ""
		},
	}, {
		"renewed-at-home",
		"tokens of a sign-in at `organizations` are renewed at the account's home tenant",
		"The name stands for that tenant, which is known by then. The tokens are those that the tenant's ID is asked for by.",
		func(s scenario, d difference) bool {
			return s.tenant == "organizations" && d.kind == "token" && d.field == "path" &&
				d.ours == strings.Replace(d.theirs, "organizations", entratest.DefaultTenantID, 1)
		},
	}, {
		"one-sign-in-for-cae",
		"the first request with EnableCAE after a sign-in without takes the refresh token, and asks nobody",
		"Microsoft's keeps two memories, and has the person sign in once for each. The refresh token is good for both.",
		func(s scenario, d difference) bool {
			if !strings.HasSuffix(s.name, " cae later") {
				return false
			}
			switch d.kind {
			case "device-code", "user-realm", "authorize":
				return d.field == "repeat" && d.ours == ""
			case "token":
				return d.field == "form.grant_type" && d.ours == "refresh_token" || d.field == "form.refresh_token" && d.theirs == "" ||
					slices.Contains([]string{"device_code", "username", "password", "code", "code_verifier", "redirect_uri"}, strings.TrimPrefix(d.field, "form.")) && d.ours == ""
			}
			return false
		},
	}, {
		"pipelines-headers",
		"the request to Azure Pipelines has `client-request-id`, `x-client-SKU`, `x-client-ver` and `Content-Type: application/json`",
		"The first three name the request and the library in the service's logs. Python and JavaScript send the type as well.",
		func(_ scenario, d difference) bool {
			switch d.field {
			case "header.Client-Request-Id", "header.X-Client-Sku", "header.X-Client-Ver", "header.Content-Type":
				return d.kind == "pipelines" && d.theirs == ""
			}
			return false
		},
	}, {
		"machine-headers",
		"no `x-client-SKU`, `x-client-ver` and `x-ms-client-request-id` to the metadata service of virtual machines",
		"Telemetry, and an ID that nothing prints. The User-Agent names the library.",
		func(_ scenario, d difference) bool {
			switch d.field {
			case "header.X-Client-Sku", "header.X-Client-Ver", "header.X-Ms-Client-Request-Id":
				return d.kind == "managed-identity" && d.ours == ""
			}
			return false
		},
	}, {
		"machine-metadata",
		"`Metadata: true` to App Service and Azure ML as well",
		"Azure Automation, which has App Service's variables, demands it; others do not mind. Python's MSAL and JavaScript's send it too, each to one of them.",
		func(s scenario, d difference) bool {
			return (s.host == entratest.EndpointAppService || s.host == entratest.EndpointAzureML) &&
				d.field == "header.Metadata" && d.theirs == "" && d.ours == "true"
		},
	}, {
		"machine-empty-clientid",
		"no `clientid` to Azure ML when neither the options nor DEFAULT_IDENTITY_CLIENT_ID name an identity",
		"Microsoft's sends it without a value.",
		func(s scenario, d difference) bool {
			return s.host == entratest.EndpointAzureML && d.field == "query.clientid" && d.theirs == "(empty)" && d.ours == ""
		},
	}, {
		"machine-starting",
		"404 and 410 of App Service, Azure ML, Cloud Shell and Azure Arc are asked again",
		"An agent that starts or is updated answers so. JavaScript asks all hosts again as well. A 404 of Service Fabric is final, as documented.",
		func(s scenario, d difference) bool {
			return s.host != entratest.EndpointIMDS && s.faulted(http.StatusNotFound, http.StatusGone) &&
				(d.kind == "managed-identity" && d.field == "repeat" && d.theirs == "" || d.field == "outcome" && d.theirs == "[an error]" && d.ours == "[a token]")
		},
	}, {
		"machine-updated",
		"a 410 of the metadata service is asked again seven times, ten seconds apart, not six times with growing pauses",
		"The update that it stands for takes up to 70 seconds, by Microsoft's documentation: the token is there sooner, and the last try is not too early.",
		func(s scenario, d difference) bool {
			return s.host == entratest.EndpointIMDS && s.faulted(http.StatusGone) && d.field == "repeat" && d.theirs == ""
		},
	}, {
		"machine-revocation",
		"with EnableCAE, Service Fabric is told so (`xms_cc`), and with claims Service Fabric and App Service are told which token was refused (`token_sha256_to_refresh`; to App Service with `api-version=2025-03-30`)",
		"Otherwise the host may answer with the token that was refused, from its own memory. MSAL for JavaScript does so on Service Fabric.",
		func(s scenario, d difference) bool {
			if s.host != entratest.EndpointServiceFabric && s.host != entratest.EndpointAppService {
				return false
			}
			switch d.field {
			case "query.xms_cc", "query.token_sha256_to_refresh":
				return d.theirs == ""
			case "query.api-version":
				return d.theirs == "2019-08-01" && d.ours == "2025-03-30"
			}
			return false
		},
	}, {
		"header-return-client-request-id",
		"no `return-client-request-id: false`",
		"That is the server's default.",
		func(_ scenario, d difference) bool {
			return d.field == "header.Return-Client-Request-Id" && d.theirs == "false" && d.ours == ""
		},
	},
}

// onlyTheirs reports whether d is a request that we do not send.
func onlyTheirs(d difference) bool { return d.field == "request" && d.ours == "" }

// discovers reports whether we have to ask about the authority.
func (s scenario) discovers() bool {
	return strings.HasSuffix(s.authority, ".example") && !s.skip && s.tenant != "adfs"
}

// faulted reports whether the machine's endpoint answers with one of the statuses.
func (s scenario) faulted(statuses ...int) bool {
	return s.fault != nil && slices.Contains(statuses, s.fault.Status)
}

var differenceRow = regexp.MustCompile("(?m)^\\| *`([a-z0-9-]+)` *\\|")

// TestWireDifferencesAreDocumented holds the table in docs/architecture.md to
// the one in this file.
func TestWireDifferencesAreDocumented(t *testing.T) {
	t.Parallel()
	const heading = "Differences on the wire"
	text, err := os.ReadFile(filepath.Join("..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), heading+"\n")
	if !found {
		t.Fatalf("docs/architecture.md has no heading %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	documented := map[string]bool{}
	for _, row := range differenceRow.FindAllStringSubmatch(section, -1) {
		documented[row[1]] = true
	}
	for _, k := range knownDifferences {
		if !documented[k.key] {
			t.Errorf("docs/architecture.md, %q, misses the row\n| `%s` | %s | %s |", heading, k.key, k.what, k.reason)
		}
		delete(documented, k.key)
	}
	for key := range documented {
		t.Errorf("docs/architecture.md, %q, has a row %q that is none of the known differences", heading, key)
	}
}
