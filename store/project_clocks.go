package store

import (
	"encoding/json"
	"time"
)

// What is told of a thing may be told in parts, twice, and in any order, so each value
// has a clock: the time of the telling that it comes from. The later one wins, of two
// at the same time the greater value, and nothing never replaces something. So a row
// depends on what was told of it alone.

// clocks are the times of a row's values, in milliseconds since 1970. In the database
// only those are written that are not the row's changed_at, which are few.
type clocks map[string]int64

// row is what the rows with clocks have in common.
type row struct {
	changed *time.Time
	text    *string
	clocks  clocks
}

// readRow reads the clocks of a row, before any of it changes. Fields tell which values
// it has.
func readRow(changed *time.Time, text *string, fields map[string]bool) *row {
	r := &row{changed: changed, text: text, clocks: clocks{}}
	if *text != "" {
		// What cannot be read is as old as the row.
		_ = json.Unmarshal([]byte(*text), &r.clocks)
	}
	for field, set := range fields {
		if _, told := r.clocks[field]; set && !told {
			r.clocks[field] = changed.UnixMilli()
		}
	}
	return r
}

// write puts the clocks back.
func (r *row) write() {
	kept := clocks{}
	for field, at := range r.clocks {
		// A number may be told to be 0, so that it needs its clock to be known.
		if at != r.changed.UnixMilli() || field == fieldUnread {
			kept[field] = at
		}
	}
	*r.text = ""
	if len(kept) > 0 {
		text, _ := json.Marshal(kept) // the keys in order
		*r.text = string(text)
	}
}

// touched notes that something was told at a time.
func (r *row) touched(at time.Time) {
	if at.After(*r.changed) {
		*r.changed = at
	}
}

// set gives a text its value, if it was told later than the one that it has.
func (r *row) set(field string, value *string, told string, at time.Time) {
	if told == "" {
		return
	}
	old, now := r.clocks[field], at.UnixMilli()
	if *value == "" || now > old || now == old && told > *value {
		*value = told
		r.clocks[field] = now
	}
}

// setNumber is set for a number, of which 0 is a value too.
func (r *row) setNumber(field string, value *int64, told int64, at time.Time) {
	old, known := r.clocks[field]
	now := at.UnixMilli()
	if !known || now > old || now == old && told > *value {
		*value = told
		r.clocks[field] = now
	}
}

const fieldUnread = "unread"

// earliest and latest keep the one of two times that their name says; nil is none.
func earliest(have *time.Time, at time.Time) *time.Time {
	if have == nil || at.Before(*have) {
		return &at
	}
	return have
}

func latest(have *time.Time, at time.Time) *time.Time {
	if have == nil || at.After(*have) {
		return &at
	}
	return have
}
