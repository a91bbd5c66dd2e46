//go:build !unix

package main

import "time"

var start = time.Now()

// cpuTime returns the time on the clock, for want of a better one.
func cpuTime() time.Duration { return time.Since(start) }
