package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

func TestClassify(t *testing.T) {
	state := func(code string) error { return fmt.Errorf("doing: %w", &pgconn.PgError{Code: code, Message: "m"}) }
	other := errors.New("other")
	for _, c := range []struct {
		err  error
		want error // nil: none of the sentinels
	}{
		{gorm.ErrRecordNotFound, ErrNotFound},
		{fmt.Errorf("x: %w", sql.ErrNoRows), ErrNotFound},
		{context.DeadlineExceeded, ErrUnavailable},
		{driver.ErrBadConn, ErrUnavailable},
		{io.ErrUnexpectedEOF, ErrUnavailable},
		{&net.OpError{Op: "dial", Err: other}, ErrUnavailable},
		{errors.New("sql: database is closed"), ErrUnavailable},
		{state("08006"), ErrUnavailable},
		{state("53300"), ErrUnavailable},
		{state("53100"), ErrUnavailable},
		{state("57P01"), ErrUnavailable},
		{state("57P03"), ErrUnavailable},
		{state("57014"), ErrUnavailable},
		{state("28P01"), ErrUnavailable},
		{state("3D000"), ErrUnavailable},
		{state("40P01"), ErrUnavailable},
		{state("23505"), ErrConflict},
		{state("23503"), nil},
		{state("42703"), nil},
		{state("42501"), nil},
		{state(""), nil},
		{context.Canceled, nil},
		{other, nil},
	} {
		got := classify(c.err)
		if !errors.Is(got, c.err) && c.want != ErrNotFound {
			t.Errorf("%v: the cause is lost", c.err)
		}
		for _, sentinel := range []error{ErrNotFound, ErrUnavailable, ErrConflict, ErrLimitReached} {
			if errors.Is(got, sentinel) != (sentinel == c.want) {
				t.Errorf("%v became %v", c.err, got)
			}
		}
		if again := classify(got); again != got { //nolint:errorlint // the very same
			t.Errorf("%v is classified twice: %v", c.err, again)
		}
	}
	if classify(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestTransactionsThatLoseRunAgain(t *testing.T) {
	db := openFile(t, t.TempDir()+"/x.db")
	attempts := 0
	err := db.tx(t.Context(), func(*gorm.DB) error {
		if attempts++; attempts < 3 {
			return &pgconn.PgError{Code: "40P01"}
		}
		return nil
	})
	if err != nil || attempts != 3 {
		t.Errorf("%d attempts, %v", attempts, err)
	}
	attempts = 0
	err = db.tx(t.Context(), func(*gorm.DB) error {
		attempts++
		return &pgconn.PgError{Code: "40001"}
	})
	if !errors.Is(err, ErrUnavailable) || attempts != maxAttempts {
		t.Errorf("%d attempts, %v", attempts, err)
	}
	attempts = 0
	err = db.tx(t.Context(), func(*gorm.DB) error {
		attempts++
		return ErrConflict
	})
	if !errors.Is(err, ErrConflict) || attempts != 1 {
		t.Errorf("%d attempts, %v", attempts, err)
	}
}

func TestNewID(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		id := NewID()
		if len(id) != 25 || id[0] != 'c' || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
	for _, alphabet := range []string{base36, base62} {
		counts := map[rune]int{}
		for _, c := range randomText(alphabet, 50_000) {
			counts[c]++
		}
		want := 50_000 / len(alphabet)
		for _, c := range alphabet {
			if counts[c] < want*3/4 || counts[c] > want*5/4 {
				t.Errorf("%c came %d times of about %d", c, counts[c], want)
			}
		}
	}
}
