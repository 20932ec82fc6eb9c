// Command govulncheck looks for known vulnerabilities in the code that the packages
// given reach, by the govulncheck that tools/go.mod pins. Its exit code is 0 when
// there are none, 3 when there are some, and another one when it cannot tell.
//
// There is one exception, so that a build without a way out is not held up: when the
// vulnerability database cannot be reached over the network, it says loudly that
// nothing was checked, and its exit code is 0. A database that answers, but not as it
// should, is none of that.
//
// The database is https://vuln.go.dev, or what GOVULNDB names; file:// works as well.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	publicDatabase = "https://vuln.go.dev"
	tries          = 3
	patience       = 15 * time.Second
)

func main() {
	db := strings.TrimRight(os.Getenv("GOVULNDB"), "/")
	if db == "" {
		db = publicDatabase
	}
	os.Exit(run(db, os.Stderr, func() int { return scan(db, os.Args[1:]) }))
}

// run is the whole, apart from the scan itself.
func run(db string, errs io.Writer, scan func() int) int {
	if err := reach(db); err != nil {
		return notChecked(errs, err)
	}
	code := scan()
	if code == 0 || code == findings {
		return code
	}
	// It may have gone away meanwhile.
	if err := reach(db); err != nil {
		return notChecked(errs, err)
	}
	return code
}

// findings is govulncheck's exit code when it found something.
const findings = 3

func notChecked(errs io.Writer, err error) int {
	fmt.Fprintf(errs, "\n"+
		"************************************************************************\n"+
		"NOT CHECKED: the vulnerability database cannot be reached.\n"+
		"%v\n"+
		"Run `make vulncheck` where it can, or name a copy of it in GOVULNDB.\n"+
		"************************************************************************\n\n", err)
	return 0
}

// reach tells whether the database cannot be reached: the error is one of the
// network, never one of what the database says. govulncheck takes the same way, the
// proxies of the environment included.
func reach(db string) error {
	if !strings.HasPrefix(db, "http://") && !strings.HasPrefix(db, "https://") {
		return nil // govulncheck itself says what is wrong with a folder
	}
	var err error
	for i := range tries {
		if i > 0 {
			time.Sleep(time.Second)
		}
		if err = get(db + "/index/db.json.gz"); err == nil {
			return nil
		}
	}
	return err
}

func get(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil) //nolint:gosec // the address is the operator's
	if err != nil {
		return nil // no address at all: for govulncheck to say
	}
	resp, err := http.DefaultClient.Do(req) //nolint:gosec // likewise
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// scan runs govulncheck; its exit code passes through `go tool`.
func scan(db string, args []string) int {
	args = append([]string{"tool", "-modfile=tools/go.mod", "govulncheck", "-db", db}, args...)
	cmd := exec.CommandContext(context.Background(), "go", args...) //nolint:gosec // it exists to run this with the arguments given
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exit.ExitCode()
	default:
		fmt.Fprintln(os.Stderr, "govulncheck:", err)
		return 1
	}
}
