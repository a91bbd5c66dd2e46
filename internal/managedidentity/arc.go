package managedidentity

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

const (
	arcEndpoint = "http://127.0.0.1:40342" + tokenPath
	// maxKey is the size of the largest key file that is read. Real ones have
	// 36 bytes.
	maxKey = 4096
)

func openArc(e *environment) (host, error) {
	if e.keys == "" {
		return host{}, errors.New("the agent of Azure Arc exists for Linux and Windows only")
	}
	address := e.get("IDENTITY_ENDPOINT")
	if address == "" {
		address = arcEndpoint
	}
	u, err := endpoint("IDENTITY_ENDPOINT", address)
	if err != nil {
		return host{}, err
	}
	return host{
		endpoint: u, version: "2020-06-01",
		selectors: selectors{ClientID: "client_id", ObjectID: "object_id", ResourceID: "msi_res_id"},
		request:   func(r *http.Request, _ url.Values) { r.Header["Metadata"] = []string{"true"} },
		challenge: &challenge{keys: e.keys},
		confirms:  true, // older agents ignore the selector
		retries:   hostRetries, verdicts: hostVerdicts,
	}, loopback("IDENTITY_ENDPOINT", u)
}

// A challenge is how the agent of Azure Arc finds out that the program may
// have tokens: it can read a file that only members of a group can.
//
// Whoever listens on the agent's port names the file. So it has to be one of
// the agent's keys, or any program's listener could have any file sent to it
// (CVE-2024-35255).
type challenge struct{ keys string }

// refuse makes the error for what the agent, or somebody in its place, asked for.
func refuse(format string, args ...any) error {
	return errors.New("the agent's challenge is refused: " + fmt.Sprintf(format, args...))
}

// key returns the content of the file that a WWW-Authenticate header names.
func (c *challenge) key(header string) (string, error) {
	_, path, ok := strings.Cut(header, "Basic realm=")
	if !ok {
		return "", refuse("it has no WWW-Authenticate: Basic realm=… header")
	}
	path = strings.Trim(path, `"`)
	switch {
	case !filepath.IsAbs(path) || filepath.Dir(filepath.Clean(path)) != filepath.Clean(c.keys):
		return "", refuse("it names a file outside of %s", c.keys)
	case filepath.Clean(path) != path:
		return "", refuse("its path is not a plain one")
	case filepath.Ext(path) != ".key":
		return "", refuse("it names a file that does not end in .key")
	}
	seen, err := os.Lstat(path)
	switch {
	case err != nil:
		return "", refuse("the key file cannot be found (%v)", cause(err))
	case !seen.Mode().IsRegular():
		return "", refuse("the key file is not a regular file")
	case seen.Size() > maxKey:
		return "", refuse("the key file has %d bytes, %d is the most", seen.Size(), maxKey)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", refuse("the key file cannot be read (%v): this needs membership in the group himds, or on Windows in the local administrators", cause(err))
	}
	defer f.Close()
	if now, err := f.Stat(); err != nil || !os.SameFile(seen, now) {
		return "", refuse("the key file was exchanged while it was opened")
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKey+1))
	if err != nil || len(b) > maxKey {
		return "", refuse("the key file cannot be read")
	}
	key := strings.TrimRight(string(b), "\r\n")
	if key == "" || !printable(key) {
		return "", refuse("the key file is empty or binary")
	}
	return key, nil
}

// cause drops the path from a file's error: it came from outside.
func cause(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
