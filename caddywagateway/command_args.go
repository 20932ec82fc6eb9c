package caddywagateway

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/routes"
)

// takes checks the arguments of a command against their names: <name> must be
// there, [name] may.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return exit(cmd, usagef("there is one argument too many: %s", quoted(args[len(names)])))
		}
		for i, name := range names {
			switch {
			case i >= len(args) && strings.HasPrefix(name, "<"):
				return exit(cmd, usagef("%s is missing", name))
			case i < len(args) && strings.TrimSpace(args[i]) == "":
				// Most often a shell variable that is not set.
				return exit(cmd, usagef("%s is empty", strings.Trim(name, "<>[]")))
			}
		}
		return nil
	}
}

// argument is args[i], or nothing.
func argument(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// quoted shows an argument, unless it looks like a key: those are not repeated.
func quoted(arg string) string {
	if isKey(arg) {
		return "an API key"
	}
	return fmt.Sprintf("%q", arg)
}

// checkID refuses ids that the gateway would not accept from a caller either.
func checkID(what, id string) error {
	if !routes.ValidID(id) {
		return usagef("%s %s cannot be an id: use 1 to 255 letters, digits and - _ . : @ + | ~", what, quoted(id))
	}
	return nil
}

// maxText bounds names and the like, in bytes.
const maxText = 1000

// optionalText is a flag's value for a column that may be null: nil when the flag
// was not given.
func optionalText(flag, value string) (*string, error) {
	if value == "" {
		return nil, nil
	}
	if err := checkText(flag, value); err != nil {
		return nil, err
	}
	return &value, nil
}

func checkText(what, value string) error {
	switch {
	case strings.TrimSpace(value) == "":
		return usagef("%s is blank", what)
	case len(value) > maxText:
		return usagef("%s is longer than %d bytes", what, maxText)
	case !utf8.ValidString(value):
		return usagef("%s is not valid UTF-8", what)
	case strings.ContainsFunc(value, unicode.IsControl):
		return usagef("%s holds control characters", what)
	}
	return nil
}

// farFuture bounds expiries: what is meant to last longer needs none.
const farFuture = 100 * 366 * 24 * time.Hour

// parseExpiry reads a time: so long from now (90d, 12h), a date, which lasts to
// the end of that day in UTC, or RFC 3339.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	at, err := readTime(text, now)
	if err != nil {
		return time.Time{}, usagef("--expires %q is neither a duration such as 90d, nor a date such as 2027-01-31, nor a time such as 2027-01-31T12:00:00Z", text)
	}
	if at.Sub(now) > farFuture {
		return time.Time{}, usagef("--expires %q is more than 100 years away", text)
	}
	return at.UTC().Truncate(time.Second), nil
}

func readTime(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	lasts, err := caddy.ParseDuration(text)
	if err != nil {
		return time.Time{}, err
	}
	return now.Add(lasts), nil
}

// parseFutureExpiry is parseExpiry for what must not be over yet.
func parseFutureExpiry(text string, now time.Time) (time.Time, error) {
	at, err := parseExpiry(text, now)
	if err == nil && !at.After(now) {
		err = usagef("--expires %q is in the past", text)
	}
	return at, err
}
