package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/azid-go/azidentity"
)

// A devicePrompt shows a device code: address and code, on terminals with a QR code of
// the address, with the code filled in if the authority can, and with the time that is
// left.
type devicePrompt struct {
	w    io.Writer
	noQR bool

	mu    sync.Mutex // guards what follows
	until time.Time  // the code's end; zero if there was none
	ended bool
	stop  func() // of the line that says what is waited for
}

// begin says that there is no code yet.
func (p *devicePrompt) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = showStatus(p.w, func(waited time.Duration) string {
		return fmt.Sprintf("waiting for a device code (%.0f s)", waited.Seconds())
	})
}

// show is the callback of the credential.
func (p *devicePrompt) show(_ context.Context, m azidentity.DeviceCodeMessage) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil // whoever waited has gone
	}
	p.stop()
	p.until = m.ExpiresOn
	text := p.text(m, time.Now())
	if !p.noQR {
		for _, line := range showsQR(p.w, cmp.Or(m.VerificationURLComplete, m.VerificationURL), strings.Count(text, "\n")+1) {
			text += line + "\n"
		}
	}
	p.stop = showStatus(p.w, func(time.Duration) string {
		return fmt.Sprintf("waiting for the sign-in; the code expires in %s; Ctrl-C cancels", countdown(time.Until(m.ExpiresOn)))
	})
	_, err := io.WriteString(p.w, text)
	return err
}

func (p *devicePrompt) text(m azidentity.DeviceCodeMessage, now time.Time) string {
	text := fmt.Sprintf("To sign in, open this page on any device, and enter the code:\n\n  %s\n  %s\n\n",
		printable(m.VerificationURL), groups(styleFor(p.w), printable(m.UserCode)))
	if !isTerminal(p.w) {
		text += fmt.Sprintf("The code expires at %s, %s.\n", m.ExpiresOn.UTC().Format("2006-01-02 15:04:05Z"), relative(m.ExpiresOn.Sub(now)))
	}
	return text
}

// end ends what is shown, and returns until when the code is good, which is zero if none
// was shown.
func (p *devicePrompt) end() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.stop()
	return p.until
}

// groups makes a code easy to read out: every second group of three letters is bold. No
// letter is added, so that the code can be selected and copied as it is.
func groups(s style, code string) string {
	var b strings.Builder
	letters := []rune(code)
	for i := 0; i < len(letters); i += 3 {
		group := string(letters[i:min(i+3, len(letters))])
		if i%2 == 0 {
			group = s.strong(group)
		}
		b.WriteString(group)
	}
	return b.String()
}

// countdown is "14:05", in minutes and seconds.
func countdown(d time.Duration) string {
	seconds := max(int(d.Round(time.Second)/time.Second), 0)
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}
