package caddywagateway

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/dustin/go-humanize"
)

// checkFiles looks at the SQLite files, their folders, and files with secrets.
func (d *doctor) checkFiles() {
	var folders []string
	for _, dsn := range []string{d.config.settings.transactional.DSN, d.config.settings.primary.DSN} {
		path := sqlitePath(dsn)
		if path == "" {
			continue
		}
		if folder := existing(filepath.Dir(path)); !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
		d.checkSQLiteFile(path)
	}
	for _, folder := range folders {
		d.checkFolder(folder)
	}
	envfiles := slices.Clone(d.envfiles)
	if path := d.unreadEnvFile(d.config); path != "" {
		envfiles = append(envfiles, path)
	}
	for _, path := range envfiles {
		d.checkReaders(path)
	}
}

func (d *doctor) checkSQLiteFile(path string) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		d.fail("files", "run this as the gateway's user, and have that user own the file", "%s cannot be written: %v", path, err)
	default:
		_ = file.Close() // nothing was written
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		d.checkReaders(name)
	}
}

// existing is the folder itself, or the nearest above it that exists.
func existing(folder string) string {
	for {
		if _, err := os.Stat(folder); err == nil {
			return folder
		}
		above := filepath.Dir(folder)
		if above == folder {
			return folder
		}
		folder = above
	}
}

// lowSpace is how little free space is worth a warning: SQLite's log of writes
// alone may take hundreds of megabytes.
const lowSpace = 1 << 30

func (d *doctor) checkFolder(folder string) {
	probe, err := os.CreateTemp(folder, ".wa-gateway-doctor-*")
	if err != nil {
		d.fail("files", "run this as the gateway's user, and have that user own the folder", "the folder %s cannot be written: %v", folder, err)
		return
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		d.warn("files", "remove "+probe.Name(), "a file that was made to see whether the folder can be written is still there: %v", err)
	}
	free, err := freeSpace(folder)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		d.ok("files", "the folder %s can be written", folder)
	case err != nil:
		d.warn("files", "", "the free space of the folder %s cannot be found: %v", folder, err)
	case free < lowSpace:
		d.warn("files", "make room, before events cannot be kept any more", "the folder %s has only %s of free space", folder, humanize.IBytes(free))
	default:
		d.ok("files", "the folder %s can be written, with %s of free space", folder, humanize.IBytes(free))
	}
}

// checkReaders warns of a file that every user of the machine can read.
func (d *doctor) checkReaders(path string) {
	if runtime.GOOS == "windows" {
		return // its mode bits say nothing about others
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o004 == 0 || !othersReach(path) {
		return
	}
	d.warn("files", "chmod o-r "+path, "%s can be read by every user of this machine, and holds secrets or customers' data", path)
}

// othersReach tells whether others may pass all the folders above a file.
func othersReach(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return true
	}
	for folder := filepath.Dir(path); ; folder = filepath.Dir(folder) {
		info, err := os.Stat(folder)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if folder == filepath.Dir(folder) {
			return true
		}
	}
}
