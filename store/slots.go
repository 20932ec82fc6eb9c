package store

import (
	"context"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/stats"
)

// SlotQuery asks for rollups.
type SlotQuery struct {
	UserID    string    // "" for everybody
	SessionID string    // "" for all sessions
	From      time.Time // included; zero for no bound
	To        time.Time // excluded; zero for no bound
}

// Slots returns what was counted of the messages that began in some time, by slot
// and type, all sessions that are asked for together, in the order of time. It is
// empty where nothing was counted, also for somebody who does not exist. What the
// foreign table held before the gateway counted is in none of them, since nobody
// knows when that was.
func (t *Transactional) Slots(ctx context.Context, query SlotQuery) ([]stats.SlotCounts, error) {
	// Named, so that the start can be looked up in the index behind them.
	where, args := []string{"r.minutes IN (15, 1440)"}, []any{}
	add := func(condition string, value any) {
		where = append(where, condition)
		args = append(args, value)
	}
	if query.UserID != "" {
		add("c.user_id = ?", query.UserID)
	}
	if query.SessionID != "" {
		add("c.session_id = ?", query.SessionID)
	}
	if !query.From.IsZero() {
		add("r.start >= "+t.db.ownTime(), t.db.ownTimeArg(query.From))
	}
	if !query.To.IsZero() {
		add("r.start < "+t.db.ownTime(), t.db.ownTimeArg(query.To))
	}
	var slots []stats.SlotCounts
	err := t.read(ctx, func(q *gorm.DB, _ *foreignSchema) error {
		slots = nil
		return each(q, `SELECT `+t.db.micros("r.start")+` AS start, r.minutes, r.type,
				CAST(sum(r.sent) AS bigint), CAST(sum(r.failed) AS bigint), CAST(sum(r.delivered) AS bigint), CAST(sum(r.read) AS bigint)
			FROM `+t.db.own("stats_rollups")+` r JOIN `+t.db.own("session_stats")+` c ON c.id = r.stats_id
			WHERE `+strings.Join(where, " AND ")+`
			GROUP BY r.start, r.minutes, r.type
			HAVING sum(r.sent) <> 0 OR sum(r.failed) <> 0 OR sum(r.delivered) <> 0 OR sum(r.read) <> 0
			ORDER BY r.start, r.minutes, r.type`,
			func(scan func(dest ...any) error) error {
				var start, minutes int64
				var s stats.SlotCounts
				if err := scan(&start, &minutes, &s.Type, &s.Sent, &s.Failed, &s.Delivered, &s.Read); err != nil {
					return err
				}
				s.Start, s.Width = time.UnixMicro(start).UTC(), time.Duration(minutes)*time.Minute
				slots = append(slots, s)
				return nil
			}, args...)
	})
	return slots, failure("read statistics over time", err)
}
