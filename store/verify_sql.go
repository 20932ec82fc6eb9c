package store

// verifySQL recounts a page of sessions in one statement, which sees one moment.
//
// The outcome of a message is worked out from the times of its events (contract
// §8): failed when it has a failed, no delivered or read, and no sent with a
// later time; else sent. It counts unless it is from before a reset.
func (t *Transactional) verifySQL(s *foreignSchema, opts VerifyOptions, after int64) (string, []any) {
	micros, later := t.db.micros, t.db.later
	where, args := `c.id > ?`, []any{after}
	if opts.UserID != "" {
		where, args = where+` AND c.user_id = ?`, append(args, opts.UserID)
	}
	if opts.SessionID != "" {
		where, args = where+` AND c.session_id = ?`, append(args, opts.SessionID)
	}
	args = append(args, verifyPage)
	mirrored, mSent, mFailed, foreign := "false", "0", "0", ""
	if s.hasTable(tableStats) {
		f := func(column string) string { return "f." + s.col(tableStats, column) }
		mirrored = f("user_id") + ` IS NOT NULL AND c.behind_reason = ''`
		mSent, mFailed = f("total_messages_sent"), f("total_messages_failed")
		foreign = ` LEFT JOIN ` + s.table(tableStats) + ` f ON ` + f("user_id") + ` = ` + t.db.foreignText("c.user_id") + `
			AND ` + f("session_id") + ` = ` + t.db.foreignText("c.session_id")
	}
	total := func(column string) string {
		sum := `c.base_` + column + ` + c.` + column
		return `CASE WHEN ` + sum + ` > ` + mirrorLimit + ` THEN ` + mirrorLimit + ` ELSE ` + sum + ` END`
	}
	// SQLite's CROSS JOIN keeps the order, so that it looks up each session's rows.
	return `WITH page AS MATERIALIZED (SELECT * FROM ` + t.db.own("session_stats") + ` c WHERE ` + where + ` ORDER BY c.id LIMIT ?),
		told AS (SELECT m.stats_id, m.outcome, m.at, m.delivered_at, m.read_at, m.epoch >= p.epoch AS present,
				CASE WHEN m.epoch < p.epoch OR m.first_at <= p.reset_at THEN 0
					WHEN m.failed_at IS NULL OR m.delivered_at IS NOT NULL OR m.read_at IS NOT NULL OR m.sent_at > m.failed_at THEN 1
					ELSE 2 END AS x_outcome,
				CASE WHEN m.failed_at IS NOT NULL AND m.delivered_at IS NULL AND m.read_at IS NULL AND (m.sent_at IS NULL OR m.sent_at <= m.failed_at) THEN m.failed_at
					ELSE coalesce(m.sent_at, ` + t.db.earlier("m.delivered_at", "m.read_at") + `) END AS x_at
			FROM page p CROSS JOIN ` + t.db.own("message_ledger") + ` m WHERE m.stats_id = p.id),
		ledger AS (SELECT stats_id, count(*) AS messages,
				` + verifySum(`x_outcome = 1`) + ` AS sent, ` + verifySum(`x_outcome = 2`) + ` AS failed,
				` + verifySum(`x_outcome = 1 AND (delivered_at IS NOT NULL OR read_at IS NOT NULL)`) + ` AS delivered,
				` + verifySum(`x_outcome = 1 AND read_at IS NOT NULL`) + ` AS read,
				max(CASE WHEN x_outcome = 1 THEN x_at END) AS last_sent_at, max(CASE WHEN x_outcome = 2 THEN x_at END) AS last_failed_at,
				` + verifySum(`present AND (outcome <> x_outcome OR x_at IS NULL OR at <> x_at)`) + ` AS misfiled
			FROM told GROUP BY stats_id),
		rollups AS (SELECT r.stats_id, sum(r.sent) AS sent, sum(r.failed) AS failed, sum(r.delivered) AS delivered, sum(r.read) AS read
			FROM page p CROSS JOIN ` + t.db.own("stats_rollups") + ` r WHERE r.stats_id = p.id GROUP BY r.stats_id)
		SELECT c.id, c.user_id, c.session_id, c.sent, c.failed, c.delivered, c.read,
			` + micros("c.last_sent_at") + ` AS last_sent, ` + micros("c.last_failed_at") + ` AS last_failed,
			c.archived_sent + coalesce(l.sent, 0) AS x_sent, c.archived_failed + coalesce(l.failed, 0) AS x_failed,
			c.archived_delivered + coalesce(l.delivered, 0) AS x_delivered, c.archived_read + coalesce(l.read, 0) AS x_read,
			` + micros(later("c.archived_last_sent_at", "l.last_sent_at")) + ` AS x_last_sent,
			` + micros(later("c.archived_last_failed_at", "l.last_failed_at")) + ` AS x_last_failed,
			coalesce(l.messages, 0) AS messages, coalesce(l.misfiled, 0) AS misfiled,
			CAST(coalesce(r.sent, 0) AS bigint) AS r_sent, CAST(coalesce(r.failed, 0) AS bigint) AS r_failed,
			CAST(coalesce(r.delivered, 0) AS bigint) AS r_delivered, CAST(coalesce(r.read, 0) AS bigint) AS r_read,
			` + total("sent") + ` AS total_sent, ` + total("failed") + ` AS total_failed,
			` + mirrored + ` AS mirrored, coalesce(` + mSent + `, 0) AS m_sent, coalesce(` + mFailed + `, 0) AS m_failed
		FROM page c LEFT JOIN ledger l ON l.stats_id = c.id LEFT JOIN rollups r ON r.stats_id = c.id` + foreign + `
		ORDER BY c.id`, args
}

func verifySum(condition string) string {
	return `CAST(sum(CASE WHEN ` + condition + ` THEN 1 ELSE 0 END) AS bigint)`
}

// earlier is SQL for the earlier of two times of our own tables, either of which
// may be NULL.
func (db *DB) earlier(a, b string) string {
	if db.backend == Postgres {
		return "LEAST(" + a + ", " + b + ")"
	}
	return "min(coalesce(" + a + ", " + b + "), coalesce(" + b + ", " + a + "))"
}

// foreignText gives one of our own texts the collation that the foreign columns
// have, or their indexes would not be used.
func (db *DB) foreignText(expr string) string {
	if db.backend == Postgres {
		return expr + ` COLLATE "default"`
	}
	return expr
}
