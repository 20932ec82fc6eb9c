package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver" // driver "sqlite3"
)

// backlogReport is about events that waited on local disk.
type backlogReport struct {
	Events int `json:"events"`
	// Spooled is how many per second were acknowledged while the database was
	// locked, the time included after which it is known to be away.
	Spooled float64 `json:"spooled_per_second"`
	// Begun is how long after the lock was gone the first were counted, in
	// microseconds, and Drained how many were counted per second from then on.
	Begun   float64 `json:"begun_us"`
	Drained float64 `json:"drained_per_second"`
}

// drain locks the database, tells events, and measures how they are counted when
// the lock is gone.
func (s *stage) drain(ctx context.Context, kind string, source *source, first, batches int, before, after totals) (r *backlogReport, err error) {
	unlock, err := lockDatabase(ctx, kind, s.dsn)
	if err != nil {
		return nil, err
	}
	spooled, err := tellBatches(ctx, s.server.gateway, source, first, batches)
	released := time.Now()
	if err = errors.Join(err, unlock()); err != nil {
		return nil, err
	}
	if spooled.spooled != spooled.events {
		return nil, fmt.Errorf("of %d events told while the database was locked %d were spooled", spooled.events, spooled.spooled)
	}
	r = &backlogReport{Events: spooled.events, Spooled: spooled.perSecond()}
	begun, err := s.server.await(ctx, drainTimeout, func(t totals) bool { return t != before })
	if err != nil {
		return nil, err
	}
	r.Begun = micros(begun.Sub(released))
	done, err := s.server.await(ctx, drainTimeout, func(t totals) bool { return t == after })
	if err != nil {
		return nil, err
	}
	r.Drained = quotient(float64(spooled.events), done.Sub(begun).Seconds())
	return r, nil
}

const drainTimeout = 5 * time.Minute

// lockDatabase keeps the ledger from being written, until unlock.
func lockDatabase(ctx context.Context, kind, dsn string) (unlock func() error, err error) {
	driver, source, statements := "pgx", dsn, []string{"BEGIN", "LOCK TABLE wa_gateway.session_stats IN EXCLUSIVE MODE"}
	if kind == kindSQLite {
		driver, source, statements = "sqlite3", sqliteFile(dsn), []string{"BEGIN IMMEDIATE"}
	}
	pool, err := sql.Open(driver, source)
	if err != nil {
		return nil, err
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return nil, errors.Join(err, conn.Close(), pool.Close())
		}
	}
	return func() error {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return errors.Join(err, conn.Close(), pool.Close())
	}, nil
}
