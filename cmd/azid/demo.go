package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newDemo() *cobra.Command {
	var output choice
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Get a token with every credential from a built-in emulator",
		Long: `Get a token with every credential, from an emulator of Entra ID and of machines
in this process, on loopback ports. Nothing leaves this machine or stays on it.

The columns: SENT is how many requests the emulator received. FIRST is the time
to the first token, over an open connection. CACHED is the median time of the
calls after it, for which nothing may be sent. TOKEN FOR is whose the token
says it is: application or identity, and tenant. Each token's signature,
issuer, audience and expiry are checked by a library that shares no code with
this one.

` + exitStatusHelp,
		Example: "  azid demo\n  azid demo --output json",
		Args:    knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout(), demoRows(), output.value == "json")
		},
	}
	addChoice(cmd, &output, "output", "form of the answer", "table", "json")
	return cmd
}

// errReported ends a command whose output has already said what is wrong.
var errReported = errors.New("")

// demo takes the rows through an emulator and prints what came of them.
func demo(ctx context.Context, w io.Writer, rows []demoRow, asJSON bool) error {
	lab, err := newDemoLab(ctx)
	if ctx.Err() != nil {
		err = errors.New("azid demo: interrupted; nothing is left behind")
	}
	if err != nil {
		return err
	}
	defer lab.close()
	table := newDemoTable(w, rows)
	if !asJSON {
		table.head(lab.server.URL)
	}
	var results []demoResult
	for _, r := range rows {
		result := lab.run(ctx, r)
		if ctx.Err() != nil {
			return fmt.Errorf("azid demo: interrupted after %d of %d rows; nothing is left behind", len(results), len(rows))
		}
		results = append(results, result)
		if !asJSON {
			table.row(result)
		}
	}
	failed := slices.ContainsFunc(results, func(r demoResult) bool { return r.err != nil })
	if asJSON {
		err = writeJSON(w, map[string]any{"emulator": lab.server.URL, "ok": !failed, "rows": results})
	} else {
		table.foot(results)
	}
	if failed && err == nil {
		err = errReported
	}
	return err
}

// demoTable prints results as they come. It fits into 80 columns; TestDemoFits
// holds that.
type demoTable struct {
	w               io.Writer
	style           style
	credential, how int // widths
}

func newDemoTable(w io.Writer, rows []demoRow) *demoTable {
	t := &demoTable{w: w, style: styleFor(w), credential: len("CREDENTIAL"), how: len("HOW")}
	for _, r := range rows {
		t.credential = max(t.credential, len(r.credential))
		t.how = max(t.how, len(r.how))
	}
	return t
}

func (t *demoTable) head(url string) {
	fmt.Fprintf(t.w, "Entra ID emulator at %s, inside this process.\nNothing leaves this machine.\n\n", url)
	heading := t.line("CREDENTIAL", "HOW", "SENT", "FIRST", "CACHED", "TOKEN FOR")
	fmt.Fprintf(t.w, "  %s\n", t.style.dim(heading))
}

func (t *demoTable) row(r demoResult) {
	first, cached, who := "", "", "failed"
	if r.err == nil {
		first, cached, who = showDuration(r.First), showDuration(r.Cached), r.TokenFor
	}
	fmt.Fprintf(t.w, "%s %s\n", t.style.mark(r.err == nil), t.line(r.Credential, r.How, fmt.Sprint(r.Requests), first, cached, who))
}

func (t *demoTable) line(credential, how, sent, first, cached, who string) string {
	return fmt.Sprintf("%-*s  %-*s  %4s  %7s  %7s  %s", t.credential, credential, t.how, how, sent, first, cached, who)
}

func (t *demoTable) foot(results []demoResult) {
	good := 0
	for _, r := range results {
		if r.err == nil {
			good++
		}
	}
	fmt.Fprintf(t.w, "\n%s %d of %d got a token; every signature was checked against the issuer's keys.\n",
		t.style.mark(good == len(results)), good, len(results))
	for _, r := range results {
		if r.err != nil {
			fmt.Fprintf(t.w, "\n%s, %s:\n  %s\n", r.Credential, r.How, strings.ReplaceAll(printable(r.err.Error()), "\n", "\n  "))
		}
	}
	fmt.Fprint(t.w, `
The same against your own tenant, with an application's secret:
  export AZURE_TENANT_ID=… AZURE_CLIENT_ID=…
  read -rs AZURE_CLIENT_SECRET && export AZURE_CLIENT_SECRET
  azid token --scope https://management.azure.com/.default --decode
`)
}

// showDuration is "94 ns" or "3.9 ms", in seven letters up to an hour.
func showDuration(d time.Duration) string {
	value, unit := float64(d), "ns"
	for _, larger := range []string{"µs", "ms", "s"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, larger
	}
	if unit == "ns" || value >= 99.95 {
		return fmt.Sprintf("%.0f %s", value, unit)
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
