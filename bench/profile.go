package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// profiled writes what Caddy spends time on, and what it allocates for, while
// work runs, which should take that many seconds.
func (c *caddyServer) profiled(ctx context.Context, file string, seconds int, work func() error) error {
	ended := make(chan error, 1)
	go func() {
		ended <- errors.Join(
			c.fetch(ctx, fmt.Sprintf("profile?seconds=%d", seconds), file+".cpu"),
			c.fetch(ctx, "allocs", file+".allocs"))
	}()
	return errors.Join(work(), <-ended)
}

func (c *caddyServer) fetch(ctx context.Context, profile, file string) error {
	body, err := get(ctx, "http://"+c.admin+"/debug/pprof/"+profile, "")
	if err != nil {
		return err
	}
	return os.WriteFile(file, body, 0o600)
}
