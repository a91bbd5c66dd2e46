package azidentity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/tracing"

	"github.com/azid-go/azidentity/internal/entra"
	"github.com/azid-go/azidentity/internal/events"
	"github.com/azid-go/azidentity/internal/holdoff"
	"github.com/azid-go/azidentity/internal/managedidentity"
	"github.com/azid-go/azidentity/internal/tokencache"
)

const credNameManagedIdentity = "ManagedIdentityCredential"

// ManagedIDKind is an identifier of a user-assigned managed identity:
// [ClientID], [ObjectID] or [ResourceID]. A constructor refuses an identifier
// that the hosting environment cannot tell identities apart by, as it would hand
// out another identity's token:
//
//	host                                         ClientID  ObjectID  ResourceID
//	virtual machines, AKS, container instances   yes       yes       yes
//	App Service, Functions, Container Apps       yes       yes       yes
//	Azure Arc, if the agent confirms it          yes       yes       yes
//	Azure ML, App Service of 2017                yes       no        no
//	Cloud Shell, Service Fabric                  no        no        no
//	a pod with workload identity                 yes       –         –
//
// A pod's identity is known by its client ID. Object and resource IDs are asked
// for at the metadata service of the node instead.
type ManagedIDKind interface {
	fmt.Stringer
	kind() managedidentity.Kind
}

// ClientID is the client ID of a user-assigned managed identity.
type ClientID string

// ObjectID is the object (principal) ID of a user-assigned managed identity.
type ObjectID string

// ResourceID is the Azure resource ID of a user-assigned managed identity.
type ResourceID string

func (ClientID) kind() managedidentity.Kind   { return managedidentity.ClientID }
func (ObjectID) kind() managedidentity.Kind   { return managedidentity.ObjectID }
func (ResourceID) kind() managedidentity.Kind { return managedidentity.ResourceID }

// String returns the ID.
func (c ClientID) String() string { return string(c) }

// String returns the ID.
func (o ObjectID) String() string { return string(o) }

// String returns the ID.
func (r ResourceID) String() string { return string(r) }

// ManagedIdentityCredentialOptions are the options of
// [ManagedIdentityCredential]. Nil and the zero value mean the same.
type ManagedIdentityCredentialOptions struct {
	// ClientOptions configure the requests. The environment proxy is not used:
	// no proxy reaches these endpoints. Retry overrides, field by field, when
	// requests are repeated. On Service Fabric, Transport is nil or an
	// *http.Client that leaves the verification of certificates alone.
	azcore.ClientOptions

	// ID names a user-assigned identity. Default: the identity of the host.
	ID ManagedIDKind

	// ProbeFirst is for a credential in a chain that also runs outside of Azure.
	// Before the first token, the metadata service of virtual machines gets a
	// second to show that it is there; it is refused a token's patience, of half a
	// minute and more, if it does not, or if something else answers in its place.
	// The credential is unavailable then, without being asked again for five
	// seconds. Once the service has answered, there are no more probes. Other
	// hosts are not probed: the environment says that they are there, as
	// AZURE_POD_IDENTITY_AUTHORITY_HOST does of the metadata service.
	//
	// The request is the one of Microsoft's libraries, which the service refuses
	// at once: it lacks the header Metadata. The service of a machine that has only
	// just started may take longer than a second. Default: no probe.
	ProbeFirst bool

	// DisableTokenExchange leaves AZURE_FEDERATED_TOKEN_FILE to
	// [WorkloadIdentityCredential], as Microsoft's azidentity does: in a pod with
	// workload identity, tokens are then those of the node's identities. Default:
	// the pod's identity comes first, as in Python and JavaScript.
	DisableTokenExchange bool

	// Tokens says how tokens are kept in memory.
	Tokens TokenOptions
}

// ManagedIdentityCredential authenticates the identity that Azure gave to the
// machine or service that the program runs on. It is safe for concurrent use.
//
// The constructor finds out where that is by the environment, in this order:
// Service Fabric, App Service and its family, Azure Arc by its variables, Azure
// ML, Cloud Shell, Azure Arc by its agent, a pod with workload identity
// (AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID, and AZURE_CLIENT_ID or an ID), and
// else the metadata service of virtual machines (at
// AZURE_POD_IDENTITY_AUTHORITY_HOST, if that is set).
//
// In a pod with workload identity it does what [WorkloadIdentityCredential] does.
type ManagedIdentityCredential struct {
	mi       *managedIdentity
	exchange *WorkloadIdentityCredential // in place of mi
}

// A managedIdentity is what a credential asks for and where.
type managedIdentity struct {
	client   *managedidentity.Client
	identity managedidentity.Identity
	tracer   tracing.Tracer
	sharing  bool // of the direct transport
	probes   bool
	memory
}

// NewManagedIdentityCredential reads the environment and touches no network.
// It returns an error if the hosting environment does not support the kind of ID.
func NewManagedIdentityCredential(options *ManagedIdentityCredentialOptions) (*ManagedIdentityCredential, error) {
	if options == nil {
		options = &ManagedIdentityCredentialOptions{}
	}
	o := options.ClientOptions
	c := &managedIdentity{
		tracer:  o.TracingProvider.NewTracer(module, version),
		sharing: o.Transport == nil,
		probes:  options.ProbeFirst,
	}
	if id := options.ID; id != nil {
		c.identity = managedidentity.Identity{Kind: id.kind(), Value: strings.TrimSpace(id.String())}
	}
	cfg := managedidentity.Config{
		Identity: c.identity, Options: o, Direct: entra.DirectTransport, Module: module, Version: version,
		ProbeFirst: options.ProbeFirst, NoTokenExchange: options.DisableTokenExchange,
	}
	if managedidentity.Detect(cfg) == managedidentity.TokenExchange {
		w, err := newWorkloadIdentityCredential(credNameManagedIdentity, &WorkloadIdentityCredentialOptions{
			ClientOptions: o, ClientID: c.identity.Value, Tokens: options.Tokens,
		})
		if err != nil {
			return nil, err
		}
		return &ManagedIdentityCredential{exchange: w}, nil
	}
	var err error
	c.client, err = managedidentity.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", credNameManagedIdentity, err)
	}
	c.memory = newMemory(tokencache.Principal{
		Authority: c.client.Endpoint(), Flow: "managed_identity",
		Client: fmt.Sprintf("%d %s", c.identity.Kind, strings.ToLower(c.identity.Value)),
		Proof:  digest(string(c.client.Source()), c.client.Secret().Expose()),
	}, &o, options.Tokens, false)
	return &ManagedIdentityCredential{mi: c}, nil
}

// GetToken returns a token for the identity, from memory if there is one. Azure
// SDK clients call it. It takes one scope, or a resource. Claims make it ask for
// another token. With EnableCAE, Service Fabric and App Service are told which one
// was refused; other hosts may answer with the same one.
//
// If there is no such identity here, the error is one on which a chain goes on
// (see [IsCredentialUnavailable]); other failures are
// [*AuthenticationFailedError].
func (c *ManagedIdentityCredential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if err := checkResource(opts.Scopes); err != nil {
		return azcore.AccessToken{}, err
	}
	if c.exchange != nil {
		opts.Scopes = []string{managedResource(opts.Scopes[0]) + "/.default"}
		opts.TenantID = "" // an identity has one tenant, here as on other hosts
		return c.exchange.GetToken(ctx, opts)
	}
	return c.mi.token(ctx, &opts)
}

// Close ends renewals behind callers and closes idle connections, but never
// those of a transport that was passed in. Calling it is optional, and more than
// once is fine. A closed credential still answers.
func (c *ManagedIdentityCredential) Close() error {
	if c.exchange != nil {
		return c.exchange.Close()
	}
	c.mi.close()
	c.mi.client.Close()
	if c.mi.sharing {
		entra.DirectTransport.CloseIdleConnections()
	}
	return nil
}

func (c *managedIdentity) token(ctx context.Context, opts *policy.TokenRequestOptions) (_ azcore.AccessToken, err error) {
	if c.tracer.Enabled() {
		var end func(error)
		ctx, end = runtime.StartSpan(ctx, credNameManagedIdentity+".GetToken", c.tracer, nil)
		defer func() { end(err) }()
	}
	t, err := c.tokens.Get(ctx, tokencache.Query{Owner: c.owner, Scopes: opts.Scopes, CAE: opts.EnableCAE, Claims: opts.Claims}, c)
	if err != nil {
		return azcore.AccessToken{}, c.failure(err)
	}
	return azcore.AccessToken{Token: t.Value, ExpiresOn: t.ExpiresOn, RefreshOn: t.RefreshOn}, nil
}

// checkResource refuses scopes that are not one resource.
func checkResource(scopes []string) error {
	if len(scopes) == 1 && managedResource(scopes[0]) != "" && !strings.ContainsAny(scopes[0], " \t\r\n") {
		return nil
	}
	err := errors.New("a token of a managed identity is for one resource: pass exactly one scope, such as https://management.azure.com/.default")
	return &AuthenticationFailedError{message: credNameManagedIdentity + ": " + err.Error(), cause: err}
}

// managedResource returns the resource of a scope. Only one final "/.default"
// is cut off: other scopes are resources already, to managed identities, and
// the path of one may look like a permission.
func managedResource(scope string) string {
	r, _ := strings.CutSuffix(scope, "/.default")
	return r
}

// Fetch implements [tokencache.Source].
func (c *managedIdentity) Fetch(ctx context.Context, q tokencache.Query) (tokencache.Token, error) {
	start := time.Now()
	r := managedidentity.Request{Resource: managedResource(q.Scopes[0]), CAE: q.CAE}
	if q.Claims != "" {
		r.Refused = c.tokens.Peek(q)
	}
	t, err := c.client.Token(ctx, r)
	if events.Enabled(ctx) {
		attrs := []slog.Attr{
			slog.String("credential", credNameManagedIdentity), slog.String("source", c.client.Chosen()),
			slog.String("identity", c.identity.String()), slog.String("scope", q.Scopes[0]), events.Since(start),
		}
		if err != nil {
			events.Log(ctx, events.TokenFailed, append(attrs, events.Err(err))...)
		} else {
			events.Log(ctx, events.TokenAcquired, append(attrs, slog.Time("expires", t.ExpiresOn))...)
		}
	}
	return tokencache.Token{Value: t.Value, ExpiresOn: t.ExpiresOn, RefreshOn: t.RefreshOn}, err
}

// failure makes the error of one caller. err may be shared among callers.
func (c *managedIdentity) failure(err error) error {
	var again *holdoff.Remembered
	if errors.As(err, &again) {
		err = again.Err
	}
	var e *managedidentity.Error
	if !errors.As(err, &e) {
		return &AuthenticationFailedError{message: credNameManagedIdentity + ": " + err.Error(), cause: err}
	}
	message := credNameManagedIdentity + ": " + err.Error() +
		"\n  Asked: " + c.client.Chosen() + " for the " + c.identity.String()
	if next := c.advice(e); next != "" {
		message += "\n  Next: " + next
	}
	message += heldOff(again, e.Throttled(), e.Received, e.ThrottledFor())
	// A context that ended while the client was waiting is no verdict.
	if e.Verdict == managedidentity.Unavailable && err == error(e) { //nolint:errorlint // wrapped, it is a wait that ended
		return &credentialUnavailableError{message}
	}
	f := &AuthenticationFailedError{message: message, cause: err, Code: e.Code, Claims: e.Claims}
	if e.RetryAfter > 0 {
		f.RetryAfter = max(time.Until(e.Received.Add(e.RetryAfter)), 0)
	}
	if e.Status != 0 {
		f.RawResponse = rawResponse(&entra.Error{Method: e.Method, URL: e.URL, Status: e.Status, Header: e.Header, Body: e.Body})
	}
	return f
}

// advice says what to do.
func (c *managedIdentity) advice(e *managedidentity.Error) string {
	switch {
	case e.Status == 400 && c.identity.Kind != managedidentity.SystemAssigned:
		return "check that the identity is assigned to this host and that the ID is right and of its kind: ClientID, ObjectID and ResourceID are different things"
	case e.Status == 400:
		return "switch on the system-assigned identity of this host, or name a user-assigned one in ID"
	case e.Status == 0 && e.Source == managedidentity.IMDS && c.probes:
		return "on a machine outside of Azure use another credential; on one that has only just started, try again, or leave out ProbeFirst"
	case e.Status == 0 && e.Source == managedidentity.IMDS:
		return "on a machine outside of Azure use another credential; in a container, check that its network leads to 169.254.169.254"
	case e.Status == 0:
		return "check that the endpoint that the environment names is up"
	case e.Status == 429:
		return c.throttleAdvice()
	}
	return ""
}

var _ azcore.TokenCredential = (*ManagedIdentityCredential)(nil)
