package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// style decorates text for one writer, or leaves it alone.
type style struct{ on bool }

// styleFor decorates on terminals, unless the user said otherwise
// (https://no-color.org).
func styleFor(w io.Writer) style {
	return style{isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (s style) good(text string) string   { return s.sgr("32", text) }
func (s style) bad(text string) string    { return s.sgr("31", text) }
func (s style) dim(text string) string    { return s.sgr("2", text) }
func (s style) strong(text string) string { return s.sgr("1", text) }

func (s style) sgr(code, text string) string {
	if !s.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// mark is the symbol at the beginning of a line. What it says, the line says in
// words too.
func (s style) mark(ok bool) string {
	switch {
	case !s.on && ok:
		return " "
	case !s.on:
		return "!"
	case ok:
		return s.good("✓")
	}
	return s.bad("✗")
}
