package cli

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/core/database"
)

func (c *command) migrate() *cobra.Command {
	var asJSON bool
	status := &cobra.Command{
		Use: "status", Short: "List every migration and its state", Args: noArgs,
		Long: "Status lists every migration and whether it was applied. It exits with 3 when one is pending or was changed since it\nwas applied, so that a script can tell.",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.migrateStatus(cmd, asJSON) },
	}
	status.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	up := &cobra.Command{
		Use: "up", Short: "Apply what is pending", Args: noArgs,
		Long: "Up applies every pending migration, each in a transaction of its own. One process migrates at a time, the others wait.\nIt works beside a running server: the schema of a version works for the version before it.",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.migrateUp(cmd, asJSON) },
	}
	up.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return group("migrate", "Bring the schema up, or show where it is", up, status)
}

func (c *command) migrateUp(cmd *cobra.Command, asJSON bool) error {
	a, _, err := c.loadSafe("warn")
	if err != nil {
		return err
	}
	defer c.close(cmd.Context(), a)
	if err := a.OpenDatabase(cmd.Context()); err != nil {
		return err
	}
	applied, err := a.Migrate(cmd.Context())
	if asJSON { // what was applied stays, so it is told beside an error too
		return errors.Join(err, printApplied(c.io.Out, applied))
	}
	for _, m := range applied {
		fmt.Fprintf(c.io.Out, "applied %s %04d_%s in %s\n", m.Module, m.Number, m.Name, m.Took.Round(time.Millisecond))
	}
	if err == nil && len(applied) == 0 {
		fmt.Fprintln(c.io.Out, "nothing to do: the schema is up to date")
	}
	return err
}

func printApplied(w io.Writer, all []database.Applied) error {
	type line struct {
		Module string  `json:"module"`
		Number int     `json:"number"`
		Name   string  `json:"name"`
		TookMS float64 `json:"took_ms"`
	}
	lines := make([]line, 0, len(all))
	for _, m := range all {
		lines = append(lines, line{m.Module, m.Number, m.Name, float64(m.Took.Microseconds()) / 1000})
	}
	return printJSON(w, lines)
}

func (c *command) migrateStatus(cmd *cobra.Command, asJSON bool) error {
	a, _, err := c.load("warn") // looking is safe
	if err != nil {
		return err
	}
	all, err := a.MigrationStatus(cmd.Context())
	if err != nil {
		return err
	}
	if err := printStatus(c.io.Out, all, asJSON); err != nil {
		return err
	}
	for _, m := range all {
		if m.State == database.StatePending || m.State == database.StateChanged {
			return &exitError{code: exitPending}
		}
	}
	return nil
}

func printStatus(w io.Writer, all []database.MigrationStatus, asJSON bool) error {
	type line struct {
		Module    string     `json:"module"`
		Number    int        `json:"number"`
		Name      string     `json:"name"`
		State     string     `json:"state"`
		AppliedAt *time.Time `json:"applied_at"`
	}
	lines := make([]line, 0, len(all))
	for _, m := range all {
		lines = append(lines, line{m.Module, m.Number, m.Name, string(m.State), m.AppliedAt})
	}
	if asJSON {
		return printJSON(w, lines)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MODULE\tMIGRATION\tSTATE\tAPPLIED AT")
	for _, l := range lines {
		at := "-"
		if l.AppliedAt != nil {
			at = l.AppliedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(t, "%s\t%04d_%s\t%s\t%s\n", l.Module, l.Number, l.Name, l.State, at)
	}
	return t.Flush()
}
