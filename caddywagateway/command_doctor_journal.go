package caddywagateway

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"github.com/genfity/wa-gateway/store"
)

// checkJournal looks for what waits on this disk: of these databases it reaches them
// by itself, of others it never does.
func (d *doctor) checkJournal(transactional, primary *store.DB) {
	const check = "journal"
	settings := d.config.settings.journal
	d.checkFolder(existing(settings.dir))
	ours := map[string]bool{
		filepath.Base(settings.folder(journalEvents, transactional)): true,
		filepath.Base(settings.folder(journalWebhooks, primary)):     true,
	}
	entries, err := os.ReadDir(settings.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.fail(check, "run this as the gateway's user, and have that user own the folder", "the folder cannot be read: %v", err)
		return
	}
	var waiting int64
	for _, entry := range entries {
		folder := filepath.Join(settings.dir, entry.Name())
		size := sizeOf(folder)
		switch {
		case ours[entry.Name()]:
			waiting += size
		case size > 0:
			d.warn(check, "start a gateway with the database that they are for, or remove the folder",
				"%s in %s waits for another database than those of this configuration", humanize.IBytes(uint64(size)), folder) //nolint:gosec // sizes are not negative
		}
	}
	d.ok(check, "%s on disk in %s", humanize.IBytes(uint64(waiting)), settings.dir) //nolint:gosec // sizes are not negative
}

// sizeOf adds up the files below a folder, as far as it can be read.
func sizeOf(folder string) (size int64) {
	_ = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // what cannot be read is not counted
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}

// checkDeadLetters tells of events that wait for the operator's decision.
func (d *doctor) checkDeadLetters(ctx context.Context, t *store.Transactional) {
	const check = "dead letters"
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	switch count, err := t.CountDeadLetters(ctx); {
	case err != nil:
		d.fail(check, "", "they cannot be counted: %v", err)
	case count > 0:
		d.warn(check, "look at them with caddy wa-gateway dead-letters list", "%d events could not be counted", count)
	default:
		d.ok(check, "none")
	}
}
