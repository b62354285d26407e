package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/config"
)

func (c *command) config() *cobra.Command {
	var asJSON, docs bool
	cmd := &cobra.Command{
		Use: "config", Short: "Show every setting, its value and where it came from", Args: noArgs,
		Long: "Config shows every setting with its value and origin: a flag before the environment before the file before the\ndefault. Secrets are not shown.",
		RunE: func(*cobra.Command, []string) error {
			_, values, err := c.load("warn")
			if err != nil {
				return err
			}
			return c.printConfig(values.All(), asJSON, docs)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&docs, "docs", false, "say what each setting means")
	return cmd
}

func (c *command) printConfig(all []config.Value, asJSON, docs bool) error {
	if asJSON {
		type line struct {
			Path        string `json:"path"`
			Environment string `json:"environment"`
			Type        string `json:"type"`
			Default     string `json:"default"`
			Value       string `json:"value"`
			Origin      string `json:"origin"`
			Doc         string `json:"doc"`
		}
		lines := make([]line, 0, len(all))
		for _, v := range all {
			lines = append(lines, line{v.Path, v.Env, v.Type, v.Default, v.Value, v.Origin, v.Doc})
		}
		return printJSON(c.io.Out, lines)
	}
	t := tabwriter.NewWriter(c.io.Out, 0, 0, 2, ' ', 0)
	head := "SETTING\tVALUE\tORIGIN"
	if docs {
		head += "\tMEANING"
	}
	fmt.Fprintln(t, head)
	for _, v := range all {
		fmt.Fprintf(t, "%s\t%s\t%s", v.Path, v.Value, v.Origin)
		if docs {
			fmt.Fprintf(t, "\t%s", v.Doc)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func (c *command) openapi() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "openapi", Short: "Print the OpenAPI document", Args: noArgs,
		Long: "Openapi prints the OpenAPI 3.1 document of this program's operations. It opens nothing.",
		RunE: func(*cobra.Command, []string) error {
			a, err := app.New(c.build, app.Options{})
			if err != nil {
				return err
			}
			document := a.Router.DocumentYAML
			switch format {
			case "yaml":
			case "json":
				document = a.Router.DocumentJSON
			default:
				return usage(fmt.Errorf("--format %q: expected yaml or json", format))
			}
			_, err = c.io.Out.Write(document())
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "yaml", "yaml or json")
	return cmd
}

func (c *command) version() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: noArgs, RunE: func(*cobra.Command, []string) error {
		_, err := fmt.Fprintln(c.io.Out, "gatehouse "+app.Version())
		return err
	}}
}
