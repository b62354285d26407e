package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/mail"
)

func (c *command) mail() *cobra.Command {
	return group("mail", "Look at the mails that are sent", c.mailPreview())
}

func (c *command) mailPreview() *cobra.Command {
	var p preview
	cmd := &cobra.Command{
		Use: "preview [name]", Short: "List every mail, or show one as its reader would get it",
		Long:    "Preview makes mails from sample data, with your templates where mail.templates has them, and sends none. Without a name\nit lists every mail. With --out it writes each as .txt, .html and .eml, which a browser and a mail program open; in every\nlanguage unless --language names one.",
		Example: "  gatehouse mail preview\n  gatehouse mail preview reset_password --language de\n  gatehouse mail preview --out ./mails --set mail.templates=./templates",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(fmt.Errorf("one mail at a time, or all of them with --out: what is %q?", args[1]))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return c.runPreview(p, args) },
	}
	cmd.Flags().StringVar(&p.language, "language", "", "language to show: "+strings.Join(mail.Languages, " or "))
	cmd.Flags().StringVar(&p.out, "out", "", "folder to write files to")
	return cmd
}

// preview is what the flags ask for.
type preview struct{ language, out string }

func (c *command) runPreview(p preview, args []string) error {
	languages := mail.Languages
	if p.language != "" {
		if !slices.Contains(languages, p.language) {
			return usage(fmt.Errorf("--language %q: expected %s", p.language, strings.Join(languages, " or ")))
		}
		languages = []string{p.language}
	}
	a, _, err := c.load("warn") // looking is safe
	if err != nil {
		return err
	}
	names := a.Stores.Mails.Names()
	for _, name := range args {
		if !slices.Contains(names, name) {
			return usage(fmt.Errorf("there is no mail %q; gatehouse mail preview lists them", name))
		}
		names = args
	}
	if err := a.LoadMails(); err != nil {
		return usage(err)
	}
	switch {
	case p.out != "":
		return c.writePreviews(a, names, languages, p.out)
	case len(args) == 0:
		return c.listMails(a, names, languages[0])
	default:
		m, _, err := a.PreviewMail(args[0], languages[0])
		if err != nil {
			return err
		}
		fmt.Fprint(c.io.Out, asText(m))
		return nil
	}
}

func (c *command) listMails(a *app.App, names []string, language string) error {
	t := tabwriter.NewWriter(c.io.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MAIL\tSUBJECT")
	for _, name := range names {
		m, _, err := a.PreviewMail(name, language)
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%s\n", name, m.Subject)
	}
	return t.Flush()
}

// writePreviews writes three files for each mail and language, named as the templates are.
func (c *command) writePreviews(a *app.App, names, languages []string, folder string) error {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	for _, name := range names {
		for _, language := range languages {
			m, raw, err := a.PreviewMail(name, language)
			if err != nil {
				return err
			}
			for extension, content := range map[string]string{".txt": asText(m), ".html": m.HTML, ".eml": string(raw)} {
				if err := os.WriteFile(filepath.Join(folder, name+"."+language+extension), []byte(content), 0o600); err != nil {
					return err
				}
			}
			fmt.Fprintln(c.io.Out, filepath.Join(folder, name+"."+language+".{txt,html,eml}"))
		}
	}
	return nil
}

// asText is a mail's subject and text, laid out as its template.
func asText(m mail.Message) string { return "Subject: " + m.Subject + "\n\n" + m.Text }
