package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ncruces/go-sqlite3"
	sqlitedriver "github.com/ncruces/go-sqlite3/driver"
	"github.com/ncruces/go-sqlite3/gormlite"
)

// sqliteTime is how the driver writes times: ISO 8601 with milliseconds, as
// JavaScript's toISOString does. Given in UTC, as all ours are, the texts have
// one length and sort as the times do.
const sqliteTime = "2006-01-02T15:04:05.000Z07:00"

// sqliteBusyMillis is how long a connection waits for another process's lock.
const sqliteBusyMillis = 5000

// openSQLite prepares two pools on one file: a single writer, so that writers
// queue in order instead of colliding, and readers, which WAL lets work beside
// it.
func openSQLite(path string, conns int) (*DB, error) {
	switch {
	case path == "":
		return nil, errors.New("the SQLite DSN names no file: write sqlite://path")
	case strings.HasPrefix(path, ":memory:"):
		return nil, errors.New("an SQLite database in memory would be a different one on each connection: name a file")
	case strings.ContainsAny(path, "?\x00"):
		return nil, errors.New("the SQLite DSN takes a path and no options")
	}

	db := &DB{backend: SQLite, identity: sqliteIdentity(path), file: &sqliteFile{path: filepath.Clean(path)}}
	writer, err := db.file.pool("&_txlock=immediate&_timefmt="+url.QueryEscape(sqliteTime), 1)
	if err != nil {
		return nil, err
	}
	reader, err := db.file.pool("&_pragma=query_only(1)&_timefmt="+url.QueryEscape(sqliteTime), conns)
	if err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	db.pools = []*sql.DB{writer, reader}
	if db.writer, err = newGorm(gormlite.OpenDB(writer), db.namer(nil)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if db.gorm, err = newGorm(gormlite.OpenDB(reader), db.namer(nil)); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// sqliteFile is one database file, created when it is first connected to.
type sqliteFile struct {
	path string

	mu       sync.Mutex
	prepared bool
}

func (f *sqliteFile) pool(options string, conns int) (*sql.DB, error) {
	// synchronous=FULL makes each commit durable in WAL mode too: an event that
	// was acknowledged must survive a power failure (contract §8).
	dsn := "file:" + (&url.URL{Path: f.path}).EscapedPath() +
		fmt.Sprintf("?_pragma=busy_timeout(%d)&_pragma=foreign_keys(1)&_pragma=synchronous(full)", sqliteBusyMillis) + options
	inner, err := (&sqlitedriver.SQLite{}).OpenConnector(dsn)
	if err != nil {
		return nil, errors.New("the SQLite path cannot be used")
	}
	pool := sql.OpenDB(&sqliteConnector{file: f, Connector: inner})
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// exists says whether the file is there already.
func (f *sqliteFile) exists() bool {
	_, err := os.Stat(f.path)
	return !errors.Is(err, fs.ErrNotExist)
}

// prepare creates the folder and puts the file into WAL mode, which it then
// remembers, before any pool uses it: two connections that switch modes at the
// same time would refuse each other.
func (f *sqliteFile) prepare(ctx context.Context, connect func(context.Context) (driver.Conn, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.prepared {
		return nil
	}
	// For us alone: the files hold credentials and customers' rows, and SQLite's
	// -wal and -shm files get the umask's permissions.
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return fmt.Errorf("%w: create the folder of the SQLite file: %w", ErrUnavailable, bare(err))
	}
	created, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("%w: open the SQLite file: %w", ErrUnavailable, bare(err))
	}
	if err := created.Close(); err != nil {
		return fmt.Errorf("%w: open the SQLite file: %w", ErrUnavailable, bare(err))
	}
	conn, err := connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.(sqlitedriver.Conn).Raw().Exec("PRAGMA query_only=0; PRAGMA journal_mode=WAL"); err != nil {
		return err
	}
	f.prepared = true
	return nil
}

// sqliteConnector prepares the file before its first connection.
type sqliteConnector struct {
	driver.Connector
	file *sqliteFile
}

// Connect implements driver.Connector.
func (c *sqliteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.file.prepare(ctx, c.Connector.Connect); err != nil {
		return nil, classify(err)
	}
	conn, err := c.Connector.Connect(ctx)
	return conn, classify(err)
}

// bare leaves the path, which is the DSN, out of an error of the os package.
func bare(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// sqliteKind is the sentinel that an SQLite error stands for, nil for none; ok
// says whether it is an SQLite error at all. Some come as bare codes.
func sqliteKind(err error) (kind error, ok bool) {
	var extended sqlite3.ExtendedErrorCode
	if errors.As(err, &extended) {
		switch extended {
		case sqlite3.CONSTRAINT_UNIQUE, sqlite3.CONSTRAINT_PRIMARYKEY:
			return ErrConflict, true
		}
	}
	var code sqlite3.ErrorCode
	if !errors.As(err, &code) {
		return nil, false
	}
	switch code {
	case sqlite3.BUSY, sqlite3.LOCKED, sqlite3.FULL, sqlite3.IOERR, sqlite3.CANTOPEN,
		sqlite3.READONLY, sqlite3.PERM, sqlite3.CORRUPT, sqlite3.NOTADB, sqlite3.NOMEM,
		sqlite3.PROTOCOL, sqlite3.NOLFS, sqlite3.INTERRUPT:
		return ErrUnavailable, true
	}
	return nil, true
}

// sqliteInterrupted says that the caller's context ended the call.
func sqliteInterrupted(err error) bool { return errors.Is(err, sqlite3.INTERRUPT) }

// sqliteBusy says that another connection was in the way.
func sqliteBusy(err error) bool {
	return errors.Is(err, sqlite3.BUSY) || errors.Is(err, sqlite3.LOCKED)
}
