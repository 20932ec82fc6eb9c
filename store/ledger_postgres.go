package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/genfity/wa-gateway/stats"
)

// On PostgreSQL the ledger speaks to pgx itself: arrays as parameters, and
// statements sent together. A transaction of any size takes two round trips.

// pgx lends fn a connection of the pool. What fn leaves open is rolled back.
func (db *DB) pgx(ctx context.Context, fn func(c *pgx.Conn) error) error {
	conn, err := db.pools[0].Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driverConn any) error {
		c := driverConn.(*stdlib.Conn).Conn()
		defer func() {
			if c.IsClosed() || c.PgConn().TxStatus() == 'I' {
				return
			}
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
			defer cancel()
			if _, err := c.Exec(ctx, "ROLLBACK"); err != nil {
				_ = c.Close(ctx)
			}
		}()
		return fn(c)
	})
}

// send sends the statements together. The first error is returned; statements
// after it were not run.
func send(ctx context.Context, c *pgx.Conn, statements ...statement) error {
	var batch pgx.Batch
	for _, s := range statements {
		batch.Queue(s.sql, s.args...)
	}
	results := c.SendBatch(ctx, &batch)
	for _, s := range statements {
		if err := s.read(results); err != nil {
			_ = results.Close() // says the same
			if s.mirror {
				return mirrorError{err}
			}
			return err
		}
	}
	return results.Close()
}

type statement struct {
	sql  string
	args []any
	each func(rows pgx.Rows) error // nil when there are no rows to read

	mirror bool // its errors are those of the foreign table
}

func (s statement) read(results pgx.BatchResults) error {
	if s.each == nil {
		_, err := results.Exec()
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := s.each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// ledgerSettings hold for one transaction. What is acknowledged must be on disk
// even where the server was told to be hasty. Plans are kept for long and the
// tables begin small: a plan that reads a small table as a whole would be a
// disaster soon after.
const ledgerSettings = `SELECT ` + orphanSetting + `, set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true),
	set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true)`

// recordPostgres is one attempt.
func (t *Transactional) recordPostgres(ctx context.Context, s *foreignSchema, b *ledgerBatch) error {
	b.begin()
	return t.db.pgx(ctx, func(c *pgx.Conn) error {
		if err := send(ctx, c,
			statement{sql: "BEGIN ISOLATION LEVEL READ COMMITTED"},
			statement{sql: ledgerSettings},
			t.lockCountersPostgres(b),
			// Sees what was committed before the lock was granted.
			t.readMessagesPostgres(b),
			// From here on it is the foreign tables that are waited for. That begins
			// when the statements below are prepared.
			mirrorPatient,
		); err != nil {
			return err
		}
		if missing := b.missing(); len(missing) > 0 {
			known, err := t.knownPostgres(ctx, c, s, b.pairsAt(missing))
			if err != nil {
				return err
			}
			if b.refuse(missing, known); len(b.unseen) > 0 {
				return errUnseen
			}
		}
		messages, sessions := b.fold(t.ledgerLimit())
		if len(messages) == 0 {
			return nil
		}
		mirror := b.aside.reason == "" && s.hasTable(tableStats)
		err := send(ctx, c,
			t.writeMessagesPostgres(messages),
			t.writeRollupsPostgres(b.rollups.sorted()),
			t.writeCountersPostgres(s, b, sessions, t.now()), // of none where no count changes
			// Foreign keys may be checked as late as here.
			statement{sql: "COMMIT", mirror: mirror},
		)
		if mirror && lockTimedOut(err) {
			// Even if the first one has the error: all are prepared before it runs.
			return mirrorError{err}
		}
		return err
	})
}

func (t *Transactional) lockCountersPostgres(b *ledgerBatch) statement {
	users, sessions := pairColumns(b.pairs)
	return statement{
		sql: `SELECT k.n, s.id, s.epoch, s.reset_at, s.last_sent_at, s.last_failed_at, s.behind_sent, s.behind_failed
			FROM ` + t.db.own("session_stats") + ` s
			JOIN unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(user_id, session_id, n)
				ON s.user_id = k.user_id AND s.session_id = k.session_id
			ORDER BY s.id FOR NO KEY UPDATE OF s`,
		args: []any{users, sessions},
		each: func(rows pgx.Rows) error {
			var n int64
			var c sessionCounters
			var resetAt, lastSent, lastFailed pgtype.Timestamptz
			if err := rows.Scan(&n, &c.id, &c.epoch, &resetAt, &lastSent, &lastFailed, &c.behind[sideSent], &c.behind[sideFailed]); err != nil {
				return err
			}
			c.pair = b.pairs[n-1]
			c.resetAt = resetAt.Time
			c.last = [2]time.Time{lastSent.Time, lastFailed.Time}
			b.sessions[n-1] = &c
			return nil
		},
	}
}

func pairColumns(pairs []pair) (users, sessions []string) {
	for _, p := range pairs {
		users = append(users, p.userID)
		sessions = append(sessions, p.sessionID)
	}
	return users, sessions
}

func (t *Transactional) knownPostgres(ctx context.Context, c *pgx.Conn, s *foreignSchema, pairs []pair) ([]knownPair, error) {
	known := make([]knownPair, len(pairs))
	err := send(ctx, c, statement{sql: `SET LOCAL lock_timeout TO DEFAULT`}, statement{
		sql:  t.knownSQL(s, "$1"),
		args: []any{jsonPairs(pairs)},
		each: func(rows pgx.Rows) error {
			var n int64
			var k knownPair
			if err := rows.Scan(&n, &k.user, &k.session); err != nil {
				return err
			}
			known[n-1] = k
			return nil
		},
	}, mirrorPatient)
	return known, err
}

func (t *Transactional) readMessagesPostgres(b *ledgerBatch) statement {
	users, sessions := pairColumns(b.pairs)
	pairs := make([]int64, len(b.messages))
	messages := make([]string, len(b.messages))
	for i, m := range b.messages {
		pairs[i], messages[i] = int64(m.pair+1), m.id
	}
	return statement{
		// However many rows the planner expects, there is one good plan: LATERAL
		// with OFFSET makes it look into the index once for each message, and the
		// sessions' ids in an array leave it nothing to join.
		sql: `WITH c AS MATERIALIZED (
				SELECT array_agg(coalesce(s.id, 0) ORDER BY p.n) AS ids
				FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS p(user_id, session_id, n)
				LEFT JOIN ` + t.db.own("session_stats") + ` s ON s.user_id = p.user_id AND s.session_id = p.session_id)
			SELECT k.n, m.epoch, m.first_at, m.sent_at, m.failed_at, m.delivered_at, m.read_at, m.last_told_at, m.recipient, m.type, m.error
			FROM unnest($3::bigint[], $4::text[]) WITH ORDINALITY AS k(pair, message_id, n)
			CROSS JOIN LATERAL (SELECT * FROM ` + t.db.own("message_ledger") + ` l
				WHERE l.stats_id = (SELECT c.ids FROM c)[k.pair] AND l.message_id = k.message_id OFFSET 0) m`,
		args: []any{users, sessions, pairs, messages},
		each: func(rows pgx.Rows) error {
			var n, epoch int64
			var first, sent, failed, delivered, read, last pgtype.Timestamptz
			var m stats.Message
			if err := rows.Scan(&n, &epoch, &first, &sent, &failed, &delivered, &read, &last, &m.To, &m.Type, &m.Error); err != nil {
				return err
			}
			m.FirstAt, m.SentAt, m.FailedAt, m.DeliveredAt, m.ReadAt = first.Time, sent.Time, failed.Time, delivered.Time, read.Time
			m.LastAt = last.Time
			row := b.messages[n-1]
			row.epoch, row.before, row.now = epoch, m, m
			return nil
		},
	}
}

func (t *Transactional) writeMessagesPostgres(messages []*ledgerMessage) statement {
	n := len(messages)
	ids, texts := make([]int64, n), make([]string, n)
	epochs, outcomes := make([]int64, n), make([]int16, n)
	recipients, types, failures := make([]string, n), make([]string, n), make([]string, n)
	var times [7][]pgtype.Timestamptz
	for i := range times {
		times[i] = make([]pgtype.Timestamptz, n)
	}
	for i, m := range messages {
		ids[i], texts[i], epochs[i], outcomes[i] = m.session.id, m.id, m.epoch, int16(m.outcome())
		recipients[i], types[i], failures[i] = m.now.To, m.now.Type, m.now.Error
		for j, at := range m.times() {
			times[j][i] = pgTime(at)
		}
	}
	return statement{
		sql: `INSERT INTO ` + t.db.own("message_ledger") + ` AS m
				(stats_id, message_id, epoch, outcome, at, first_at, sent_at, failed_at, delivered_at, read_at, last_told_at, recipient, type, error)
			SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::smallint[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[],
				$8::timestamptz[], $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[], $14::text[])
			ON CONFLICT (stats_id, message_id) DO UPDATE SET
				outcome = excluded.outcome, at = excluded.at, first_at = excluded.first_at,
				sent_at = excluded.sent_at, failed_at = excluded.failed_at, delivered_at = excluded.delivered_at, read_at = excluded.read_at,
				last_told_at = excluded.last_told_at,
				recipient = excluded.recipient, type = excluded.type, error = excluded.error`,
		args: []any{ids, texts, epochs, outcomes, times[0], times[1], times[2], times[3], times[4], times[5], times[6], recipients, types, failures},
	}
}

func pgTime(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}
}

// writeCountersPostgres adds to the counters and, in the same statement, makes
// the foreign table follow.
func (t *Transactional) writeCountersPostgres(s *foreignSchema, b *ledgerBatch, sessions []*sessionCounters, now time.Time) statement {
	n := len(sessions)
	mirror := s.hasTable(tableStats) && b.aside.reason == ""
	ids, mirrored, rowIDs := make([]int64, n), make([]bool, n), make([]string, n)
	counts, behind := int64Columns(4, n), int64Columns(2, n)
	due := int64Columns(2, n)
	var newest [2][]pgtype.Timestamptz
	var recount [2][]bool
	for side := range newest {
		newest[side], recount[side] = make([]pgtype.Timestamptz, n), make([]bool, n)
	}
	for i, c := range sessions {
		ids[i] = c.id
		for j, count := range [4]int64{c.delta.Sent, c.delta.Failed, c.delta.Delivered, c.delta.Read} {
			counts[j][i] = count
		}
		for side := range newest {
			newest[side][i], recount[side][i] = pgTime(c.newest[side]), c.recount[side]
		}
		if mirrored[i] = mirror && c.mirrored(); mirrored[i] {
			rowIDs[i] = NewID()
		}
		target := due
		if b.aside.reason != "" {
			target = behind
		}
		target[sideSent][i], target[sideFailed][i] = c.due()[sideSent], c.due()[sideFailed]
	}
	latest := func(column string, outcome stats.Outcome) string {
		return fmt.Sprintf(`%[1]s = CASE WHEN d.recount_%[1]s THEN GREATEST(s.archived_%[1]s, (SELECT m.at FROM %[2]s m
				WHERE m.stats_id = s.id AND m.epoch = s.epoch AND m.outcome = %[3]d ORDER BY m.at DESC LIMIT 1))
			ELSE GREATEST(s.%[1]s, d.%[1]s) END`, column, t.db.own("message_ledger"), outcome)
	}
	sql := `WITH d AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
			$6::timestamptz[], $7::timestamptz[], $8::boolean[], $9::boolean[], $10::boolean[], $11::text[],
			$12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[])
			AS d(id, sent, failed, delivered, read, last_sent_at, last_failed_at, recount_last_sent_at, recount_last_failed_at,
				mirrored, row_id, due_sent, due_failed, behind_sent, behind_failed)),
		u AS (UPDATE ` + t.db.own("session_stats") + ` s SET
			sent = s.sent + d.sent, failed = s.failed + d.failed, delivered = s.delivered + d.delivered, read = s.read + d.read,
			` + latest("last_sent_at", stats.OutcomeSent) + `, ` + latest("last_failed_at", stats.OutcomeFailed) + `,
			behind_sent = d.behind_sent, behind_failed = d.behind_failed, behind_reason = $16::text, updated_at = $17::timestamptz
		FROM d WHERE s.id = d.id
		RETURNING ` + mirrorReturning + `)
		`
	if mirror {
		sql += s.mirrorPostgres("$17::timestamptz")
	} else {
		sql += `SELECT count(*) FROM u`
	}
	return statement{
		sql: sql,
		args: []any{ids, counts[0], counts[1], counts[2], counts[3], newest[0], newest[1], recount[0], recount[1],
			mirrored, rowIDs, due[0], due[1], behind[0], behind[1], b.aside.reason, pgTime(now.UTC())},
		mirror: mirror,
	}
}

func int64Columns(columns, rows int) [][]int64 {
	list := make([][]int64, columns)
	for i := range list {
		list[i] = make([]int64, rows)
	}
	return list
}
