package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/genfity/wa-gateway/store"
)

func (d *doctor) checkDatabases(ctx context.Context) {
	transactional, primary, closeAll, err := openDatabases(d.config.settings)
	if err != nil {
		d.fail("databases", "correct the DSN", "%v", err)
		return
	}
	defer closeAll() //nolint:errcheck // nothing was written
	d.checkJournal(transactional.DB(), primary.DB())
	if d.reachable(ctx, "transactional_db", transactional.DB(), d.config.settings.transactional.DSN) {
		if d.checkTransactional(ctx, transactional) {
			d.checkPackages(ctx, transactional)
			d.checkDeadLetters(ctx, transactional)
		}
	}
	if d.reachable(ctx, "primary_db", primary.DB(), d.config.settings.primary.DSN) {
		d.checkPrimary(ctx, primary)
	}
}

// reachable asks a database for an answer and for its clock.
func (d *doctor) reachable(ctx context.Context, check string, db *store.DB, dsn string) bool {
	if path, missing := missingFile(dsn); missing {
		mend := "start the gateway, which makes it; or is this not its folder?"
		if d.config.app.MigrateOff {
			mend = "run caddy wa-gateway migrate; or is this not the gateway's folder?"
		}
		d.warn(check, mend, "the SQLite file %s does not exist yet", path)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	err := db.Ping(ctx) // connects; the second one is what a query takes
	start := time.Now()
	if err == nil {
		err = db.Ping(ctx)
	}
	if err != nil {
		mend := "see that it runs, and check host, port, name, user, password and sslmode"
		if db.Backend() == store.SQLite {
			mend = "check the path and who may write there"
		}
		d.fail(check, mend, "%s does not answer: %v", db.Backend(), err)
		return false
	}
	d.ok(check, "%s answers", db.Backend()).took(time.Since(start))
	if db.Backend() == store.Postgres {
		d.checkDatabaseClock(ctx, check+" clock", db)
	}
	return true
}

func (d *doctor) checkDatabaseClock(ctx context.Context, check string, db *store.DB) {
	before := d.now()
	theirs, err := db.Now(ctx)
	if err != nil {
		d.fail(check, "", "it cannot be read: %v", err)
		return
	}
	d.checkClock(check, theirs, time.Microsecond, before, d.now())
}

// How far clocks may be apart.
const (
	skewNone = 100 * time.Millisecond // nobody can tell, and clocks are set all the time
	skewWarn = 2 * time.Second
	skewFail = time.Minute
)

// checkClock judges a clock that was read between before and after, and counts in
// steps of resolution.
func (d *doctor) checkClock(check string, theirs time.Time, resolution time.Duration, before, after time.Time) {
	skew := skewOf(theirs, resolution, before, after)
	const mend = "have both machines' clocks set by NTP: subscriptions and keys expire, and events are ordered, by them"
	text := fmt.Sprintf("%v ahead of ours", skew.Round(time.Millisecond))
	if skew < 0 {
		text = fmt.Sprintf("%v behind ours", -skew.Round(time.Millisecond))
	}
	switch {
	case skew.Abs() > skewFail:
		d.fail(check, mend, "%s", text)
	case skew.Abs() > skewWarn:
		d.warn(check, mend, "%s", text)
	case skew.Abs() < skewNone:
		d.ok(check, "agrees with ours")
	default:
		d.ok(check, "%s", text)
	}
}

// skewOf is by how much a clock is certainly ahead, negative for behind. A clock
// that shows a time stands anywhere from there to its next step.
func skewOf(theirs time.Time, resolution time.Duration, before, after time.Time) time.Duration {
	switch {
	case theirs.After(after):
		return theirs.Sub(after)
	case theirs.Add(resolution).Before(before):
		return theirs.Add(resolution).Sub(before)
	default:
		return 0
	}
}

// checkTransactional looks at the tables; true when they can be queried.
func (d *doctor) checkTransactional(ctx context.Context, t *store.Transactional) bool {
	const check = "transactional_db tables"
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	plan, err := t.Migrate(ctx, store.MigrateOptions{DryRun: true})
	if err != nil {
		d.fail(check, "see that the gateway's user may read the tables", "%v", err)
		return false
	}
	if len(plan.CreatedTables) > 0 {
		d.pending(check, fmt.Sprintf("the database is empty: %d tables are to be made", len(plan.CreatedTables)))
		return false
	}
	schema, err := t.Inspect(ctx)
	if schema == nil {
		d.fail(check, "see that the gateway's user may read the tables", "%v", err)
		return false
	}
	usable := err == nil || onlyPending(schema, err)
	switch {
	case !usable:
		d.fail(check, "have the application that owns the database bring its tables up to date, or correct naming", "%v", err)
	case len(schema.Pending) > 0:
		d.pending(check, pendingText(schema.Pending))
	default:
		d.ok(check, "up to date, naming %s", schema.Naming)
	}
	if usable {
		d.checkMissing(check, schema)
	}
	return err == nil
}

// onlyPending tells whether Inspect found fault with nothing but migrations that
// are pending.
func onlyPending(schema *store.SchemaReport, err error) bool {
	return errors.Is(err, store.ErrNotReady) && len(schema.Pending) > 0 && strings.Contains(err.Error(), "pending")
}

// idleColumn are columns that lists are ordered by at most.
var idleColumn = regexp.MustCompile(`\.(?:created|updated)_?[aA]t$`)

// checkMissing tells of what the gateway does without.
func (d *doctor) checkMissing(check string, schema *store.SchemaReport) {
	const mend = "nothing has to be done, unless you want what they are for; the application that owns the database would add them"
	columns := slices.DeleteFunc(slices.Clone(schema.MissingColumns), func(column string) bool {
		return idleColumn.MatchString(column)
	})
	if len(schema.MissingTables) > 0 {
		d.warn(check, mend, "missing tables, done without: %s", strings.Join(schema.MissingTables, ", "))
	}
	if len(columns) > 0 {
		d.warn(check, mend, "missing columns, done without: %s", strings.Join(columns, ", "))
	}
	for _, blocker := range schema.Blockers {
		d.warn(check, "", "%s", blocker)
	}
}

func pendingText(pending []store.Migration) string {
	names := make([]string, 0, len(pending))
	for _, m := range pending {
		names = append(names, fmt.Sprintf("%d %s", m.Version, m.Name))
	}
	return "pending migrations of the gateway's own tables: " + strings.Join(names, ", ")
}

// pending is trouble only where the gateway does not migrate by itself.
func (d *doctor) pending(check, text string) {
	if d.config.app.MigrateOff {
		d.fail(check, "run caddy wa-gateway migrate: migrate off is set", "%s", text)
		return
	}
	d.warn(check, "start the gateway, which does it, or run caddy wa-gateway migrate", "%s", text)
}

func (d *doctor) checkPrimary(ctx context.Context, p *store.Primary) {
	const check = "primary_db tables"
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	plan, err := p.Migrate(ctx, store.MigrateOptions{DryRun: true})
	switch {
	case err != nil:
		d.fail(check, "see that the gateway's user may read the tables", "%v", err)
	case len(plan.Applied) > 0:
		d.pending(check, pendingText(plan.Applied))
	default:
		d.ok(check, "up to date")
	}
}

// checkPackages looks for limits in the configuration that are nobody's.
func (d *doctor) checkPackages(ctx context.Context, t *store.Transactional) {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	packages, err := t.Packages(ctx)
	if err != nil {
		d.fail("packages", "see that the gateway's user may read the tables", "%v", err)
		return
	}
	for name := range d.config.app.Packages {
		if !slices.ContainsFunc(packages, func(p store.Package) bool { return p.Name == name || p.ID == name }) {
			d.warn("packages", "caddy wa-gateway package list shows the names",
				"the configuration sets a limit for package %s, which does not exist", name)
		}
	}
}
