package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/secret"
)

func (c *command) user() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Manage accounts", Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.userCreate(), c.userInvite(), c.userList(), c.userShow(), c.userReset(), c.userDelete())
	cmd.AddCommand(c.userChanges()...)
	return cmd
}

// newUser is what the flags of user create say.
type newUser struct {
	email, fullName      string
	admin, stdin, asJSON bool
}

func (c *command) userCreate() *cobra.Command {
	var n newUser
	cmd := &cobra.Command{
		Use: "create", Short: "Create an account, such as the first administrator", Args: noArgs,
		Long:    "Create makes an account with a verified e-mail address. It asks for the password twice, or reads one line of standard\ninput with --password-stdin. There is no default account: the first administrator comes from here. It works beside a\nrunning server.",
		Example: "  gatehouse user create --email ada@example.com --full-name \"Ada Lovelace\" --admin\n  pass show gatehouse/admin | gatehouse user create --email ada@example.com --full-name Ada --admin --password-stdin",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runUserCreate(cmd.Context(), n) },
	}
	flags := cmd.Flags()
	flags.StringVar(&n.email, "email", "", "e-mail address (required)")
	flags.StringVar(&n.fullName, "full-name", "", "full name (required)")
	flags.BoolVar(&n.admin, "admin", false, "make an administrator")
	flags.BoolVar(&n.stdin, "password-stdin", false, "read the password from one line of standard input")
	flags.BoolVar(&n.asJSON, "json", false, "print JSON")
	return cmd
}

func (c *command) runUserCreate(ctx context.Context, n newUser) error {
	registration, err := n.registration()
	if err != nil {
		return usage(err)
	}
	if registration.Password, err = c.readPassword(ctx, n.stdin); err != nil {
		return usage(err)
	}
	return c.withAccounts(ctx, (*app.App).Open, func(a *app.App) error {
		u, err := a.Stores.Accounts.Create(ctx, registration)
		if err != nil {
			return err
		}
		return c.tellUser(a, u, "created "+string(u.Role), n.asJSON)
	})
}

// withAccounts is withApp for a program that has accounts.
func (c *command) withAccounts(ctx context.Context, opening func(*app.App, context.Context) error, run func(*app.App) error) error {
	return c.withApp(ctx, opening, func(a *app.App) error {
		if a.Stores.Accounts == nil || a.Stores.Directory == nil {
			return errors.New("this program has no accounts")
		}
		return run(a)
	})
}

// withApp opens the app for as long as run takes.
func (c *command) withApp(ctx context.Context, opening func(*app.App, context.Context) error, run func(*app.App) error) error {
	a, _, err := c.loadSafe("warn")
	if err != nil {
		return err
	}
	defer c.close(ctx, a)
	err = open(ctx, func(ctx context.Context) error { return opening(a, ctx) })
	if err == nil {
		err = explain(run(a))
	}
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// errInterrupted is what a command says that was told to stop.
var errInterrupted = errors.New("interrupted")

// tellUser says what was done to a user, or prints the user as the API shows it.
func (c *command) tellUser(a *app.App, u app.User, done string, asJSON bool) error {
	if asJSON {
		return printJSON(c.io.Out, a.ViewUser(u))
	}
	_, err := fmt.Fprintf(c.io.Out, "%s %s %s\n", done, u.ID, legible(u.Email))
	return err
}

// registration reads the flags by the rules of the API. Its error says all that is wrong.
func (n newUser) registration() (app.Registration, error) {
	p, err := parsePerson(n.email, n.fullName, n.admin)
	return app.Registration{Email: p.email, EmailVerified: true, FullName: p.fullName, Role: p.role}, err
}

// person is who an account is made for.
type person struct {
	email    account.Email
	fullName string
	role     account.Role
}

func parsePerson(rawEmail, rawName string, admin bool) (person, error) {
	email, emailErr := account.ParseEmail(rawEmail)
	name, nameErr := account.ParseFullName(rawName)
	var faults []string
	if emailErr != nil {
		faults = append(faults, "--email "+emailErr.Error())
	}
	if nameErr != nil {
		faults = append(faults, "--full-name "+nameErr.Error())
	}
	if len(faults) > 0 {
		return person{}, errors.New(strings.Join(faults, "\n  "))
	}
	p := person{email, name, account.RoleUser}
	if admin {
		p.role = account.RoleAdmin
	}
	return p, nil
}

// readPassword takes a line from standard input, or asks for it twice on a terminal.
func (c *command) readPassword(ctx context.Context, fromStdin bool) (secret.String, error) {
	if fromStdin {
		line, err := await(ctx, func() ([]byte, error) { return readLine(c.io.In) })
		return secret.New(string(line)), err
	}
	terminal, ok := c.terminal()
	if !ok {
		return secret.String{}, errors.New("there is no terminal to ask for the password: give it on standard input with --password-stdin")
	}
	first, err := c.ask(ctx, terminal, "Password: ")
	if err != nil {
		return secret.String{}, err
	}
	second, err := c.ask(ctx, terminal, "Once more: ")
	if err != nil {
		return secret.String{}, err
	}
	if !first.Equal(second) {
		return secret.String{}, errors.New("the two passwords differ")
	}
	return first, nil
}

// ask reads a line without echo. A question that is broken off gives the terminal its echo back.
func (c *command) ask(ctx context.Context, terminal *os.File, prompt string) (secret.String, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return secret.String{}, fmt.Errorf("ask for the password: %w", err)
	}
	c.promptFor(prompt)
	raw, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	c.say("")
	if err != nil {
		return secret.String{}, errors.Join(err, term.Restore(fd, before))
	}
	return secret.New(string(raw)), nil
}

// terminal is where questions can be asked, if there is one.
func (c *command) terminal() (*os.File, bool) {
	file, ok := c.io.In.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}

func (c *command) promptFor(prompt string) { fmt.Fprint(c.io.Err, prompt) }

// readLine reads what is nothing but one line, whose end may be missing.
func readLine(r io.Reader) ([]byte, error) {
	all, err := io.ReadAll(io.LimitReader(r, password.MaxRawBytes+int64(len("\r\n"))+1))
	if err != nil {
		return nil, fmt.Errorf("read the password: %w", err)
	}
	line := bytes.TrimSuffix(bytes.TrimSuffix(all, []byte("\n")), []byte("\r"))
	if len(line) == 0 || len(line) > password.MaxRawBytes || bytes.ContainsAny(line, "\r\n") {
		return nil, fmt.Errorf("standard input must hold the password alone, on one line of at most %d bytes", password.MaxRawBytes)
	}
	return line, nil
}

// await gives up waiting for input when ctx ends. A read cannot be broken off: it ends with the process.
func await(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := read()
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		return a.line, a.err
	case <-ctx.Done():
		return nil, errInterrupted
	}
}

// advice is what to do about an answer, by its reason.
var advice = map[string]string{
	"last_admin":    "gatehouse user promote or create --admin makes one",
	"user_inactive": "gatehouse user enable does",
}

// explain turns an answer for clients into lines for the operator.
func explain(err error) error {
	var e *errs.Error
	if !errors.As(err, &e) || e.Status() >= 500 {
		return err
	}
	if len(e.Fields()) == 0 {
		if what, ok := advice[e.Reason()]; ok {
			return errors.New(e.Detail() + ": " + what)
		}
		return errors.New(e.Detail())
	}
	lines := make([]string, 0, len(e.Fields()))
	for _, f := range e.Fields() {
		lines = append(lines, "the "+strings.TrimPrefix(f.Pointer, "#/")+" "+f.Message)
	}
	return errors.New(strings.Join(lines, "\n  "))
}
