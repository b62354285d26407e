package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/core/token"
)

func (c *command) keys() *cobra.Command {
	var asJSON bool
	list := &cobra.Command{
		Use: useList, Short: "List the signing keys", Args: noArgs,
		Long: "List shows every signing key that has not expired, in the order in which they sign. A key is published before it signs,\nand verifies what it has signed until the last such token has expired. Nothing secret is shown, and no master key needed.",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.keysList(cmd.Context(), asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return group("keys", "List or rotate the keys that sign access tokens", list, c.keysRotate())
}

func (c *command) keysList(ctx context.Context, asJSON bool) error {
	a, _, err := c.load("warn") // looking is safe
	if err != nil {
		return err
	}
	all, err := a.SigningKeys(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		lines := make([]keyLine, 0, len(all))
		for _, k := range all {
			lines = append(lines, lineOf(k))
		}
		return printJSON(c.io.Out, lines)
	}
	if len(all) == 0 {
		c.say("there is no signing key yet; the first start makes it")
		return nil
	}
	t := tabwriter.NewWriter(c.io.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KID\tALGORITHM\tSTATE\tCREATED AT\tSIGNS FROM\tRETIRES AT\tEXPIRES AT")
	for _, k := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.State, k.CreatedAt.Format(time.RFC3339),
			moment(k.SignsFrom), moment(k.RetiresAt), moment(k.ExpiresAt))
	}
	return t.Flush()
}

func moment(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.RFC3339)
}

// keyLine is a key as JSON.
type keyLine struct {
	Kid       string     `json:"kid"`
	Algorithm string     `json:"algorithm"`
	State     string     `json:"state"`
	CreatedAt time.Time  `json:"created_at"`
	SignsFrom *time.Time `json:"signs_from"`
	RetiresAt *time.Time `json:"retires_at"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func lineOf(k token.Key) keyLine {
	return keyLine{k.ID, string(k.Algorithm), string(k.State), k.CreatedAt, k.SignsFrom, k.RetiresAt, k.ExpiresAt}
}

// rotation is what the flags of keys rotate say.
type rotation struct{ revoke, yes, asJSON bool }

func (c *command) keysRotate() *cobra.Command {
	var r rotation
	cmd := &cobra.Command{
		Use: "rotate", Short: "Make a new signing key", Args: noArgs,
		Long: "Rotate makes a signing key that is published at once and signs ten seconds later, when every running instance knows it.\n" +
			"The one before it verifies until its last token has expired, so nobody is logged out. It works beside running servers.\n\n" +
			"With --revoke-old, for a key that has leaked, the new one signs at once and every other is deleted: each access token\n" +
			"is refused, by every running instance within five seconds. Sessions and refresh tokens live on, so clients that refresh\n" +
			"go on. Services that remember the published keys trust the old ones for up to five minutes more.",
		Example: "  gatehouse keys rotate\n  gatehouse keys rotate --revoke-old --yes",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runKeysRotate(cmd.Context(), r) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&r.revoke, "revoke-old", false, "let the old keys verify nothing any more: all access tokens end")
	flags.BoolVar(&r.yes, "yes", false, "do not ask before --revoke-old")
	flags.BoolVar(&r.asJSON, "json", false, "print JSON")
	return cmd
}

func (c *command) runKeysRotate(ctx context.Context, r rotation) error {
	a, _, err := c.loadSafe("warn")
	if err != nil {
		return err
	}
	if r.revoke && !r.yes {
		if err := c.confirm(ctx, "Every access token will be refused at once"); err != nil {
			return usage(err)
		}
	}
	defer c.close(ctx, a)
	if err := open(ctx, a.Open); err != nil {
		return err
	}
	rotate := a.RotateKeys
	if r.revoke {
		rotate = a.RevokeKeys
	}
	key, err := rotate(ctx)
	if err != nil {
		return err
	}
	if r.asJSON {
		return printJSON(c.io.Out, lineOf(key))
	}
	if r.revoke {
		fmt.Fprintf(c.io.Out, "key %s (%s) signs now, and every other is deleted: running servers follow within %s\n", key.ID, key.Algorithm, token.ReloadInterval)
		return nil
	}
	fmt.Fprintf(c.io.Out, "key %s (%s) is published, and signs from %s, in %s; the one before it verifies until its last token has expired\n",
		key.ID, key.Algorithm, moment(key.SignsFrom), key.SignsFrom.Sub(key.CreatedAt))
	return nil
}

// confirm asks on a terminal whether to go on. Its error says that nothing was done.
func (c *command) confirm(ctx context.Context, consequence string) error {
	answer, err := c.answer(ctx, consequence+". Go on? [y/N] ")
	if err != nil {
		return err
	}
	switch strings.ToLower(answer) {
	case "y", "yes":
		return nil
	default:
		return errUnconfirmed
	}
}

var (
	errNoTerminal  = errors.New("there is no terminal to ask on: confirm with --yes")
	errUnconfirmed = errors.New("nothing was changed")
)

// answer asks a question on the terminal and gives the line that is typed, without the space around it.
func (c *command) answer(ctx context.Context, question string) (string, error) {
	terminal, ok := c.terminal()
	if !ok {
		return "", errNoTerminal
	}
	c.promptFor(question)
	line, err := await(ctx, func() ([]byte, error) { return readAnswer(terminal) })
	if err != nil {
		c.say("")
	}
	return strings.TrimSpace(string(line)), err
}

// maxAnswer is far more than an answer to a question needs.
const maxAnswer = 1024

// readAnswer reads a line; the end of input is an empty one.
func readAnswer(r io.Reader) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxAnswer)).ReadBytes('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return line, err
}
