// Command bench measures what this module promises of its speed, side by side
// with Microsoft's azidentity: the same source code, the same answers, one
// process.
//
//	go run ./bench             # from the root of the repository; under 3 minutes
//	go run ./bench -quick      # under one
//	go run ./bench -run tenant # the scenarios whose names contain that
//	go run ./bench -json
//
// It prints a table of targets and ends with status 1 if one is missed.
//
// Both libraries talk to an authority in memory, so that only the client is
// measured. Times are CPU time of the whole process, garbage collection
// included, unless a row says otherwise. The two sides of a ratio alternate for
// many rounds; the ratio is the median of the rounds' ratios, which other work
// on the machine hardly moves.
//
// The table of what is promised is in scenarios.go. For numbers to put through
// benchstat there are ordinary benchmarks: go test -bench . in this folder.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"
)

func main() {
	var (
		isQuick = flag.Bool("quick", false, "measure less, for a verdict within a minute")
		asJSON  = flag.Bool("json", false, "print JSON instead of a table")
		only    = flag.String("run", "", "measure only scenarios whose names contain `text`")
		profile = flag.String("cpuprofile", "", "write a CPU profile to `file`")
	)
	flag.Parse()
	stop := func() error { return nil }
	if *profile != "" {
		var err error
		if stop, err = startProfile(*profile); err != nil {
			fatal(err)
		}
	}
	r := full
	if *isQuick {
		r = quick
	}
	lines, err := measure(&r, *only)
	if err != nil {
		fatal(err)
	}
	if err := stop(); err != nil {
		fatal(err)
	}
	write := writeTable
	if *asJSON {
		write = writeJSON
	}
	if err := write(os.Stdout, lines); err != nil {
		fatal(err)
	}
	if n := missed(lines); n > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d of the targets missed\n", n)
		os.Exit(1)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(2)
}

// measure runs the scenarios whose names contain only.
func measure(r *run, only string) ([]line, error) {
	var all []line
	for _, s := range scenarios {
		if !strings.Contains(s.name, only) {
			continue
		}
		began := time.Now()
		runtime.GC() // of what the scenario before left
		got, err := s.measure(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		lines, err := s.lines(got)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
		fmt.Fprintf(os.Stderr, "bench: %s (%.1f s)\n", s.name, time.Since(began).Seconds())
	}
	if all == nil {
		return nil, fmt.Errorf("no scenario's name contains %q", only)
	}
	return all, nil
}

func startProfile(name string) (stop func() error, err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() error { pprof.StopCPUProfile(); return f.Close() }, nil
}
