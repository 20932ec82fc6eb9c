package store

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Both back ends take lists as one JSON parameter where it is not about speed,
// so that the statements are the same.

// pairList is SQL for a list of pairs bound to a parameter in the form of
// jsonPairs: rows of user_id, session_id and n, counted from 1.
func (db *DB) pairList(parameter string) string {
	if db.backend == Postgres {
		return "(SELECT x.e->>0 AS user_id, x.e->>1 AS session_id, x.n FROM json_array_elements(" + parameter + "::json) WITH ORDINALITY AS x(e, n))"
	}
	return "(SELECT x.value->>0 AS user_id, x.value->>1 AS session_id, x.key + 1 AS n FROM json_each(" + parameter + ") AS x)"
}

func jsonPairs(pairs []pair) string {
	var rows jsonRows
	for _, p := range pairs {
		rows.text(p.userID)
		rows.text(p.sessionID)
		rows.end()
	}
	return rows.String()
}

// lock is what a SELECT ends with that locks its rows. SQLite has one writer at
// a time anyway.
func (db *DB) lock(table string) string {
	if db.backend == Postgres {
		return " FOR NO KEY UPDATE OF " + table
	}
	return ""
}

// later is SQL for the later of two times of our own tables, either of which
// may be NULL.
func (db *DB) later(a, b string) string {
	if db.backend == Postgres {
		return "GREATEST(" + a + ", " + b + ")"
	}
	return "nullif(max(coalesce(" + a + ", 0), coalesce(" + b + ", 0)), 0)"
}

// micros is SQL for a time of our own tables as microseconds since 1970.
func (db *DB) micros(expr string) string {
	if db.backend == Postgres {
		return "(extract(epoch FROM " + expr + ") * 1000000)::bigint"
	}
	return expr
}

// ownTime is SQL that binds what ownTimeArg makes of a time.
func (db *DB) ownTime() string {
	if db.backend == Postgres {
		return "CAST(? AS timestamptz)"
	}
	return "?"
}

func (db *DB) ownTimeArg(t time.Time) any {
	if db.backend == Postgres {
		return t.UTC()
	}
	return t.UnixMicro()
}

// foreignTime is SQL for a time of a foreign table in the form that our own have.
func (db *DB) foreignTime(expr string) string {
	if db.backend == Postgres {
		return "(" + expr + " AT TIME ZONE 'UTC')"
	}
	// Prisma writes integer milliseconds, others text.
	return "CASE WHEN typeof(" + expr + ") IN ('integer', 'real') THEN CAST(" + expr + " AS integer) * 1000" +
		" ELSE CAST(round(unixepoch(" + expr + ", 'subsec') * 1000) AS integer) * 1000 END"
}

// noTime is SQL for no time at all, of the type that our own tables have.
func (db *DB) noTime() string {
	if db.backend == Postgres {
		return "NULL::timestamptz"
	}
	return "NULL"
}

// bytewise gives a foreign text the collation of our own columns, where both
// have to be compared or sorted together.
func (db *DB) bytewise(expr string) string {
	if db.backend == Postgres {
		return expr + ` COLLATE "C"`
	}
	return expr
}

// timeOf reads microseconds since 1970; NULL is the zero time.
func timeOf(micros *int64) time.Time {
	if micros == nil {
		return time.Time{}
	}
	return time.UnixMicro(*micros).UTC()
}

// jsonRows writes an array of arrays. Building 10,000 rows by way of
// encoding/json would cost more than SQLite needs to store them.
type jsonRows struct {
	buf []byte
	row bool // inside of a row
}

// newJSONRows has room for that many bytes.
func newJSONRows(size int) jsonRows { return jsonRows{buf: make([]byte, 0, size)} }

func (r *jsonRows) next() {
	switch {
	case r.row:
		r.buf = append(r.buf, ',')
	case len(r.buf) == 0:
		r.buf = append(r.buf, '[', '[')
	default:
		r.buf = append(r.buf, ',', '[')
	}
	r.row = true
}

// end finishes a row.
func (r *jsonRows) end() {
	r.buf = append(r.buf, ']')
	r.row = false
}

func (r *jsonRows) int(n int64) {
	r.next()
	r.buf = strconv.AppendInt(r.buf, n, 10)
}

// time writes microseconds since 1970, null for the zero time.
func (r *jsonRows) time(t time.Time) {
	r.next()
	if t.IsZero() {
		r.buf = append(r.buf, "null"...)
		return
	}
	r.buf = strconv.AppendInt(r.buf, t.UnixMicro(), 10)
}

func (r *jsonRows) bool(b bool) {
	if b {
		r.int(1)
	} else {
		r.int(0)
	}
}

func (r *jsonRows) text(s string) {
	r.next()
	if strings.ContainsFunc(s, func(c rune) bool { return c < 0x20 || c == '"' || c == '\\' || c == utf8.RuneError }) {
		quoted, _ := json.Marshal(s) // a string always can be
		r.buf = append(r.buf, quoted...)
		return
	}
	r.buf = append(r.buf, '"')
	r.buf = append(r.buf, s...)
	r.buf = append(r.buf, '"')
}

// String is the whole array.
func (r *jsonRows) String() string {
	if len(r.buf) == 0 {
		return "[]"
	}
	return string(append(r.buf, ']'))
}
