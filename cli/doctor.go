package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/config"
)

func (c *command) doctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check every setting and store, and say what to do", Args: noArgs,
		Long: "Doctor looks at the settings, every store and this machine, and changes none of them. It works beside a running\nserver, and exits with 1 when something is wrong that keeps the service from starting or working.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, _, err := c.load("error")
			if faults, ok := errors.AsType[config.Faults](err); ok {
				return c.printFindings(faultFindings(faults), asJSON)
			}
			if err != nil {
				return err
			}
			return c.printFindings(a.Examine(cmd.Context()), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// faultFindings are all there is to say while the settings cannot be read.
func faultFindings(faults config.Faults) []app.Finding {
	all := make([]app.Finding, 0, len(faults)+1)
	for _, f := range faults {
		all = append(all, app.Finding{Level: app.LevelFail, Subject: "settings", Message: f.Error()})
	}
	return append(all, app.Finding{Level: app.LevelWarn, Subject: "stores", Message: "were not looked at", Advice: "correct the settings first"})
}

func (c *command) printFindings(all []app.Finding, asJSON bool) error {
	failed := false
	for _, f := range all {
		failed = failed || f.Level == app.LevelFail
		if asJSON {
			continue
		}
		fmt.Fprintf(c.io.Out, "%-4s  %s: %s\n", f.Level, f.Subject, f.Message)
		if f.Advice != "" {
			fmt.Fprintf(c.io.Out, "      → %s\n", f.Advice)
		}
	}
	if asJSON {
		if err := printJSON(c.io.Out, all); err != nil {
			return err
		}
	}
	if failed {
		return &exitError{code: exitFailed}
	}
	return nil
}
