package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A target is what a reading has to be, if it has to be anything.
type target struct {
	bound string // "at most", "at least", or "" for what is only told
	limit float64
	unit  string
}

func atMost(limit float64, unit string) target  { return target{"at most", limit, unit} }
func atLeast(limit float64, unit string) target { return target{"at least", limit, unit} }
func told(unit string) target                   { return target{unit: unit} }

func (t target) verdict(v float64) string {
	switch {
	case t.bound == "":
		return "-"
	case t.bound == "at most" && v <= t.limit, t.bound == "at least" && v >= t.limit:
		return "met"
	}
	return "MISSED"
}

func (t target) String() string {
	if t.bound == "" {
		return "-"
	}
	return t.bound + " " + number(t.limit) + " " + t.unit
}

// A line is one line of the report.
type line struct {
	What     string  `json:"what"`
	Target   string  `json:"target"`
	Measured float64 `json:"measured"`
	Unit     string  `json:"unit"`
	Verdict  string  `json:"verdict"`
	Detail   string  `json:"detail,omitempty"`
}

// lines returns the report on what a scenario measured.
func (s scenario) lines(got readings) ([]line, error) {
	var out []line
	for _, r := range s.rows {
		m, ok := got[r.reading]
		if !ok {
			return nil, fmt.Errorf("%s: nothing measured %q", s.name, r.reading)
		}
		verdict := r.target.verdict(m.value)
		if m.unjudged {
			verdict = "machine busy"
		}
		out = append(out, line{r.what, r.target.String(), m.value, r.target.unit, verdict, m.detail})
	}
	return out, nil
}

// missed returns how many targets were missed.
func missed(lines []line) (n int) {
	for _, l := range lines {
		if l.Verdict == "MISSED" {
			n++
		}
	}
	return n
}

// writeTable writes the lines as a Markdown table that also reads well as it is.
func writeTable(w io.Writer, lines []line) error {
	table := [][]string{{"what", "target", "measured", "verdict", "made of"}}
	for _, l := range lines {
		measured := number(l.Measured)
		if l.Target == "-" {
			measured += " " + l.Unit
		}
		table = append(table, []string{l.What, l.Target, measured, l.Verdict, l.Detail})
	}
	width := make([]int, len(table[0]))
	for _, cells := range table {
		for i, c := range cells {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	var b strings.Builder
	for n, cells := range table {
		for i, c := range cells {
			b.WriteString("| " + c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c)+1))
		}
		b.WriteString("|\n")
		if n == 0 {
			for _, w := range width {
				b.WriteString("|" + strings.Repeat("-", w+2))
			}
			b.WriteString("|\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeJSON(w io.Writer, lines []line) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(lines)
}

// number writes v with three digits, or more if it is large.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// nanos writes a time of so many nanoseconds.
func nanos(v float64) string {
	switch {
	case v < 1e4:
		return number(v) + " ns"
	case v < 1e7:
		return number(v/1e3) + " µs"
	}
	return number(v/1e6) + " ms"
}
