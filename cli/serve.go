package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/mail"
)

// openWithin bounds the start: a database that is away is told, not waited for.
const openWithin = 2 * time.Minute

// closeWithin bounds what is left after the last request.
const closeWithin = 3 * time.Second

func (c *command) serve() *cobra.Command {
	var addr string
	var noWorker bool
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Serve the API",
		Long:    "Serve opens the stores, brings the schema up (unless database.migrate is off) and answers until it is told to stop.\nIt works jobs as well, unless --no-worker leaves them to `gatehouse worker`.\nAt SIGTERM or SIGINT it turns not ready, closes the listener after http.drain_delay and lets what is in flight finish;\na second signal ends it at once.",
		Example: "  gatehouse serve\n  gatehouse serve --addr 127.0.0.1:8081 --set log.level=debug\n  GATEHOUSE_DATABASE_URL=postgres://… GATEHOUSE_REDIS_URL=redis://… gatehouse serve",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if addr != "" {
				c.set = append(c.set, "http.addr="+addr)
			}
			return c.runServe(cmd.Context(), app.Roles{API: true, Worker: !noWorker})
		},
	}
	cmd.Flags().StringVar(&addr, "addr", "", "address to listen on, host:port (setting http.addr)")
	cmd.Flags().BoolVar(&noWorker, "no-worker", false, "leave the jobs to other processes")
	return cmd
}

func (c *command) worker() *cobra.Command {
	return &cobra.Command{
		Use:     "worker",
		Short:   "Work jobs, without serving the API",
		Long:    "Worker opens the stores, brings the schema up (unless database.migrate is off) and works jobs until it is told to\nstop: mail above all. Any number of workers share the jobs of one database; it works beside a running server too.\nAt SIGTERM or SIGINT it begins no new job and gives those at work some seconds; what is cut off goes back to the queue.",
		Example: "  gatehouse serve --no-worker &\n  gatehouse worker --set worker.concurrency=20 --set ops.addr=127.0.0.1:9091",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runServe(cmd.Context(), app.Roles{Worker: true}) },
	}
}

func (c *command) runServe(ctx context.Context, roles app.Roles) error {
	a, values, err := c.loadSafe("")
	if err != nil {
		return err
	}
	defer c.close(ctx, a)
	if err := open(ctx, a.Open); err != nil {
		return err
	}
	return a.Serve(ctx, roles, func(at app.Listening) { c.greet(a, values, roles, at) })
}

// open runs one of the app's opening steps within the bound of a start.
func open(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	return step(ctx)
}

func (c *command) close(ctx context.Context, a *app.App) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	a.Close(ctx)
}

// greet tells where everything is, once requests are answered.
func (c *command) greet(a *app.App, values *config.Values, roles app.Roles, at app.Listening) {
	if at.Public != nil {
		scheme := "http"
		if v, _ := values.Get("http.tls_cert"); v.Value != "" {
			scheme = "https"
		}
		base, _ := values.Get("http.base_path")
		url := scheme + "://" + at.Public.String() + base.Value
		c.say("API          %s", url)
		c.say("docs         %s/docs", url)
	}
	if at.Ops != nil {
		c.say("operations   http://%s/readyz, /metrics", at.Ops)
	}
	target := a.Target()
	c.say("database     %s, %s", target.Engine, target.Place)
	c.say("mail         %s", mailPlace(a.MailTarget()))
	if roles.Worker {
		concurrency, _ := values.Get("worker.concurrency")
		c.say("jobs         worked here, %s at once", concurrency.Value)
	} else {
		c.say("jobs         left to `gatehouse worker`")
	}
	if env, _ := values.Get("env"); env.Value == "development" {
		c.say("environment  development: not for the internet; see docs/how-to/production.md")
	}
}

// mailPlace says where mail goes.
func mailPlace(at mail.Target) string {
	if at.Folder != "" {
		return at.Folder + ", as .eml files"
	}
	return at.Server + ", " + at.TLS
}

func (c *command) say(format string, args ...any) { fmt.Fprintf(c.io.Err, format+"\n", args...) }
