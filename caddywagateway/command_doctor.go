package caddywagateway

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// The states of a check.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

// finding is the result of one check.
type finding struct {
	Check   string `json:"check"`
	Status  string `json:"status"`
	Message string `json:"message"`
	// What to do about it.
	Mend      string   `json:"mend,omitempty"`
	LatencyMS *float64 `json:"latency_ms,omitempty"`
}

// doctor looks at everything that the gateway needs. It changes nothing, apart
// from a file that it makes and removes to see whether a folder can be written.
type doctor struct {
	*operator
	config   *loadedConfig
	findings []finding

	// Where the file system begins that tells of containers; tests have their own.
	root string
}

func (o *operator) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Checks everything that the gateway needs, and says what to mend",
		Long: `
Checks the configuration, both databases and their tables, the WA servers, the
limiter, the clocks, tokens, files, and who is trusted; one line for each check. A
WARN is something to know or to look into, a FAIL keeps the gateway from working
or leaves it open to strangers. The exit code is 1 if anything is FAIL.

Run it as the gateway runs: in its folder, as its user, with its --envfile, and
inside its container if it has one. It may be run beside a gateway that serves.`,
		Example: `  $ caddy wa-gateway doctor
  $ caddy wa-gateway doctor --config /etc/caddy/Caddyfile --envfile /etc/caddy/.env
  $ docker compose exec gateway caddy wa-gateway doctor --json`,
		Args: takes(),
		RunE: o.run(func(ctx context.Context, out *output, _ []string) error {
			d := &doctor{operator: o, root: "/"}
			d.examine(ctx)
			return d.report(out)
		}),
	}
}

// doctorTimeout bounds each check that asks somebody.
const doctorTimeout = 5 * time.Second

func (d *doctor) examine(ctx context.Context) {
	if !d.checkConfig(ctx) {
		return
	}
	d.checkEnvironment()
	d.checkDemo()
	d.checkTokens()
	d.checkDatabases(ctx)
	d.checkFiles()
	d.checkLimiter(ctx)
	d.checkServers(ctx)
	d.checkTrust()
}

func (d *doctor) ok(check, format string, args ...any) *finding {
	return d.add(checkOK, check, "", format, args...)
}

// warn and fail say what is wrong, and how to mend it.
func (d *doctor) warn(check, mend, format string, args ...any) *finding {
	return d.add(checkWarn, check, mend, format, args...)
}

func (d *doctor) fail(check, mend, format string, args ...any) *finding {
	return d.add(checkFail, check, mend, format, args...)
}

func (d *doctor) add(status, check, mend, format string, args ...any) *finding {
	d.findings = append(d.findings, finding{
		Check: check, Status: status, Mend: mend, Message: redact(fmt.Sprintf(format, args...)),
	})
	return &d.findings[len(d.findings)-1]
}

// took adds how long an answer took.
func (f *finding) took(latency time.Duration) {
	ms := float64(latency.Microseconds()) / 1000
	f.LatencyMS = &ms
}

func (d *doctor) report(out *output) error {
	worst := checkOK
	for _, f := range d.findings {
		if f.Status == checkFail || (f.Status == checkWarn && worst == checkOK) {
			worst = f.Status
		}
	}
	var err error
	if out.json {
		err = out.document(struct {
			Status string    `json:"status"`
			Checks []finding `json:"checks"`
		}{worst, d.findings})
	} else {
		err = d.print(out)
	}
	if err == nil && worst == checkFail {
		err = errSilent
	}
	return err
}

var stateWords = map[string]string{checkOK: "OK", checkWarn: "WARN", checkFail: "FAIL"}

func (d *doctor) print(out *output) error {
	w := tabwriter.NewWriter(out.out, 0, 0, 2, ' ', 0)
	for _, f := range d.findings {
		text := printable(f.Message)
		if f.LatencyMS != nil {
			text += fmt.Sprintf(" (%.1f ms)", *f.LatencyMS)
		}
		if f.Mend != "" {
			text += ". To mend: " + printable(f.Mend)
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\n", stateWords[f.Status], f.Check, text); err != nil {
			return err
		}
	}
	return w.Flush()
}
