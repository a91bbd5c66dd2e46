package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/azid-go/azidentity/entratest"
)

// logRequests writes a line for each request, until ctx ends.
func logRequests(ctx context.Context, e *entratest.Emulator, w io.Writer) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var log requestLog
	for {
		select {
		case <-tick.C:
			log.write(w, e.Journal(), time.Now())
		case <-ctx.Done():
			log.write(w, e.Journal(), time.Now().Add(unansweredAfter))
			return
		}
	}
}

// requestLog knows what of the journal has been written. Requests have no number,
// and the journal forgets old ones: the time of arrival says where it was.
type requestLog struct{ last time.Time }

// unansweredAfter is how long a request may hold up the lines of those after it.
const unansweredAfter = 2 * time.Second

func (l *requestLog) write(w io.Writer, entries []entratest.Entry, now time.Time) {
	for _, en := range entries {
		if !en.Time.After(l.last) {
			continue
		}
		if en.Status == 0 && now.Sub(en.Time) < unansweredAfter {
			return
		}
		l.last = en.Time
		fmt.Fprintln(w, printable(logLine(en)))
	}
}

// logLine says what was asked and answered, and why it was refused.
func logLine(en entratest.Entry) string {
	line := en.Time.Format("15:04:05") + " " + en.Method + " " + en.Path
	if en.GrantType != "" {
		line += " " + en.GrantType
	}
	if en.Scope != "" {
		line += " " + en.Scope
	}
	if en.Status == 0 {
		return line + ": no answer"
	}
	line += fmt.Sprintf(": %d in %s", en.Status, showDuration(en.Duration))
	if en.Error != "" {
		line += ", " + en.Error
	}
	if en.Code != 0 {
		line += fmt.Sprintf(" AADSTS%d", en.Code)
	}
	if en.Reason != "" {
		line += ": " + en.Reason
	}
	return line
}
