package store

import (
	"context"
	"strconv"
	"time"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/stats"
)

// verifyPage is how many sessions one statement recounts.
const verifyPage = 100

// VerifyOptions say what to recount.
type VerifyOptions struct {
	// UserID and SessionID choose sessions; empty: all.
	UserID    string
	SessionID string
	// Progress is told after each page of sessions. It may be nil.
	Progress func(VerifyReport)
}

// VerifyReport is how much was recounted.
type VerifyReport struct {
	Sessions    int64
	Messages    int64 // rows of the ledger
	Differences int64
}

// Difference is something stored that is not what a recount says.
type Difference struct {
	UserID    string
	SessionID string
	// What it is: "sent", "failed", "delivered", "read", "last_sent_at" and
	// "last_failed_at" are counters, compared with the archived counts and the
	// ledger's rows; "outcomes" is how many rows of the ledger are filed under
	// another outcome or time than their events give them; "rollups.sent" and so
	// on are the sums of the rollups, compared with the counters; "mirror.sent"
	// and "mirror.failed" are the totals of the foreign table, compared with the
	// counters and what was there before them. (Another application that writes
	// to its table makes such a difference, and may do so.)
	What string
	// Stored and Recounted are numbers, or times in RFC 3339, empty for none.
	Stored    string
	Recounted string
}

// Verify counts again, from what was told of each message and nothing derived
// from it, and tells fn about each difference. Each session is looked at as it is
// at one moment, so Verify is exact while others write. The foreign table is
// compared where its row exists and nothing is known to be due to it. fn's error
// ends it and is returned as it is.
func (t *Transactional) Verify(ctx context.Context, opts VerifyOptions, fn func(Difference) error) (VerifyReport, error) {
	var report VerifyReport
	for after := int64(0); ; {
		rows, err := t.verifyPage(ctx, opts, after)
		if err != nil {
			return report, failure("recount the statistics", err)
		}
		if len(rows) == 0 {
			return report, nil
		}
		for i := range rows {
			report.Sessions++
			report.Messages += rows[i].Messages
			for _, d := range rows[i].differences() {
				report.Differences++
				if err := fn(d); err != nil {
					return report, err
				}
			}
			after = rows[i].ID
		}
		if opts.Progress != nil {
			opts.Progress(report)
		}
	}
}

func (t *Transactional) verifyPage(ctx context.Context, opts VerifyOptions, after int64) ([]verifyRow, error) {
	var rows []verifyRow
	err := t.looking(ctx, func(s *foreignSchema) error {
		return t.db.readSettled(ctx, s.reader, func(q *gorm.DB) error {
			rows = nil
			sql, args := t.verifySQL(s, opts, after)
			return q.Raw(sql, args...).Scan(&rows).Error
		})
	})
	return rows, err
}

// verifyRow is a row of counters beside what they should be.
type verifyRow struct {
	ID        int64
	UserID    string
	SessionID string

	Sent, Failed, Delivered, Read     int64 // stored
	LastSent, LastFailed              *int64
	XSent, XFailed, XDelivered, XRead int64 // archived and recounted
	XLastSent, XLastFailed            *int64
	Messages, Misfiled                int64
	RSent, RFailed, RDelivered, RRead int64 // rollups
	TotalSent, TotalFailed            int64 // with the base
	Mirrored                          bool
	MSent, MFailed                    int64 // foreign
}

func (r *verifyRow) differences() []Difference {
	var list []Difference
	differ := func(what, stored, recounted string) {
		if stored != recounted {
			list = append(list, Difference{r.UserID, r.SessionID, what, stored, recounted})
		}
	}
	counts := func(prefix string, stored, recounted stats.Counts) {
		differ(prefix+"sent", verifyNumber(stored.Sent), verifyNumber(recounted.Sent))
		differ(prefix+"failed", verifyNumber(stored.Failed), verifyNumber(recounted.Failed))
		differ(prefix+"delivered", verifyNumber(stored.Delivered), verifyNumber(recounted.Delivered))
		differ(prefix+"read", verifyNumber(stored.Read), verifyNumber(recounted.Read))
	}
	counters := stats.Counts{Sent: r.Sent, Failed: r.Failed, Delivered: r.Delivered, Read: r.Read}
	counts("", counters, stats.Counts{Sent: r.XSent, Failed: r.XFailed, Delivered: r.XDelivered, Read: r.XRead})
	differ("last_sent_at", verifyMoment(r.LastSent), verifyMoment(r.XLastSent))
	differ("last_failed_at", verifyMoment(r.LastFailed), verifyMoment(r.XLastFailed))
	differ("outcomes", verifyNumber(r.Misfiled), "0")
	counts("rollups.", stats.Counts{Sent: r.RSent, Failed: r.RFailed, Delivered: r.RDelivered, Read: r.RRead}, counters)
	if r.Mirrored {
		differ("mirror.sent", verifyNumber(r.MSent), verifyNumber(r.TotalSent))
		differ("mirror.failed", verifyNumber(r.MFailed), verifyNumber(r.TotalFailed))
	}
	return list
}

func verifyNumber(n int64) string { return strconv.FormatInt(n, 10) }

func verifyMoment(micros *int64) string {
	if micros == nil {
		return ""
	}
	return timeOf(micros).Format(time.RFC3339Nano)
}
