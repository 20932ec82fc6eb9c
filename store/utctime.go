package store

import (
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// UTCTime is a time of a foreign table: always UTC, to the millisecond. It reads
// PostgreSQL's timestamps with and without zone, and on SQLite the ISO texts and
// the integer milliseconds that Prisma writes.
type UTCTime struct{ time.Time }

// UTC makes a UTCTime of t.
func UTC(t time.Time) UTCTime { return UTCTime{timeArg(t)} }

// UTCPointer makes a *UTCTime of t, for columns that may be null.
func UTCPointer(t time.Time) *UTCTime {
	u := UTC(t)
	return &u
}

// Value implements driver.Valuer.
func (t UTCTime) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return timeArg(t.Time), nil
}

// GormDataType tells GORM that this is a time.
func (UTCTime) GormDataType() string { return "time" }

// Scan implements sql.Scanner. NULL is the zero time.
func (t *UTCTime) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		t.Time = time.Time{}
	case time.Time:
		t.Time = v.UTC()
	case int64:
		t.Time = time.UnixMilli(v).UTC()
	case float64:
		t.Time = time.UnixMilli(int64(v)).UTC()
	case []byte:
		return t.parse(string(v))
	case string:
		return t.parse(v)
	default:
		return fmt.Errorf("a time cannot be read from %T", src)
	}
	return nil
}

// timeLayouts are the texts in which SQLite's users write times. Those without a
// zone are UTC, as SQLite's own functions have it. Fractions need no mention.
var timeLayouts = []string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 -0700 MST",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05",
	"2006-01-02 15:04",
	"2006-01-02",
}

func (t *UTCTime) parse(text string) error {
	text = strings.TrimSpace(text)
	if millis, err := strconv.ParseInt(text, 10, 64); err == nil {
		t.Time = time.UnixMilli(millis).UTC()
		return nil
	}
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			t.Time = at.UTC()
			return nil
		}
	}
	return fmt.Errorf("a time column holds text in an unknown form (%d characters)", len(text))
}
