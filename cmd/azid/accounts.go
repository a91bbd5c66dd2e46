package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/azid-go/azidentity"
)

// An accountStore keeps who has signed in. Records of one account and application are one
// account, the later one counts. It is safe for concurrent use.
type accountStore interface {
	add(azidentity.AuthenticationRecord) error
	// list returns the accounts in the order of their usernames.
	list() ([]azidentity.AuthenticationRecord, error)
	// remove forgets accounts. One that is not kept is no error.
	remove(...azidentity.AuthenticationRecord) error
	// lasting reports whether the accounts outlive the process.
	lasting() bool
}

// memoryAccounts are accounts for as long as the process runs. The zero value has none.
type memoryAccounts struct {
	mu  sync.Mutex // guards all
	all []azidentity.AuthenticationRecord
}

func sameAccount(a, b azidentity.AuthenticationRecord) bool {
	return strings.EqualFold(a.HomeAccountID, b.HomeAccountID) && strings.EqualFold(a.ClientID, b.ClientID) && strings.EqualFold(a.Authority, b.Authority)
}

func (m *memoryAccounts) add(r azidentity.AuthenticationRecord) error {
	_ = m.remove(r) // never fails
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, r)
	slices.SortStableFunc(m.all, func(a, b azidentity.AuthenticationRecord) int { return strings.Compare(a.Username, b.Username) })
	return nil
}

func (m *memoryAccounts) list() ([]azidentity.AuthenticationRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all), nil
}

func (m *memoryAccounts) remove(records ...azidentity.AuthenticationRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = slices.DeleteFunc(m.all, func(a azidentity.AuthenticationRecord) bool {
		return slices.ContainsFunc(records, func(r azidentity.AuthenticationRecord) bool { return sameAccount(a, r) })
	})
	return nil
}

func (m *memoryAccounts) lasting() bool { return false }

// notKept is what commands that are about kept accounts say today.
const notKept = "azid keeps no accounts between runs yet: a sign-in ends with its command."

func newAccounts(store accountStore) *cobra.Command {
	var output choice
	cmd := &cobra.Command{
		Use:   "accounts",
		Short: "List the accounts that have signed in",
		Long: `List the accounts that have signed in.

` + notKept + `
So far there are none to list.

` + exitStatusHelp,
		Example: "  azid accounts\n  azid accounts --output json",
		Args:    knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := store.list()
			if err != nil {
				return err
			}
			if len(all) == 0 {
				sayNothingKept(cmd.ErrOrStderr(), store, "No account has signed in.")
			}
			return writeAccounts(cmd.OutOrStdout(), all, output.value == "json")
		},
	}
	addChoice(cmd, &output, "output", "form of the answer", "table", "json")
	return cmd
}

func newLogout(store accountStore) *cobra.Command {
	var f struct {
		username string
		all      bool
		output   choice
	}
	cmd := &cobra.Command{
		Use:   "logout [--username NAME | --all]",
		Short: "Forget accounts that have signed in",
		Long: `Forget accounts that have signed in, and list those that were. Without a flag it
is the only one.

` + notKept + `
So far there is nothing to forget. No other program is signed out, nor is the
browser.

` + exitStatusHelp,
		Example:               "  azid logout\n  azid logout --username ana@contoso.example",
		DisableFlagsInUseLine: true,
		Args:                  knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kept, err := store.list()
			if err != nil {
				return err
			}
			leaving := kept
			switch {
			case f.all && f.username != "":
				return usagef("azid logout: --all forgets everybody, and --username one: take one of the two")
			case f.username != "":
				leaving = slices.DeleteFunc(slices.Clone(kept), func(a azidentity.AuthenticationRecord) bool {
					return !strings.EqualFold(a.Username, f.username)
				})
			case !f.all && len(kept) > 1:
				var names []string
				for _, a := range kept {
					names = append(names, a.Username)
				}
				return usagef("azid logout: %s have signed in: name one with --username, or forget them with --all", strings.Join(names, ", "))
			}
			if err := store.remove(leaving...); err != nil {
				return err
			}
			if len(leaving) == 0 {
				what := "No account has signed in."
				if f.username != "" {
					what = "No account " + f.username + " has signed in."
				}
				sayNothingKept(cmd.ErrOrStderr(), store, what)
			}
			return writeAccounts(cmd.OutOrStdout(), leaving, f.output.value == "json")
		},
	}
	cmd.Flags().StringVar(&f.username, "username", "", "forget the account of `NAME`")
	cmd.Flags().BoolVar(&f.all, "all", false, "forget all accounts")
	addChoice(cmd, &f.output, "output", "form of the answer", "table", "json")
	return cmd
}

func sayNothingKept(w io.Writer, store accountStore, what string) {
	fmt.Fprintln(w, printable(what))
	if !store.lasting() {
		fmt.Fprintln(w, notKept)
	}
}

// writeAccounts writes a line for each, and no heading if there is none.
func writeAccounts(w io.Writer, all []azidentity.AuthenticationRecord, asJSON bool) error {
	if asJSON {
		if all == nil {
			all = []azidentity.AuthenticationRecord{}
		}
		return writeJSON(w, all)
	}
	width := 0
	for _, a := range all {
		width = max(width, len([]rune(a.Username)))
	}
	for _, a := range all {
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", width, printable(a.Username), printable(a.TenantID)); err != nil {
			return err
		}
	}
	return nil
}
