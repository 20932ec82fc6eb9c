package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// stage is a Caddy with a new database, and the WA server behind it.
type stage struct {
	dsn     string
	server  *caddyServer
	wa      *upstream
	callers []caller
}

// onStage starts everything in a folder, has work done, and stops it again.
func onStage(ctx context.Context, o options, kind, dir string, p population, work func(*stage) error) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	db, err := newDatabase(ctx, kind, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.drop()) }()
	s := &stage{dsn: db.dsn}
	if s.callers, err = seed(ctx, db.dsn, p); err != nil {
		return err
	}
	if s.wa, err = startUpstream(); err != nil {
		return err
	}
	defer s.wa.close()
	if s.server, err = startCaddy(ctx, o.caddy, dir, db.dsn, s.wa.addr()); err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, s.server.stop()); err != nil {
			err = fmt.Errorf("%w\nCaddy's log ends with:\n%s", err, s.server.logTail())
		}
	}()
	return work(s)
}
