package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/azid-go/azidentity/entratest"
)

// demoLab is where the demo's rows run: an emulator, and a process environment
// without anything of the user's that credentials read.
type demoLab struct {
	server          *entratest.Server
	config          *entratest.Config
	dir             string // private and temporary
	certificateFile string
	tokenFile       string
	proxy           *entratest.TokenProxy // of an AKS cluster with an identity binding
	restore         func()
	issuers         map[string]*oidc.Provider
}

func newDemoLab(ctx context.Context) (*demoLab, error) {
	dir, err := os.MkdirTemp("", "azid-demo-")
	if err != nil {
		return nil, err
	}
	cfg := demoConfig()
	cfg.ArcKeyDirectory = dir
	server, err := entratest.Listen("127.0.0.1:0", cfg)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, err
	}
	l := &demoLab{server: server, config: cfg, dir: dir, proxy: server.NewTokenProxy(), issuers: map[string]*oidc.Provider{}}
	l.restore = replaceEnvironment(nil)
	err = l.writeFiles()
	if err == nil {
		err = l.warmUp(ctx)
	}
	if err != nil {
		l.close()
	}
	return l, err
}

// warmUp connects, and has the emulator make its keys, outside of the rows' times.
func (l *demoLab) warmUp(ctx context.Context) error {
	if _, err := l.server.FederatedAssertion(entratest.DefaultFederatedSubject); err != nil {
		return err
	}
	cred, err := openSecret(l, l.clientOptions(demoRow{}))
	if err == nil {
		_, err = cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{demoScope}})
	}
	return err
}

func (l *demoLab) close() {
	l.proxy.Close()
	l.server.Close()
	l.restore()
	_ = os.RemoveAll(l.dir)
}

func (l *demoLab) writeFiles() (err error) {
	l.certificateFile, l.tokenFile = filepath.Join(l.dir, "client.pem"), filepath.Join(l.dir, "token")
	if err = l.server.WriteServiceAccountToken(l.tokenFile, entratest.DefaultFederatedSubject); err != nil {
		return err
	}
	return os.WriteFile(l.certificateFile, l.server.DefaultCertificatePEM(), 0o600)
}

// demoResult is what came of a row.
type demoResult struct {
	Credential string        `json:"credential"`
	How        string        `json:"how"`
	OK         bool          `json:"ok"`
	Requests   int           `json:"requests"`
	First      time.Duration `json:"firstNanoseconds"`
	Cached     time.Duration `json:"cachedNanoseconds"`
	TokenFor   string        `json:"tokenFor,omitempty"`
	TenantID   string        `json:"tenantId,omitempty"`
	Error      string        `json:"error,omitempty"`

	err error
}

// rowPatience is far more than a row needs: a row that hangs is a failure.
const rowPatience = 10 * time.Second

func (l *demoLab) run(ctx context.Context, r demoRow) demoResult {
	ctx, cancel := context.WithTimeout(ctx, rowPatience)
	defer cancel()
	result := demoResult{Credential: r.credential, How: r.how}
	if err := l.try(ctx, r, &result); err != nil {
		result.err, result.Error = err, err.Error()
	}
	result.OK = result.err == nil
	return result
}

func (l *demoLab) try(ctx context.Context, r demoRow, result *demoResult) error {
	cred, err := l.construct(r)
	if err != nil {
		return err
	}
	if c, ok := cred.(io.Closer); ok {
		defer c.Close()
	}
	r.request.Scopes = []string{demoScope}

	l.server.ResetJournal()
	start := time.Now()
	token, err := cred.GetToken(ctx, r.request)
	result.First = time.Since(start)
	result.Requests = len(l.server.Journal())
	if err != nil {
		return err
	}
	claims, err := l.verify(ctx, r, token.Token)
	if err != nil {
		return err
	}
	result.TenantID, result.TokenFor = claims.TenantID, l.name(claims)
	if r.check != nil {
		if err := r.check(claims); err != nil {
			return err
		}
	}
	l.server.ResetJournal()
	result.Cached, err = medianTime(func() error {
		again, err := cred.GetToken(ctx, r.request)
		if err == nil && again.Token != token.Token {
			err = errors.New("the second call returned another token")
		}
		return err
	})
	if n := len(l.server.Journal()); n > 0 && err == nil {
		err = fmt.Errorf("%d requests were sent for a token that was in memory", n)
	}
	return err
}

func (l *demoLab) construct(r demoRow) (azcore.TokenCredential, error) {
	if r.env != nil {
		env := r.env(l)
		env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"] = homeTenantID, entratest.DefaultClientID
		defer replaceEnvironment(env)()
	}
	return r.open(l, l.clientOptions(r))
}

// demoClaims are what the demo reads of a token whose signature was checked.
type demoClaims struct {
	TenantID           string   `json:"tid"`
	Version            string   `json:"ver"`
	ClientID           string   `json:"azp"`
	ClientIDVersion1   string   `json:"appid"`
	Identity           string   `json:"xms_mirid"` // resource ID of a managed identity
	ClientCapabilities []string `json:"xms_cc"`
	Username           string   `json:"preferred_username"`
}

// verify checks signature, issuer, audience and expiry against what the issuer
// publishes, as a resource would, with a library that is not ours.
func (l *demoLab) verify(ctx context.Context, r demoRow, token string) (demoClaims, error) {
	tenant := r.tenant
	if tenant == "" {
		tenant = homeTenantID
	}
	url, version := l.server.URL+r.authority, "2.0"
	switch {
	case r.managed:
		// Managed identities get tokens of version 1, of an issuer of its own.
		url, version = url+"/"+tenant+"/", "1.0"
	case r.authority == "":
		url += "/" + tenant + "/v2.0"
	}
	issuer, err := l.issuer(ctx, url)
	if err != nil {
		return demoClaims{}, err
	}
	var claims demoClaims
	verified, err := issuer.Verifier(&oidc.Config{ClientID: demoResource}).Verify(ctx, token)
	if err == nil {
		err = verified.Claims(&claims)
	}
	switch {
	case err != nil:
	case claims.TenantID != tenant:
		err = fmt.Errorf("the token is of tenant %q, not %q", claims.TenantID, tenant)
	case claims.Version != version:
		err = fmt.Errorf("the token is of version %q, not %q", claims.Version, version)
	}
	return claims, err
}

func (l *demoLab) issuer(ctx context.Context, url string) (*oidc.Provider, error) {
	if p := l.issuers[url]; p != nil {
		return p, nil
	}
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, l.server.Client()), url)
	l.issuers[url] = p
	return p, err
}

// name is "demo, home", or "user, home" for a user: the names that the directory has
// for what the claims say. A managed identity's is the last of its resource ID.
func (l *demoLab) name(c demoClaims) string {
	user, _, _ := strings.Cut(c.Username, "@")
	for _, m := range l.config.ManagedIdentities {
		if m.ClientID == c.ClientIDVersion1 && m.ResourceID == c.Identity {
			return path.Base(m.ResourceID) + ", " + l.config.Tenants[0].Name
		}
	}
	for _, t := range l.config.Tenants {
		for _, a := range t.Applications {
			if t.ID == c.TenantID && a.ClientID == c.ClientID {
				return cmp.Or(user, a.Name) + ", " + t.Name
			}
		}
	}
	return cmp.Or(c.ClientID, c.ClientIDVersion1)
}

// medianTime returns the median time of many calls. One call is too short for
// the clock, so that calls are timed in groups.
func medianTime(call func() error) (time.Duration, error) {
	const samples, group = 101, 100
	times := make([]time.Duration, samples)
	for i := range times {
		start := time.Now()
		for range group {
			if err := call(); err != nil {
				return 0, err
			}
		}
		times[i] = time.Since(start) / group
	}
	slices.Sort(times)
	return times[samples/2], nil
}

// replaceEnvironment takes what credentials read out of this process's
// environment, sets env in its place, and returns a function that puts it back.
// Credentials read the environment in their constructors only.
func replaceEnvironment(env map[string]string) (restore func()) {
	before := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if isCredentialVariable(name) {
			before[name] = value
			_ = os.Unsetenv(name)
		}
	}
	setAll(env)
	return func() {
		for name := range maps.Keys(env) {
			_ = os.Unsetenv(name)
		}
		setAll(before)
	}
}

func isCredentialVariable(name string) bool {
	for _, prefix := range []string{"AZURE_", "MSAL_", "SYSTEM_OIDC", "ACTIONS_ID_TOKEN_", "MSI_", "IDENTITY_", "IMDS_", "DEFAULT_IDENTITY_"} {
		if strings.HasPrefix(strings.ToUpper(name), prefix) {
			return true
		}
	}
	return false
}

func setAll(env map[string]string) {
	for name, value := range env {
		_ = os.Setenv(name, value)
	}
}
