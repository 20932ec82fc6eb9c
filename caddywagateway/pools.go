package caddywagateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/directory"
	"github.com/genfity/wa-gateway/store"
)

// databases are the two databases and what lives on top of them: the directory
// of callers and the recorders of events and webhooks. They outlive a config
// reload as long as their settings stay the same.
type databases struct {
	settings      databaseSettings
	logger        *zap.Logger
	transactional *store.Transactional
	primary       *store.Primary
	directory     *directory.Directory
	// events and webhooks are there once opened is set.
	events   *eventRecorder
	webhooks *webhookRecorder

	pools []*store.DB

	start    sync.Once
	startErr error
	ctx      context.Context
	cancel   context.CancelFunc
	done     chan struct{}

	opened *latch // events can be taken
	ready  *latch // the databases can be asked
	late   *latch // nobody waits for these any more
}

// databaseSettings are what makes two configurations share their databases.
type databaseSettings struct {
	transactional store.Config
	primary       store.Config
	naming        store.Naming
	migrate       bool
	demo          bool
	cacheTTL      time.Duration
	cacheSize     int
	cacheGrace    time.Duration
	journal       journalSettings
	retention     retention
}

// key identifies the settings without showing them: the pool prints its keys
// when it panics.
func (s databaseSettings) key() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", []any{
		s.transactional, s.primary, s.naming, s.migrate, s.demo, s.cacheTTL, s.cacheSize,
		s.cacheGrace, s.journal, s.retention,
	}))
	return hex.EncodeToString(sum[:])
}

var databasePool = caddy.NewUsagePool()

// acquireDatabases takes hold of the databases with these settings. Nothing is
// dialled before run is called.
func acquireDatabases(settings databaseSettings, logger *zap.Logger) (*databases, string, error) {
	key := settings.key()
	value, _, err := databasePool.LoadOrNew(key, func() (caddy.Destructor, error) {
		return newDatabases(settings, logger)
	})
	if err != nil {
		return nil, "", err
	}
	return value.(*databases), key, nil
}

func newDatabases(settings databaseSettings, logger *zap.Logger) (*databases, error) {
	d := &databases{
		settings: settings, logger: logger, done: make(chan struct{}),
		opened: newLatch(), ready: newLatch(), late: newLatch(),
	}
	db, err := store.Open(settings.transactional)
	if err != nil {
		return nil, fmt.Errorf("transactional database: %w", err)
	}
	d.pools = append(d.pools, db)
	d.transactional = store.NewTransactional(db, settings.naming)
	d.transactional.KeepLedger(settings.retention.ledger)

	if settings.primary.DSN != settings.transactional.DSN {
		if db, err = store.Open(settings.primary); err != nil {
			return nil, errors.Join(fmt.Errorf("primary database: %w", err), d.pools[0].Close())
		}
		d.pools = append(d.pools, db)
	}
	d.primary = store.NewPrimary(db)

	d.directory = directory.New(directory.Options{
		Source: d.transactional, TTL: settings.cacheTTL, Size: settings.cacheSize, Grace: settings.cacheGrace,
		Trouble: d.logTrouble,
	})
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d, nil
}

// run opens the journals, which may fail, and brings the databases up in the
// background, once however many configurations use them: own tables up to date,
// schema looked at, demo data. It tries again until it succeeds, and then follows
// the changes that the operator's commands and other gateways make, until the last
// user lets go.
func (d *databases) run() error {
	d.start.Do(func() {
		if d.startErr = d.openRecorders(); d.startErr != nil {
			close(d.done)
			return
		}
		d.opened.set()
		patience := time.AfterFunc(startPatience, d.late.set)
		go func() {
			defer close(d.done)
			defer patience.Stop()
			if !d.bringUpUntilReady() {
				return
			}
			d.ready.set()
			var sweeps sync.WaitGroup
			sweeps.Go(func() { d.sweep(d.ctx) })
			d.directory.Watch(d.ctx)
			sweeps.Wait()
		}()
	})
	return d.startErr
}

// bringUpUntilReady is false when the last user let go before it succeeded.
func (d *databases) bringUpUntilReady() bool {
	wait := 250 * time.Millisecond
	for {
		err := d.bringUp(d.ctx)
		if err == nil || d.ctx.Err() != nil {
			return err == nil
		}
		d.logger.Error("databases are not ready; trying again", zap.Error(err), zap.Duration("wait", wait))
		select {
		case <-d.ctx.Done():
			return false
		case <-time.After(wait):
		}
		wait = min(2*wait, 10*time.Second)
	}
}

// logTrouble tells when the directory can no longer follow the database, and when
// it can again. What is cached is good for its time meanwhile.
func (d *databases) logTrouble(doing string, err error) {
	if err != nil {
		d.logger.Warn("cannot "+doing+"; trying again", zap.Error(err))
		return
	}
	d.logger.Info("can " + doing + " again")
}

// bringUpTimeout bounds one attempt; migrations of a large ledger take their
// time, so it is generous.
const bringUpTimeout = 5 * time.Minute

func (d *databases) bringUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bringUpTimeout)
	defer cancel()
	if !d.settings.migrate {
		if _, err := d.transactional.Inspect(ctx); err != nil {
			return fmt.Errorf("transactional database: %w", err)
		}
		return d.adoptStatistics(ctx)
	}
	report, err := d.transactional.Migrate(ctx, store.MigrateOptions{})
	if err != nil {
		return fmt.Errorf("transactional database: %w", err)
	}
	d.logMigration("transactional", report)
	if report, err = d.primary.Migrate(ctx, store.MigrateOptions{}); err != nil {
		return fmt.Errorf("primary database: %w", err)
	}
	d.logMigration("primary", report)
	if d.settings.demo {
		if err := seedDemo(ctx, d.transactional); err != nil {
			return fmt.Errorf("demo data: %w", err)
		}
	}
	return d.adoptStatistics(ctx)
}

// adoptStatistics takes over what was counted before the gateway came: the
// foreign table loses it when a session is deleted.
func (d *databases) adoptStatistics(ctx context.Context) error {
	adopted, err := d.transactional.AdoptStatistics(ctx)
	if err != nil {
		return fmt.Errorf("transactional database: taking over statistics: %w", err)
	}
	if adopted > 0 {
		d.logger.Info("statistics from before the gateway taken over", zap.Int64("sessions", adopted))
	}
	return nil
}

func (d *databases) logMigration(database string, report *store.MigrateReport) {
	if len(report.CreatedTables) == 0 && len(report.Applied) == 0 && len(report.MissingTables) == 0 {
		return
	}
	applied := make([]string, 0, len(report.Applied))
	for _, m := range report.Applied {
		applied = append(applied, m.Name)
	}
	log := d.logger.Info
	if len(report.MissingTables) > 0 {
		log = d.logger.Warn
	}
	log("database migrated",
		zap.String("database", database),
		zap.Strings("created_tables", report.CreatedTables),
		zap.Strings("applied", applied),
		zap.Strings("missing_tables", report.MissingTables))
}

// drainTimeout bounds how long what waits may take to reach the databases when their
// last user lets go. What does not stays in the journals, which the log tells of.
const drainTimeout = 10 * time.Second

// Destruct implements caddy.Destructor: it writes what is still queued and
// closes the pools.
func (d *databases) Destruct() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	d.start.Do(func() { close(d.done) }) // never run: nothing to wait for
	var errs []error
	if d.opened.isSet() {
		errs = append(errs, d.closeRecorders(ctx))
	}
	d.cancel()
	select {
	case <-d.done:
	case <-ctx.Done():
		errs = append(errs, errors.New("databases: still starting at the end of the time to stop"))
	}
	if d.ready.isSet() {
		errs = append(errs, d.directory.FlushUsed(ctx))
	}
	d.directory.Close()
	for _, pool := range d.pools {
		errs = append(errs, pool.Close())
	}
	return errors.Join(errs...)
}
