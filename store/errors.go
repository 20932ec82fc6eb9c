package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// The errors callers decide by. Everything else that comes out of this package
// is a defect or a refusal of the database, and is worth a log line.
var (
	// ErrNotFound says that the row asked for does not exist.
	ErrNotFound = errors.New("not found")

	// ErrUnavailable says that the database cannot be used at the moment:
	// unreachable, shutting down, out of connections, out of disk, or too slow
	// for the caller's deadline. The same call may succeed later.
	ErrUnavailable = errors.New("database unavailable")

	// ErrNotReady says that the foreign tables have not been looked at yet; see
	// [Transactional.Inspect]. It is a kind of [ErrUnavailable].
	ErrNotReady = fmt.Errorf("%w: its tables have not been inspected yet", ErrUnavailable)

	// ErrConflict says that a unique value is taken already.
	ErrConflict = errors.New("already taken")

	// ErrLimitReached says that the user's package allows no more of these.
	ErrLimitReached = errors.New("limit reached")
)

// classify gives a driver's error the sentinel that callers look for and leaves
// out what drivers like to put into their texts: connection strings, users and
// the values of rows. The original stays reachable for errors.As, except for
// pgx's connection error, which prints its configuration.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case isClassified(err), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, gorm.ErrRecordNotFound), errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	}

	var connectErr *pgconn.ConnectError
	if errors.As(err, &connectErr) {
		return fmt.Errorf("%w: %w", ErrUnavailable, connectErr.Unwrap())
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		switch {
		case unavailableState(pgErr.Code):
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		case pgErr.Code == "23505" || pgErr.Code == "23P01":
			return fmt.Errorf("%w: %w", ErrConflict, err)
		}
		return err
	}
	if kind, ok := sqliteKind(err); kind != nil {
		return fmt.Errorf("%w: %w", kind, err)
	} else if ok {
		return err // its errors have the methods of a net.Error
	}
	if isConnectionFailure(err) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// ended classifies the error of a call that ran under ctx. SQLite reports a call
// that ctx ended as interrupted and does not say why.
func ended(ctx context.Context, err error) error {
	if err != nil && sqliteInterrupted(err) && ctx.Err() != nil {
		err = ctx.Err()
	}
	return classify(err)
}

func isClassified(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNotFound) ||
		errors.Is(err, ErrConflict) || errors.Is(err, ErrLimitReached)
}

// Blameless reports whether an error says nothing about the values that the database
// was given: it is away, or would refuse others alike, because a table, a column or a
// privilege is missing. Then the same call may succeed later, and should be tried
// again.
func Blameless(err error) bool {
	var pgErr *pgconn.PgError
	switch {
	case err == nil:
		return false
	case errors.Is(err, ErrUnavailable):
		return true
	case errors.As(err, &pgErr):
		return !aboutValues(pgErr.Code)
	}
	if _, isSQLite := sqliteKind(err); isSQLite {
		return strings.Contains(err.Error(), "no such ") // table, column, function
	}
	return false
}

// aboutValues knows the SQLSTATE classes that blame the values: 21 cardinality, 22
// data, 23 integrity constraints, 44 WITH CHECK OPTION, 54 limits of the program, and
// triggers of another application (P0).
func aboutValues(code string) bool {
	if len(code) != 5 {
		return false
	}
	switch code[:2] {
	case "21", "22", "23", "44", "54", "P0":
		return true
	}
	return false
}

// unavailableState knows the SQLSTATE classes after which trying later helps:
// 08 connection, 53 insufficient resources, 57P0x shutting down or starting,
// 57014 cancelled by a timeout, 28 and 3D a server that refuses this role or
// lacks this database, 25006 a standby that was not promoted yet, 40 what is
// left of conflicts after the retries, 55P03 a lock not granted in time, 58 and
// XX001/XX002 the disk.
func unavailableState(code string) bool {
	if len(code) != 5 {
		return false
	}
	switch code[:2] {
	case "08", "53", "28", "3D", "40", "58":
		return true
	}
	switch code {
	case "57014", "57P01", "57P02", "57P03", "57P05", "25006", "55P03", "XX001", "XX002":
		return true
	}
	return false
}

func isConnectionFailure(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.As(err, &netErr) || pgconn.Timeout(err) ||
		// database/sql has no exported error for a pool that was closed, which
		// happens to calls in flight while a configuration is replaced.
		strings.Contains(err.Error(), "sql: database is closed")
}

// retryable says that the transaction lost a race and may simply run again:
// serialization failure, deadlock, a busy SQLite file, or a statement whose
// cached plan another application's ALTER TABLE has made stale.
func retryable(err error) bool {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code == "40001" || pgErr.Code == "40P01" || stalePlan(pgErr)
	}
	return sqliteBusy(err)
}

// stalePlan recognizes what PostgreSQL answers to a prepared statement whose
// tables changed shape: pgx forgets the statement, so that one more try works.
func stalePlan(err *pgconn.PgError) bool {
	return err.Code == "0A000" && strings.Contains(err.Message, "cached plan") || err.Code == "26000"
}
