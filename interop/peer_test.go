//go:build interop

package interop_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	microsoft "github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/azid-go/azidentity"
	"github.com/azid-go/azidentity/entratest"
)

// An ask tells a peer what to do. Programs in other languages read it from their
// standard input, as it has secrets.
type ask struct {
	Credential string `json:"credential"`
	Proof      string `json:"proof"`
	IDKind     string `json:"idKind"`
	ID         string `json:"id"`
	Async      bool   `json:"async"`

	Authority   string `json:"authority"`
	Tenant      string `json:"tenant"`
	Client      string `json:"client"`
	Scope       string `json:"scope"`
	Secret      string `json:"secret"`
	Certificate string `json:"certificate"` // file
	Assertion   string `json:"assertion"`
	TokenFile   string `json:"tokenFile"`
	User        string `json:"user"` // the token with which the user called

	ServiceConnection string `json:"serviceConnection"`
	SystemToken       string `json:"systemToken"`

	Code     string `json:"code"`
	Redirect string `json:"redirect"`

	Username string `json:"username"`
	Password string `json:"password"`
	Then     string `json:"then"`
	Record   string `json:"record"` // to be read, and written again
	// ScopeBefore is what the sign-in is for, if a token for Scope is asked for then.
	ScopeBefore string `json:"scopeBefore"`

	decide   func(userCode string) error // for peers in this process
	resource string
	before   int // requests of the client
	// deny and nobody are what comes of a device code that is not to be approved.
	deny, nobody bool
}

// An answer is what a peer got.
type answer struct {
	Token     string `json:"token"`
	ExpiresOn int64  `json:"expiresOn"`
	Error     string `json:"error"`
	Record    string `json:"record"` // of the sign-in, or the one that was read
	// UserCode is not the answer yet: somebody is to sign in with it.
	UserCode string `json:"userCode"`
}

// A peer is a library that can get tokens.
type peer struct {
	name, library string
	agent         *regexp.Regexp // the User-Agent of its requests, and in it the version
	inProcess     bool           // so that the environment is this process's
	// start starts the peer in the environment of an emulator, and returns how it
	// is asked. It ends with the test.
	start func(*testing.T, *emulator) func(*testing.T, ask) answer
}

// peers are the columns of docs/interop.md.
var peers = []peer{
	{pythonPeer, "azure-identity", regexp.MustCompile(`azsdk-python-identity/(\S+)`), false, startPython(false)},
	{pythonAIOPeer, "azure-identity", regexp.MustCompile(`azsdk-python-identity/(\S+)`), false, startPython(true)},
	{javaScriptPeer, "@azure/identity", regexp.MustCompile(`azsdk-js-identity/(\S+)`), false, startJavaScript},
	{microsoftPeer, "azidentity", regexp.MustCompile(`azsdk-go-azidentity/v(\S+)`), true, goPeer[microsoft.AuthenticationRecord](microsoftCredential)},
	{ourPeer, "", regexp.MustCompile(`azsdk-go-azidentity/v(\S+)`), true, goPeer[azidentity.AuthenticationRecord](ourCredential)},
}

// asked numbers the resources that tokens are asked for, so that every request can
// be found in the journal, and none is saved: libraries keep tokens of managed
// identities for the life of the process, whatever the host.
var asked atomic.Int64

// prepare returns what a peer is told in a flow.
func (e *emulator) prepare(t *testing.T, p peer, f flow) ask {
	t.Helper()
	resource := fmt.Sprintf("api://interop/%d", asked.Add(1))
	do := ask{
		Credential: f.credential, Proof: f.proof, IDKind: f.id.kind, ID: f.id.value,
		Authority: e.authority, Tenant: entratest.DefaultTenantID, Client: entratest.DefaultClientID,
		Scope: resource + "/.default", resource: resource,
		Secret: f.secret, Certificate: e.environment["AZURE_CLIENT_CERTIFICATE_PATH"],
		ServiceConnection: entratest.DefaultServiceConnectionID, SystemToken: entratest.DefaultSystemAccessToken,
	}
	if do.Secret == "" {
		do.Secret = entratest.DefaultClientSecret
	}
	if f.people() {
		do.Client, do.Then, do.deny, do.nobody = clientOf(p), f.then, f.declined, f.host == peopleTooLate
		do.Username, do.Password = cmp.Or(f.username, entratest.DefaultUsername), cmp.Or(f.secret, entratest.DefaultPassword)
		do.ScopeBefore = do.Scope
		if f.then == thenOther {
			do.ScopeBefore = "api://interop/before/.default"
		}
		do.before = len(e.requestsOf(t, do.Client))
		return do
	}
	do.Assertion = string(e.do(t, http.MethodGet, "/_emulator/assertion?"+f.federated))
	do.User = string(e.do(t, http.MethodGet, "/_emulator/user-token?"+f.user))
	if f.credential == "authorizationCode" {
		do.Redirect = entratest.DefaultRedirectURI
		if f.proof == "none" {
			do.Redirect = entratest.DefaultPublicRedirectURI
		}
		do.Code = e.authorize(t, do)
		if f.spent {
			e.redeem(t, do)
		}
	}
	do.TokenFile = t.TempDir() + "/token"
	if err := os.WriteFile(do.TokenFile, []byte(do.Assertion), 0o600); err != nil {
		t.Fatal(err)
	}
	return do
}

// startProgram starts a peer in a process of its own, which is asked and answers by
// the line.
func startProgram(t *testing.T, e *emulator, name string, args ...string) func(*testing.T, ask) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8"}
	for name, value := range e.environment {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	endWithThis(cmd)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, stderr.String())
		}
	})
	answers := bufio.NewScanner(stdout)
	return func(t *testing.T, do ask) (got answer) {
		in, err := json.Marshal(do)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(stdin, "%s\n", in); err != nil {
			t.Fatal(err)
		}
		for {
			if !answers.Scan() {
				t.Fatalf("%s ended: %v", name, answers.Err())
			}
			got = answer{}
			if err := json.Unmarshal(answers.Bytes(), &got); err != nil {
				t.Fatalf("%s printed %d bytes that are no answer: %v", name, len(answers.Bytes()), err)
			}
			if got.UserCode == "" {
				return got
			}
			if err := e.decide(do, got.UserCode); err != nil {
				t.Fatal(err)
			}
		}
	}
}
