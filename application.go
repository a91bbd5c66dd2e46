package azidentity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/events"
	"github.com/azid-go/azidentity/internal/tokencache"
)

// appOptions are what the options of all application credentials have in
// common.
type appOptions struct {
	azcore.ClientOptions
	additionallyAllowedTenants []string
	disableInstanceDiscovery   bool
	tokens                     TokenOptions
	flow                       string // of [tokencache.Principal]; default client_credentials
	// proxy takes the place of the transport; the proof tells it from others.
	proxy *tokenProxy
}

// An application is a service principal that gets tokens, for itself or for users. It
// is what the credentials with a secret, a certificate, an assertion or no proof share.
type application struct {
	// What a token in memory takes stands together.
	name    string // of the credential, for errors, traces and events
	tenants tenantRules
	tracer  tracing.Tracer
	memory

	clientID  string
	auth      clientAuth
	authority entra.Authority
	sharing   bool // of the default transport
	entra     entra.Client
}

// newApplication makes an application that proves itself by auth, or a public client if
// that is nil.
func newApplication(name, tenant, clientID string, auth clientAuth, o appOptions) (*application, error) {
	if auth == nil {
		auth = publicClient{}
	}
	fail := func(err error) (*application, error) { return nil, fmt.Errorf("%s: %w", name, err) }
	if clientID == "" {
		return fail(errors.New("the client ID is missing: pass the ID of the application"))
	}
	authority, authorityTenant, err := authorityFrom(&o.ClientOptions)
	if err != nil {
		return fail(err)
	}
	if authorityTenant != "" {
		tenant = authorityTenant
	}
	rules, err := newTenantRules(tenant, o.additionallyAllowedTenants)
	if err != nil {
		return fail(err)
	}
	// Known hosts are asked about by nobody, whatever the environment says.
	skip := o.disableInstanceDiscovery || !authority.Known() && isTrue(os.Getenv("AZURE_IDENTITY_DISABLE_INSTANCE_DISCOVERY"))
	cfg := entra.Config{Authority: authority, SkipDiscovery: skip, Module: module, Version: version, Options: o.ClientOptions}
	switch {
	case o.proxy != nil:
		cfg.Options.Transport = o.proxy // one for all regions
	case o.flow == "":
		cfg.Region = regionFromEnvironment()
	}
	a := &application{
		name: name, clientID: clientID, tenants: rules, auth: auth, authority: authority,
		tracer:  o.TracingProvider.NewTracer(module, version),
		sharing: o.Transport == nil,
	}
	if err := a.entra.Init(&cfg); err != nil {
		return fail(err)
	}
	a.memory = newMemory(tokencache.Principal{
		Authority: authority.Canonical(), Client: strings.ToLower(clientID), Flow: cmp.Or(o.flow, "client_credentials"),
		Proof: auth.proof(), Unverified: skip && !authority.Known(),
	}, &o.ClientOptions, o.tokens, auth.private())
	return a, nil
}

// authorityFrom returns the authority that the options name, or the
// environment, or the public cloud's; and the tenant that belongs to it, if it
// has but one.
func authorityFrom(o *azcore.ClientOptions) (entra.Authority, string, error) {
	host, from := o.Cloud.ActiveDirectoryAuthorityHost, "Cloud.ActiveDirectoryAuthorityHost"
	if host == "" && len(o.Cloud.Services) > 0 {
		return entra.Authority{}, "", errors.New("the Cloud option has services and no ActiveDirectoryAuthorityHost: set it, as tokens of another cloud would be of no use")
	}
	if host == "" {
		host, from = unquote(os.Getenv("AZURE_AUTHORITY_HOST")), "AZURE_AUTHORITY_HOST"
	}
	if host == "" {
		host = entra.PublicCloudHost
	}
	a, tenant, err := entra.ParseAuthority(host)
	if err != nil {
		err = fmt.Errorf("%s: %w", from, err)
	}
	return a, tenant, err
}

// regionFromEnvironment reads the region as the SDKs do; MSAL's own variable
// counts if nothing else is set.
func regionFromEnvironment() string {
	switch v := os.Getenv("AZURE_REGIONAL_AUTHORITY_NAME"); v {
	case "":
		return entra.ParseRegion(os.Getenv("MSAL_FORCE_REGION"))
	case "DisableMsalForceRegion":
		return ""
	default:
		return entra.ParseRegion(v)
	}
}

func isTrue(v string) bool { return v == "1" || strings.EqualFold(v, "true") }

// token returns a token for the application itself.
func (a *application) token(ctx context.Context, o *policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return a.tokenFor(ctx, o, "", a)
}

// tokenFor returns a token that src acquires for subject, or for the application
// itself if that is empty. It takes the options by reference to keep a warm call
// from copying them at every level.
func (a *application) tokenFor(ctx context.Context, o *policy.TokenRequestOptions, subject string, src tokencache.Source) (_ azcore.AccessToken, err error) {
	if a.tracer.Enabled() {
		var end func(error)
		ctx, end = runtime.StartSpan(ctx, a.name+".GetToken", a.tracer, nil)
		defer func() { end(err) }()
	}
	tenant, err := a.tenants.resolve(o.TenantID)
	if err != nil {
		return azcore.AccessToken{}, &AuthenticationFailedError{message: a.name + ": " + err.Error(), cause: err}
	}
	t, err := a.tokens.Get(ctx, tokencache.Query{
		Owner: a.owner, Tenant: tenant, Subject: subject, Scopes: o.Scopes, CAE: o.EnableCAE, Claims: o.Claims,
	}, src)
	if err != nil {
		return azcore.AccessToken{}, a.newFailure(err, tenant, o.Scopes)
	}
	return azcore.AccessToken{Token: t.Value, ExpiresOn: t.ExpiresOn, RefreshOn: t.RefreshOn}, nil
}

// Fetch implements [tokencache.Source].
func (a *application) Fetch(ctx context.Context, q tokencache.Query) (tokencache.Token, error) {
	return a.fetched(ctx, q, a.fetch)
}

// fetched runs fetch, writes an event about it, and returns its token for memory.
func (a *application) fetched(ctx context.Context, q tokencache.Query, fetch func(context.Context, tokencache.Query) (entra.TokenResponse, error)) (tokencache.Token, error) {
	start := time.Now()
	t, err := fetch(ctx, q)
	if events.Enabled(ctx) {
		a.log(ctx, q, t, err, start)
	}
	return tokencache.Token{Value: t.AccessToken, ExpiresOn: t.ExpiresOn, RefreshOn: t.RefreshOn, Granted: t.Scope}, err
}

func (a *application) log(ctx context.Context, q tokencache.Query, t entra.TokenResponse, err error, start time.Time) {
	attrs := []slog.Attr{
		slog.String("credential", a.name), slog.String("tenant", q.Tenant), slog.String("client", a.clientID),
		slog.String("scope", strings.Join(q.Scopes, " ")), events.Since(start),
	}
	if err != nil {
		events.Log(ctx, events.TokenFailed, append(attrs, events.Err(err))...)
	} else {
		events.Log(ctx, events.TokenAcquired, append(attrs, slog.Time("expires", t.ExpiresOn))...)
	}
}

func (a *application) fetch(ctx context.Context, q tokencache.Query) (entra.TokenResponse, error) {
	if err := a.authority.CheckScopes(q.Scopes); err != nil {
		return entra.TokenResponse{}, err
	}
	return a.entra.ClientCredentials(ctx, entra.ClientCredentials{
		Tenant: q.Tenant, ClientID: a.clientID, Scopes: q.Scopes, Claims: q.Claims, CAE: q.CAE, Auth: a.auth,
	})
}

// Close ends what the credential does behind its callers and closes idle
// connections of the default transport.
func (a *application) Close() error {
	a.close()
	if a.sharing {
		entra.SharedTransport.CloseIdleConnections()
	}
	return nil
}
