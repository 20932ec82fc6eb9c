package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "wa-gateway",
		Short: "Operates the WA gateway: users, keys, sessions, packages, statistics",
		Long: `
Operates the WA gateway by way of its databases. The gateway need not run; every
one that runs on the same databases follows what is done here within two seconds.
(What other applications change there it sees within its cache's time, 40 seconds
if nothing else is set.)

The databases are those of the configuration: the Caddyfile in this folder, or
the one that --config names, with its environment variables. Give the same
--envfile that the gateway is started with. Without a configuration they are the
SQLite files under ./data/.

Tables are for people; --json prints one JSON document for programs. Errors go to
standard error. The exit code is 0 when all is well, 1 after an error, and 2 when
the command was called in a wrong way.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Use = "wa-gateway"
			cmd.Example = `  $ caddy wa-gateway migrate --dry-run
  $ caddy wa-gateway user add customer1 --name "Customer One"
  $ caddy wa-gateway key create customer1
  $ caddy wa-gateway doctor --envfile .env`
			newOperator(cmd).build()
		},
	})
}

// operator is one run of a command: its flags, and the clock.
type operator struct {
	root *cobra.Command

	config   string
	adapter  string
	envfiles []string
	json     bool

	now func() time.Time
}

func newOperator(root *cobra.Command) *operator { return &operator{root: root, now: time.Now} }

func (o *operator) build() {
	flags := o.root.PersistentFlags()
	flags.StringVarP(&o.config, "config", "c", "", "Configuration file (default: ./Caddyfile, if there is one)")
	flags.StringVarP(&o.adapter, "adapter", "a", "", "Name of config adapter to apply")
	flags.StringSliceVar(&o.envfiles, "envfile", nil, "Environment file(s) to load")
	flags.BoolVar(&o.json, "json", false, "Print JSON instead of tables")

	asGroup(o.root)
	o.root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exit(cmd, &usageError{err.Error()})
	})
	o.root.AddCommand(
		o.migrateCommand(),
		o.userCommand(),
		o.keyCommand(),
		o.sessionCommand(),
		o.packageCommand(),
		o.subscriptionCommand(),
		o.statsCommand(),
		o.deadLettersCommand(),
		o.doctorCommand(),
	)
}

// asGroup makes a command that only holds others: it shows its help, and says so
// when it does not know a subcommand. Cobra would take that for success.
func asGroup(cmd *cobra.Command, members ...*cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("there is no command %q", args[0])
		cmd.SuggestionsMinimumDistance = 2
		if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
			text += "; did you mean " + strings.Join(like, " or ") + "?"
		}
		return exit(cmd, &usageError{text})
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(members...)
	return cmd
}

// usageError says that a command was called in a wrong way.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// errSilent ends a command with exit code 1 after it has said all there is.
var errSilent = errors.New("failed")

// The exit codes.
const (
	exitFailure = 1
	exitUsage   = 2
)

// exit reports an error and turns it into one that ends the process with the
// right code.
func exit(cmd *cobra.Command, err error) error {
	cmd.SilenceErrors = true // what is to be said is said here
	if !errors.Is(err, errSilent) {
		cmd.PrintErrln("Error: " + redact(err.Error()))
	}
	var wrongUse *usageError
	if !errors.As(err, &wrongUse) {
		return err // Caddy exits with 1
	}
	cmd.PrintErrf("Run '%s --help' for usage.\n", cmd.CommandPath())
	// Caddy's error with an exit code cannot be made in another way.
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) {
		return exitUsage, nil
	})(cmd, nil)
}

// credentialURL finds URLs that may carry credentials: DSNs whole, others up to
// the host.
var credentialURL = regexp.MustCompile(`(?i)\b(?:(postgres(?:ql)?|rediss?)://[^\s"'` + "`" + `<>]+|([a-z][a-z0-9+.-]*)://[^\s/"'` + "`" + `<>]*@)`)

// redact takes DSNs out of a text. Our own errors hold none, but Caddy's adapter
// quotes the words that it cannot use, and a DSN may be among them.
func redact(text string) string {
	return credentialURL.ReplaceAllString(text, "$1$2://REDACTED")
}

// check makes a look at arguments and flags cobra's: it comes before anything is
// opened.
func check(fn func(args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := fn(args); err != nil {
			return exit(cmd, err)
		}
		return nil
	}
}

// run makes a function cobra's: it ends with Ctrl-C, and its errors are reported
// with the right exit code.
func (o *operator) run(fn func(ctx context.Context, out *output, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
		defer stop()
		out := &output{out: cmd.OutOrStdout(), note: cmd.ErrOrStderr(), json: o.json}
		if err := fn(ctx, out, args); err != nil {
			return exit(cmd, err)
		}
		return nil
	}
}
