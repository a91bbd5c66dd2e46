//go:build interop

package interop_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/azid-go/azidentity/entratest"
)

// azCommand is Debian's package azure-cli; another may come first on PATH.
const azCommand = "/usr/bin/az"

// guestTenant is one where the default user is a guest.
const (
	guestTenant       = otherTenant
	guestSubscription = "50000000-eeee-4eee-8eee-000000000002"
)

// azureHosts are those that the emulator plays, and versionHost is where az looks for a
// newer one when it is new.
var azureHosts = []string{"login.microsoftonline.com:443", "management.azure.com:443"}

const versionHost = "azure.microsoft.com:443"

// azure is a network of two hosts, which are the emulator: programs get there by a
// proxy. It is safe for concurrent use.
type azure struct {
	proxy    *httptest.Server
	emulator string // host and port

	mu    sync.Mutex // guards asked
	asked []string   // the hosts that were asked for
}

func newAzure(t *testing.T, e *emulator) *azure {
	t.Helper()
	a := &azure{emulator: strings.TrimPrefix(e.authority, "https://")}
	a.proxy = httptest.NewServer(a)
	t.Cleanup(a.proxy.Close)
	return a
}

func (a *azure) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.asked = append(a.asked, r.Host)
	a.mu.Unlock()
	if r.Method != http.MethodConnect || !slices.Contains(azureHosts, r.Host) {
		http.Error(w, "no such host", http.StatusBadGateway)
		return
	}
	there, err := net.Dial("tcp", a.emulator)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	copyAndClose := func(to net.Conn, from io.Reader) {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}
	go copyAndClose(there, buffered)
	go copyAndClose(here, there)
}

// hosts returns those that were asked for.
func (a *azure) hosts() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(a.asked)))
}

// client returns one that is in that network.
func (a *azure) client(t *testing.T, e *emulator) *http.Client {
	t.Helper()
	proxy, err := url.Parse(a.proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := e.client.Transport.(*http.Transport).Clone()
	transport.Proxy = http.ProxyURL(proxy)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// az is the Azure CLI of someone who has never used it.
type az struct {
	emulator *emulator
	azure    *azure
	env      []string
}

func newAz(t *testing.T) *az {
	t.Helper()
	if _, err := os.Stat(azCommand); err != nil {
		t.Fatalf("%v: install the package azure-cli (make interop does)", err)
	}
	home, guest := entratest.DefaultTenant(), entratest.DefaultTenant()
	home.Users[0].ID = "40000000-dddd-4ddd-8ddd-000000000001"
	guest.ID, guest.Domains, guest.Users = guestTenant, []string{"guest.example.com"}, home.Users
	guest.Subscriptions = []entratest.Subscription{{ID: guestSubscription, Name: "Guest"}}
	e := startEmulator(t, "application", "--seed", writeSeed(t, &entratest.Config{
		Tenants:     []entratest.Tenant{home, guest},
		DeviceCodes: entratest.DeviceCodes{Interval: time.Second},
	}))
	network := newAzure(t, e)
	return &az{e, network, []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8", "TZ=UTC", "AZURE_CONFIG_DIR=" + t.TempDir(),
		"AZURE_CORE_COLLECT_TELEMETRY=false", "AZURE_CORE_CHECK_UPGRADE=no",
		"HTTPS_PROXY=" + network.proxy.URL, "REQUESTS_CA_BUNDLE=" + e.environment["REQUESTS_CA_BUNDLE"],
	}}
}

// run runs a command of az, hands the lines of its standard error to told, and decodes
// what it prints.
func (c *az) run(t *testing.T, into any, told func(string), args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), azCommand, append(args, "--output", "json")...)
	cmd.Env = c.env
	endWithThis(cmd)
	var stdout, all strings.Builder
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		told(lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("az %s: %v\n%s", args[0], err, all.String())
	}
	if err := json.Unmarshal([]byte(stdout.String()), into); err != nil {
		t.Fatalf("az %s printed %q: %v", args[0], stdout.String(), err)
	}
}

// A subscription is one as az prints it.
type subscription struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	TenantID string `json:"tenantId"`
	User     struct{ Name, Type string }
}

// checkToken has az get a token for a resource, and verifies it as the resource would.
func (c *az) checkToken(t *testing.T, resource string, want map[string]any, args ...string) {
	t.Helper()
	var got struct{ AccessToken, TokenType, Tenant string }
	c.run(t, &got, func(string) {}, append([]string{"account", "get-access-token", "--resource", resource}, args...)...)
	if got.TokenType != "Bearer" || got.Tenant != want["tid"] {
		t.Errorf("got a %s token of the tenant %s", got.TokenType, got.Tenant)
	}
	ctx := oidc.ClientContext(t.Context(), c.azure.client(t, c.emulator))
	provider, err := oidc.NewProvider(ctx, "https://login.microsoftonline.com/"+got.Tenant+"/v2.0")
	if err != nil {
		t.Fatal(err)
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: resource}).Verify(ctx, got.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := token.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	for name, value := range want {
		if claims[name] != value {
			t.Errorf("the token's %s is %v, want %v", name, claims[name], value)
		}
	}
}

// checkNetwork checks that az asked for no other hosts, and for nothing that the emulator
// did not answer.
func (c *az) checkNetwork(t *testing.T) {
	t.Helper()
	got := slices.DeleteFunc(c.azure.hosts(), func(host string) bool { return host == versionHost })
	if !slices.Equal(got, azureHosts) {
		t.Errorf("az asked for %q, want %q", got, azureHosts)
	}
	for _, r := range c.emulator.journal(t) {
		if r.Endpoint == entratest.EndpointUnknown || r.Status >= 400 && r.Error != "authorization_pending" {
			t.Errorf("%s %s: %d %s: %s", r.Method, r.Path, r.Status, r.Error, r.Reason)
		}
	}
}

var userCode = regexp.MustCompile(`enter the code (\S+) to`)

// TestAzDeviceCode is az login --use-device-code with the real Azure CLI, az account
// list, and tokens in the home tenant and as a guest.
func TestAzDeviceCode(t *testing.T) {
	t.Parallel()
	c := newAz(t)
	var got []subscription
	c.run(t, &got, func(line string) {
		m := userCode.FindStringSubmatch(line)
		if m == nil {
			return
		}
		if err := c.emulator.decide(ask{Username: entratest.DefaultUsername}, m[1]); err != nil {
			t.Fatal(err)
		}
	}, "login", "--use-device-code")
	want := []subscription{
		{entratest.DefaultSubscriptionID, "Emulator", entratest.DefaultTenantID, struct{ Name, Type string }{entratest.DefaultUsername, "user"}},
		{guestSubscription, "Guest", guestTenant, struct{ Name, Type string }{entratest.DefaultUsername, "user"}},
	}
	if !slices.Equal(got, want) {
		t.Errorf("az login printed %+v, want %+v", got, want)
	}
	c.run(t, &got, func(string) {}, "account", "list")
	if !slices.Equal(got, want) {
		t.Errorf("az account list printed %+v, want %+v", got, want)
	}
	user := map[string]any{"tid": entratest.DefaultTenantID, "azp": entratest.DeveloperClientID, "preferred_username": entratest.DefaultUsername, "scp": "user_impersonation"}
	c.checkToken(t, "https://vault.azure.net", user)
	user["tid"] = guestTenant
	c.checkToken(t, "https://vault.azure.net", user, "--tenant", guestTenant)
	c.checkNetwork(t)
}

// TestAzServicePrincipal is az login --service-principal with a secret.
func TestAzServicePrincipal(t *testing.T) {
	t.Parallel()
	c := newAz(t)
	var got []subscription
	c.run(t, &got, func(string) {}, "login", "--service-principal",
		"--username", entratest.DefaultClientID, "--password", entratest.DefaultClientSecret, "--tenant", entratest.DefaultTenantID)
	if want := []subscription{
		{entratest.DefaultSubscriptionID, "Emulator", entratest.DefaultTenantID, struct{ Name, Type string }{entratest.DefaultClientID, "servicePrincipal"}},
	}; !slices.Equal(got, want) {
		t.Errorf("az login printed %+v, want %+v", got, want)
	}
	c.checkToken(t, "https://vault.azure.net", map[string]any{"tid": entratest.DefaultTenantID, "azp": entratest.DefaultClientID, "scp": nil})
	c.checkNetwork(t)
}
