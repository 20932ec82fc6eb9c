package export

import (
	"time"

	"github.com/genfity/wa-gateway/stats"
	"github.com/genfity/wa-gateway/store"
)

// Kind says what the rows of an export are.
type Kind[T any] struct{ columns []column[T] }

// Sessions are the totals of each session, as the statistics show them.
var Sessions = Kind[store.ExportedSession]{append([]column[store.ExportedSession]{
	{"user_id", func(r *store.ExportedSession) any { return r.UserID }},
	{"session_id", func(r *store.ExportedSession) any { return r.SessionID }},
}, append(counts(func(r *store.ExportedSession) *stats.Counts { return &r.Counts }), []column[store.ExportedSession]{
	{"success_rate", func(r *store.ExportedSession) any { return stats.SuccessRate(r.Sent, r.Failed) }},
	{"last_message_sent_at", func(r *store.ExportedSession) any { return r.LastSentAt }},
	{"last_message_failed_at", func(r *store.ExportedSession) any { return r.LastFailedAt }},
}...)...)}

// Messages are the rows of the ledger.
var Messages = Kind[store.ExportedMessage]{[]column[store.ExportedMessage]{
	{"user_id", func(r *store.ExportedMessage) any { return r.UserID }},
	{"session_id", func(r *store.ExportedMessage) any { return r.SessionID }},
	{"message_id", func(r *store.ExportedMessage) any { return r.MessageID }},
	{"to", func(r *store.ExportedMessage) any { return r.Message.To }},
	{"type", func(r *store.ExportedMessage) any { return r.Message.Type }},
	{"status", func(r *store.ExportedMessage) any { return status(r) }},
	{"first_at", func(r *store.ExportedMessage) any { return r.Message.BeganAt() }},
	{"sent_at", func(r *store.ExportedMessage) any { return r.Message.SentAt }},
	{"delivered_at", func(r *store.ExportedMessage) any { return r.Message.DeliveredAt }},
	{"read_at", func(r *store.ExportedMessage) any { return r.Message.ReadAt }},
	{"failed_at", func(r *store.ExportedMessage) any { return r.Message.FailedAt }},
	{"error", func(r *store.ExportedMessage) any { return r.Message.Error }},
}}

// Rollups are what began in each quarter of an hour, by type of message.
var Rollups = Kind[store.ExportedRollup]{append([]column[store.ExportedRollup]{
	{"user_id", func(r *store.ExportedRollup) any { return r.UserID }},
	{"session_id", func(r *store.ExportedRollup) any { return r.SessionID }},
	{"start", func(r *store.ExportedRollup) any { return r.Start }},
	{"end", func(r *store.ExportedRollup) any { return r.Start.Add(time.Duration(r.Minutes) * time.Minute) }},
	{"type", func(r *store.ExportedRollup) any { return r.Type }},
}, counts(func(r *store.ExportedRollup) *stats.Counts { return &r.Counts })...)}

func counts[T any](of func(row *T) *stats.Counts) []column[T] {
	return []column[T]{
		{"total_messages_sent", func(r *T) any { return of(r).Sent }},
		{"total_messages_failed", func(r *T) any { return of(r).Failed }},
		{"total_messages_delivered", func(r *T) any { return of(r).Delivered }},
		{"total_messages_read", func(r *T) any { return of(r).Read }},
	}
}

// notCounted is the status of a message from before a reset.
const notCounted = "not counted"

// status is the furthest that a message came.
func status(r *store.ExportedMessage) string {
	switch counts := r.Message.Counts(); {
	case r.Outcome == stats.OutcomeNone:
		return notCounted
	case counts.Read > 0:
		return string(stats.Read)
	case counts.Delivered > 0:
		return string(stats.Delivered)
	}
	return r.Outcome.String()
}
