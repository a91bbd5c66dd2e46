package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// showWaiting says on a terminal, from the first second on, what is waited for.
// The returned function ends that and clears the line.
func showWaiting(w io.Writer, what string, limit time.Duration) (stop func()) {
	return showStatus(w, func(waited time.Duration) string {
		return fmt.Sprintf("waiting for %s (%.0f s of %s)", what, waited.Seconds(), limit)
	})
}

// showStatus keeps a line on a terminal, from the first second on. The returned function
// ends that and clears the line.
func showStatus(w io.Writer, line func(waited time.Duration) string) (stop func()) {
	if !isTerminal(w) || os.Getenv("TERM") == "dumb" {
		return func() {}
	}
	done := make(chan struct{})
	var showing sync.WaitGroup
	showing.Go(func() {
		start, shown := time.Now(), false
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				shown = true
				fmt.Fprint(w, "\r\x1b[K"+line(time.Since(start)))
			case <-done:
				if shown {
					fmt.Fprint(w, "\r\x1b[K")
				}
				return
			}
		}
	})
	return func() { close(done); showing.Wait() }
}
