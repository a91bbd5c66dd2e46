package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// choice is a flag whose value is one of a few words.
type choice struct {
	value   string
	allowed []string
}

// addChoice adds such a flag. The first word is its default.
func addChoice(cmd *cobra.Command, c *choice, name, usage string, allowed ...string) {
	c.value, c.allowed = allowed[0], allowed
	cmd.Flags().Var(c, name, usage+"\n"+wrap(strings.Replace(strings.Join(allowed, ", "), ",", " (default),", 1), 50))
	cmd.Flags().Lookup(name).DefValue = "" // said already
	err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag was just added
	}
}

// wrap breaks a text at spaces into lines of so many letters at most.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i > 0 && column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		case i > 0:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return "WORD" }

func (c *choice) Set(s string) error {
	for _, a := range c.allowed {
		if strings.EqualFold(s, a) {
			c.value = a
			return nil
		}
	}
	if near := nearest(s, c.allowed); near != "" {
		return fmt.Errorf("did you mean %s?", near)
	}
	return fmt.Errorf("it is one of %s", strings.Join(c.allowed, ", "))
}

// nearest returns the word that s probably was meant to be, or nothing.
func nearest(s string, words []string) string {
	s = strings.ToLower(s)
	best, least := "", 1+max(1, len(s)/3)
	for _, w := range words {
		d := distance(s, w)
		if len(s) >= 3 && strings.HasPrefix(w, s) {
			d = 1
		}
		if d < least {
			best, least = w, d
		}
	}
	return best
}

// distance is how many letters have to be added, removed, changed or swapped
// with their neighbour to turn a into b.
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(row[j]+cost, row[j+1]+1, next[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
