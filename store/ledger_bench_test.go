package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/recorder"
	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

var benchKinds = []storetest.Kind{storetest.SQLite, storetest.PostgresPrisma}

// benchLedger makes a database with sessions of ten users.
func benchLedger(b *testing.B, kind storetest.Kind, sessions int) (*storetest.Database, *store.Transactional) {
	b.Helper()
	d := storetest.New(b, kind)
	db, err := store.Open(store.Config{DSN: d.DSN})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	tr := store.NewTransactional(db, "")
	if _, err := tr.Migrate(b.Context(), store.MigrateOptions{}); err != nil {
		b.Fatal(err)
	}
	for i := range min(sessions, 10) {
		if err := tr.CreateUser(b.Context(), &store.User{ID: fmt.Sprint("user", i), IsActive: true}); err != nil {
			b.Fatal(err)
		}
	}
	for i := range sessions {
		if err := tr.AddSession(b.Context(), &store.Session{SessionID: fmt.Sprint("session", i), UserID: ptr(fmt.Sprint("user", i%10))}); err != nil {
			b.Fatal(err)
		}
	}
	return d, tr
}

// benchEvent is the n-th event: each message is sent, delivered and read, some
// thousand events apart.
func benchEvent(n, sessions int) stats.Event {
	const apart = 4000
	block, i := n/(3*apart), n%(3*apart)
	message := block*apart + i%apart
	session := message % sessions
	e := stats.Event{
		UserID: fmt.Sprint("user", session%10), SessionID: fmt.Sprint("session", session),
		MessageID: fmt.Sprintf("3EB0%016X", uint64(message)*0x9E3779B97F4A7C15), To: "628123456789", Type: "text",
		Status: []stats.Status{stats.Sent, stats.Delivered, stats.Read}[i/apart],
		At:     noon.Add(time.Duration(n) * time.Millisecond),
	}
	return e
}

func perSecond(b *testing.B, events int) {
	b.Helper()
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkRecord: batches of 10,000 events, all for one session or spread over
// 500.
func BenchmarkRecord(b *testing.B) {
	for _, kind := range benchKinds {
		for _, sessions := range []int{1, 500} {
			b.Run(fmt.Sprintf("%s/sessions=%d", kind, sessions), func(b *testing.B) {
				d, tr := benchLedger(b, kind, sessions)
				n := 0
				batch := make([]stats.Event, 10_000)
				for b.Loop() {
					b.StopTimer()
					for i := range batch {
						batch[i] = benchEvent(n, sessions)
						n++
					}
					b.StartTimer()
					if _, err := tr.Record(b.Context(), batch); err != nil {
						b.Fatal(err)
					}
				}
				perSecond(b, n)
				if d.Postgres() {
					var bytes, messages float64
					if err := d.SQL.QueryRow(`SELECT pg_total_relation_size('wa_gateway.message_ledger'), count(*) FROM wa_gateway.message_ledger`).Scan(&bytes, &messages); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(bytes/messages, "bytes/message")
				}
			})
		}
	}
}

// BenchmarkGroupCommit: 64 callers, each with one event at a time that has to be
// on disk before the next.
func BenchmarkGroupCommit(b *testing.B) {
	for _, kind := range benchKinds {
		for _, sessions := range []int{1, 500} {
			b.Run(fmt.Sprintf("%s/sessions=%d", kind, sessions), func(b *testing.B) {
				_, tr := benchLedger(b, kind, sessions)
				r := recorder.New(recorder.Options[stats.Event, stats.Recorded]{Commit: tr.Record})
				var n atomic.Int64
				b.ResetTimer()
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						for {
							i := int(n.Add(1)) - 1
							if i >= b.N {
								return
							}
							if _, err := r.Record(b.Context(), []stats.Event{benchEvent(i, sessions)}); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				perSecond(b, b.N)
				if err := r.Close(context.Background()); err != nil {
					b.Error(err)
				}
			})
		}
	}
}

// BenchmarkOneByOne is what BenchmarkRecord is compared with: one INSERT and one
// UPDATE for each event, without a ledger's guarantees.
func BenchmarkOneByOne(b *testing.B) {
	for _, kind := range benchKinds {
		b.Run(string(kind), func(b *testing.B) {
			d, _ := benchLedger(b, kind, 1)
			exec := func(query string, args ...any) {
				if _, err := d.SQL.ExecContext(b.Context(), d.Spell(query), args...); err != nil {
					b.Fatal(err)
				}
			}
			exec(`CREATE TABLE one_by_one (id bigint, user_id text, session_id text, message_id text, status text)`)
			exec(`INSERT INTO {whats_app_message_stats} ({whats_app_message_stats.id}, {whats_app_message_stats.user_id}, {whats_app_message_stats.session_id},
				{whats_app_message_stats.updated_at}) VALUES ('c', 'user0', 'session0', '2025-03-01 12:00:00')`)
			n := 0
			for b.Loop() {
				e := benchEvent(n, 1)
				exec(`INSERT INTO one_by_one VALUES ($1, $2, $3, $4, $5)`, n, e.UserID, e.SessionID, e.MessageID, string(e.Status))
				exec(`UPDATE {whats_app_message_stats} SET {whats_app_message_stats.total_messages_sent} = {whats_app_message_stats.total_messages_sent} + 1
					WHERE {whats_app_message_stats.user_id} = $1 AND {whats_app_message_stats.session_id} = $2`, e.UserID, e.SessionID)
				n++
			}
			perSecond(b, n)
		})
	}
}
