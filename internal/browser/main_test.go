package browser_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/azid-go/azidentity/internal/loopback"
)

// The test program also stands in for what opens browsers: as a link in a folder
// with a file that says what to do. A script would not do: while one test writes
// it, another may fork, and then it cannot be run.
func TestMain(m *testing.M) {
	dir := filepath.Dir(os.Args[0])
	if do, err := os.ReadFile(filepath.Join(dir, orders)); err == nil {
		os.Exit(opener(dir, string(do)))
	}
	loopback.Main(m)
}

// orders is the file that says what a stand-in does: a line "{name} exit {status}"
// or "{name} stay {address}", which runs until a connection to address ends.
const orders = "opener-orders"

// A call is what a stand-in was called with.
type call struct {
	Args    []string
	Stdin   string
	Files   []string // what standard input, output and error are
	Session bool     // it leads a session
}

func opener(dir, do string) int {
	name := filepath.Base(os.Args[0])
	fmt.Println("noise")
	stdin, _ := io.ReadAll(os.Stdin)
	c := call{Args: os.Args[1:], Stdin: string(stdin)}
	for _, fd := range []string{"0", "1", "2"} {
		file, _ := os.Readlink("/proc/self/fd/" + fd)
		c.Files = append(c.Files, file)
	}
	stat, _ := os.ReadFile("/proc/self/stat")
	if _, after, ok := strings.Cut(string(stat), ") "); ok {
		c.Session = strings.Fields(after)[3] == fmt.Sprint(os.Getpid())
	}
	b, _ := json.Marshal(c)
	written := filepath.Join(dir, name+".call")
	if os.WriteFile(written+".new", b, 0o600) != nil || os.Rename(written+".new", written) != nil {
		return 99
	}
	for line := range strings.Lines(do) {
		var who, what, how string
		if n, err := fmt.Sscan(line, &who, &what, &how); n != 3 {
			fmt.Fprintln(os.Stderr, err)
			return 96
		}
		if who != name {
			continue
		}
		if what == "stay" {
			conn, err := net.Dial("tcp", how)
			if err != nil {
				return 98
			}
			_, _ = io.Copy(io.Discard, conn)
			return 0
		}
		status, err := strconv.Atoi(how)
		if err != nil {
			return 95
		}
		return status
	}
	return 97
}
