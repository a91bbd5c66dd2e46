package managedidentity_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/azid-go/azidentity/internal/managedidentity"
)

// Pain 54: the environments of hosts, and where their tokens come from.
func TestPain54Detection(t *testing.T) {
	t.Parallel()
	const (
		header = "identity-header-canary"
		hash   = "00112233445566778899aabbccddeeff00112233"
	)
	for _, tt := range []struct {
		name     string
		env      string
		agent    bool
		want     managedidentity.Source
		endpoint string
	}{
		{"virtual machine", "", false, managedidentity.IMDS, "http://169.254.169.254/metadata/identity/oauth2/token"},
		{"AKS with pod identity", "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1:2579/", false, managedidentity.IMDS, "http://127.0.0.1:2579/metadata/identity/oauth2/token"},
		{"App Service on Windows", "IDENTITY_ENDPOINT=http://127.0.0.1:41056/msi/token/ IDENTITY_HEADER=" + header + " MSI_ENDPOINT=http://127.0.0.1:41056/msi/token/ MSI_SECRET=" + header, false, managedidentity.AppService, "http://127.0.0.1:41056/msi/token/"},
		{"App Service on Linux", "IDENTITY_ENDPOINT=http://169.254.129.4:8081/msi/token IDENTITY_HEADER=" + header, false, managedidentity.AppService, "http://169.254.129.4:8081/msi/token"},
		{"Container Apps", "IDENTITY_ENDPOINT=http://localhost:42356/msi/token/ IDENTITY_HEADER=" + header, false, managedidentity.AppService, "http://localhost:42356/msi/token/"},
		{"container in a private network", "IDENTITY_ENDPOINT=http://172.16.3.4:8081/msi/token IDENTITY_HEADER=" + header, false, managedidentity.AppService, "http://172.16.3.4:8081/msi/token"},
		{"App Service with Arc's name", "IDENTITY_ENDPOINT=http://localhost/t IDENTITY_HEADER=" + header + " IMDS_ENDPOINT=http://localhost", false, managedidentity.AppService, "http://localhost/t"},
		{"App Service on an Arc machine", "IDENTITY_ENDPOINT=http://localhost/t IDENTITY_HEADER=" + header, true, managedidentity.AppService, "http://localhost/t"},
		{"Service Fabric", "IDENTITY_ENDPOINT=https://localhost:2377/metadata/identity/oauth2/token IDENTITY_HEADER=" + header + " IDENTITY_SERVER_THUMBPRINT=" + hash, false, managedidentity.ServiceFabric, "https://localhost:2377/metadata/identity/oauth2/token"},
		{"Functions on Linux Consumption", "MSI_ENDPOINT=http://localhost:8081/msi/token MSI_SECRET=" + header, false, managedidentity.AzureML, "http://localhost:8081/msi/token"},
		{"Azure ML", "MSI_ENDPOINT=http://127.0.0.1:46808/MSI/auth MSI_SECRET=" + header + " DEFAULT_IDENTITY_CLIENT_ID=x", false, managedidentity.AzureML, "http://127.0.0.1:46808/MSI/auth"},
		{"Cloud Shell", "MSI_ENDPOINT=http://localhost:50342/oauth2/token", false, managedidentity.CloudShell, "http://localhost:50342/oauth2/token"},
		{"Arc by its variables", "IDENTITY_ENDPOINT=http://localhost:40342/metadata/identity/oauth2/token IMDS_ENDPOINT=http://localhost:40342", false, managedidentity.AzureArc, "http://localhost:40342/metadata/identity/oauth2/token"},
		{"Arc before the older names", "IDENTITY_ENDPOINT=http://localhost:40342/t IMDS_ENDPOINT=http://localhost:40342 MSI_ENDPOINT=http://localhost:50342/t", false, managedidentity.AzureArc, "http://localhost:40342/t"},
		{"Cloud Shell before Arc's agent", "MSI_ENDPOINT=http://localhost:50342/oauth2/token", true, managedidentity.CloudShell, "http://localhost:50342/oauth2/token"},
		{"the endpoint alone", "IDENTITY_ENDPOINT=http://localhost:1/t", false, managedidentity.IMDS, "http://169.254.169.254/metadata/identity/oauth2/token"},
		{"the header alone", "IDENTITY_HEADER=" + header, false, managedidentity.IMDS, "http://169.254.169.254/metadata/identity/oauth2/token"},
		{"the secret alone", "MSI_SECRET=" + header, false, managedidentity.IMDS, "http://169.254.169.254/metadata/identity/oauth2/token"},
		{"set to nothing", "IDENTITY_ENDPOINT= IDENTITY_HEADER= MSI_ENDPOINT= IMDS_ENDPOINT= AZURE_POD_IDENTITY_AUTHORITY_HOST=", false, managedidentity.IMDS, "http://169.254.169.254/metadata/identity/oauth2/token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{}
			for one := range strings.FieldsSeq(tt.env) {
				name, value, _ := strings.Cut(one, "=")
				env[name] = value
			}
			c, err := managedidentity.New(managedidentity.Config{
				Direct: direct, Getenv: getenv(env), Exists: func(string) bool { return tt.agent }, ArcKeys: t.TempDir(),
			})
			if err != nil {
				t.Fatal(err)
			}
			if c.Source() != tt.want || c.Endpoint() != tt.endpoint {
				t.Errorf("got %s at %s, want %s at %s", c.Source(), c.Endpoint(), tt.want, tt.endpoint)
			}
			if !strings.HasPrefix(c.Chosen(), string(tt.want)) || strings.Contains(c.Chosen(), header) {
				t.Errorf("the choice is explained as %q", c.Chosen())
			}
		})
	}
}

// Programs on an Arc machine see no variables; the agent's file tells.
func TestPain54ArcByItsAgent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the agent's place is another")
	}
	var looked []string
	c, err := managedidentity.New(managedidentity.Config{Direct: direct, Getenv: getenv(nil), Exists: func(path string) bool {
		looked = append(looked, path)
		return true
	}})
	if err != nil {
		t.Fatal(err)
	}
	const want = "http://127.0.0.1:40342/metadata/identity/oauth2/token"
	if c.Source() != managedidentity.AzureArc || c.Endpoint() != want || !slices.Equal(looked, []string{"/opt/azcmagent/bin/himds"}) {
		t.Errorf("got %s at %s after looking at %q", c.Source(), c.Endpoint(), looked)
	}
}

// Pain 29: what the environment names is checked when the client is made.
func TestPain29EndpointsFromTheEnvironment(t *testing.T) {
	t.Parallel()
	const secret = "canary0identity0header"
	for _, tt := range []struct{ name, env, want string }{
		{"no URL", "IDENTITY_ENDPOINT=%zz IDENTITY_HEADER=" + secret, "IDENTITY_ENDPOINT is not an absolute URL"},
		{"relative", "IDENTITY_ENDPOINT=/msi/token IDENTITY_HEADER=" + secret, "IDENTITY_ENDPOINT is not an absolute URL"},
		{"file", "IDENTITY_ENDPOINT=file://localhost/etc/passwd IDENTITY_HEADER=" + secret, "neither http nor https"},
		{"user name", "IDENTITY_ENDPOINT=http://me:" + secret + "@localhost/ IDENTITY_HEADER=x", "user name"},
		{"public host in the clear", "IDENTITY_ENDPOINT=http://example.com/ IDENTITY_HEADER=" + secret, "in the clear"},
		{"public address in the clear", "IDENTITY_ENDPOINT=http://8.8.8.8/ IDENTITY_HEADER=" + secret, "in the clear"},
		{"older name, public host", "MSI_ENDPOINT=http://example.com/ MSI_SECRET=" + secret, "MSI_ENDPOINT is http"},
		{"Cloud Shell, public host", "MSI_ENDPOINT=http://example.com/", "MSI_ENDPOINT is http"},
		{"Arc beside the machine", "IDENTITY_ENDPOINT=http://169.254.1.1:40342/ IMDS_ENDPOINT=http://169.254.1.1", "not on this machine"},
		{"Arc by a name like localhost", "IDENTITY_ENDPOINT=http://localhost.example.com/ IMDS_ENDPOINT=x", "not on this machine"},
		{"Service Fabric without TLS", "IDENTITY_ENDPOINT=http://localhost/ IDENTITY_HEADER=x IDENTITY_SERVER_THUMBPRINT=00112233445566778899aabbccddeeff00112233", "not https"},
		{"half a thumbprint", "IDENTITY_ENDPOINT=https://localhost/ IDENTITY_HEADER=x IDENTITY_SERVER_THUMBPRINT=0011", "40 hexadecimal digits"},
		{"line end in the header", "IDENTITY_ENDPOINT=http://localhost/ IDENTITY_HEADER=" + secret + "\x01x", "a header cannot have"},
		{"metadata host", "AZURE_POD_IDENTITY_AUTHORITY_HOST=169.254.169.254", "AZURE_POD_IDENTITY_AUTHORITY_HOST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{}
			for one := range strings.SplitSeq(tt.env, " ") {
				name, value, _ := strings.Cut(one, "=")
				env[name] = value
			}
			_, err := newClient(env, managedidentity.Identity{}, policy.ClientOptions{}, t.TempDir())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want an error with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error holds the secret: %v", err)
			}
		})
	}
}

// A pod's assertion comes before its node's metadata service, and after whatever
// says that this is another host.
func TestPain54TokenExchange(t *testing.T) {
	t.Parallel()
	const pod = "AZURE_TENANT_ID=t AZURE_FEDERATED_TOKEN_FILE=/f "
	client := managedidentity.Identity{Kind: managedidentity.ClientID, Value: "c"}
	for _, tt := range []struct {
		env   string
		id    managedidentity.Identity
		agent bool
		no    bool
		want  managedidentity.Source
	}{
		{pod + "AZURE_CLIENT_ID=c", managedidentity.Identity{}, false, false, managedidentity.TokenExchange},
		{pod, client, false, false, managedidentity.TokenExchange},
		{pod + "AZURE_POD_IDENTITY_AUTHORITY_HOST=http://127.0.0.1", client, false, false, managedidentity.TokenExchange},
		{pod, managedidentity.Identity{}, false, false, managedidentity.IMDS},
		{pod, managedidentity.Identity{Kind: managedidentity.ClientID}, false, false, managedidentity.IMDS},
		{pod + "AZURE_CLIENT_ID=c", managedidentity.Identity{Kind: managedidentity.ObjectID, Value: "o"}, false, false, managedidentity.IMDS},
		{pod + "AZURE_CLIENT_ID=c", managedidentity.Identity{Kind: managedidentity.ResourceID, Value: "r"}, false, false, managedidentity.IMDS},
		{pod + "AZURE_CLIENT_ID=c", managedidentity.Identity{}, false, true, managedidentity.IMDS},
		{pod + "AZURE_CLIENT_ID=c", managedidentity.Identity{}, true, false, managedidentity.AzureArc},
		{pod + "AZURE_CLIENT_ID=c MSI_ENDPOINT=http://localhost", managedidentity.Identity{}, false, false, managedidentity.CloudShell},
		{"AZURE_TENANT_ID=t AZURE_CLIENT_ID=c", client, false, false, managedidentity.IMDS},
		{"AZURE_FEDERATED_TOKEN_FILE=/f AZURE_CLIENT_ID=c", client, false, false, managedidentity.IMDS},
	} {
		if tt.agent && runtime.GOOS != "linux" && runtime.GOOS != "windows" {
			continue // there is no agent
		}
		env := map[string]string{}
		for one := range strings.FieldsSeq(tt.env) {
			name, value, _ := strings.Cut(one, "=")
			env[name] = value
		}
		cfg := managedidentity.Config{
			Identity: tt.id, Direct: direct, Getenv: getenv(env), Exists: func(string) bool { return tt.agent }, ArcKeys: t.TempDir(), NoTokenExchange: tt.no,
		}
		if got := managedidentity.Detect(cfg); got != tt.want {
			t.Errorf("%q for %v: got %s, want %s", tt.env, tt.id, got, tt.want)
		}
		if _, err := managedidentity.New(cfg); tt.want == managedidentity.TokenExchange && err == nil {
			t.Error("there is a client for what Entra ID is to be asked")
		}
	}
}
