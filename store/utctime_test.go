package store_test

import (
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

func TestUTCTimeScan(t *testing.T) {
	want := time.Date(2026, 5, 6, 7, 8, 9, 123_000_000, time.UTC)
	for _, src := range []any{
		want, want.In(time.FixedZone("WIB", 7*60*60)), want.UnixMilli(), float64(want.UnixMilli()),
		"2026-05-06T07:08:09.123Z", "2026-05-06 07:08:09.123", "2026-05-06T07:08:09.123", "2026-05-06 14:08:09.123+07:00",
		"2026-05-06T07:08:09.123+00:00", "1778051289123", []byte("2026-05-06 07:08:09.123"), " 2026-05-06 07:08:09.123000 ",
	} {
		var got store.UTCTime
		if err := got.Scan(src); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%T %v: %v, %v", src, src, got, err)
		}
	}
	var got store.UTCTime
	if err := got.Scan("2026-05-06"); err != nil || !got.Equal(want.Truncate(24*time.Hour)) {
		t.Errorf("a day: %v, %v", got, err)
	}
	if err := got.Scan(nil); err != nil || !got.IsZero() {
		t.Errorf("NULL: %v, %v", got, err)
	}
	for _, bad := range []any{"yesterday", true, ""} {
		if err := got.Scan(bad); err == nil {
			t.Errorf("took %v", bad)
		}
	}
	if v, err := (store.UTCTime{}).Value(); v != nil || err != nil {
		t.Errorf("zero: %v, %v", v, err)
	}
}

// Whatever zones the server, the connection and the process are set to, the
// column holds the wall clock of UTC, and what others wrote is read as such.
func TestTimesAreUTC(t *testing.T) {
	each(t, func(t *testing.T, d *storetest.Database, tr *store.Transactional) {
		at := time.Date(2030, 1, 1, 1, 2, 3, 4_000_000, time.Local) // 2029-12-31 18:02 UTC
		addUser(t, tr, "u")
		must(t, tr.AddPackage(t.Context(), &store.Package{ID: "p", Name: "Pro"}))
		must(t, tr.SetSubscription(t.Context(), "u", "p", "active", at))
		column := "{services_whatsapp_customers.expired_at}"
		text, want := column+"::text", "2029-12-31 18:02:03.004"
		if !d.Postgres() {
			text, want = "CAST("+column+" AS text)", "2029-12-31T18:02:03.004Z"
		}
		var stored string
		d.Query(t, "SELECT "+text+" FROM {services_whatsapp_customers}", nil, &stored)
		if stored != want {
			t.Errorf("stored %q, want %q", stored, want)
		}

		written := map[string]any{"Prisma's text": "2029-12-31 18:02:03.004"}
		if !d.Postgres() {
			written["Prisma's milliseconds"] = at.UnixMilli()
			written["an offset"] = "2030-01-01T01:02:03.004+07:00"
		}
		for name, value := range written {
			d.Exec(t, "UPDATE {services_whatsapp_customers} SET "+column+" = $1", value)
			got, err := tr.SubscriptionsOf(t.Context(), "u")
			must(t, err)
			if !got[0].ExpiredAt.Equal(at) || got[0].ExpiredAt.Location() != time.UTC {
				t.Errorf("%s: read %v, want %v", name, got[0].ExpiredAt, at.UTC())
			}
		}
		if d.Postgres() {
			// A deployment whose columns have a zone.
			d.Exec(t, "ALTER TABLE {services_whatsapp_customers} ALTER COLUMN "+column+" TYPE timestamptz USING "+column+" AT TIME ZONE 'UTC'")
			got, err := tr.SubscriptionsOf(t.Context(), "u")
			must(t, err)
			if !got[0].ExpiredAt.Equal(at) || got[0].ExpiredAt.Location() != time.UTC {
				t.Errorf("with a zone: read %v", got[0].ExpiredAt)
			}
			must(t, tr.SetSubscription(t.Context(), "u", "p", "active", at.Add(time.Hour)))
			got, err = tr.SubscriptionsOf(t.Context(), "u")
			if must(t, err); !got[0].ExpiredAt.Equal(at.Add(time.Hour)) {
				t.Errorf("with a zone: wrote and read %v", got[0].ExpiredAt)
			}
		}
	})
}
