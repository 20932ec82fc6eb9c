package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/schema"

	"github.com/genfity/wa-gateway/stats"
)

// DeadLetter is something told that cannot be counted, kept until the operator
// has looked at it.
type DeadLetter struct {
	ID        string
	Source    string // who told it: event or outcome
	UserID    string // as far as it is known; likewise the next two
	SessionID string
	MessageID string
	Payload   []byte // what was told, whatever it is
	Reason    string // why it cannot be counted
	CreatedAt time.Time
}

// ErrCursor says that a position in a list is not one that the list gave out.
var ErrCursor = errors.New("not a position in this list")

const (
	deadLetterPage   = 100
	deadLetterReason = 2000 // bytes

	// What one transaction inserts at most.
	deadLetterRows  = 500
	deadLetterBytes = 16 << 20
)

// Cursor is the letter's position in the list, after which the next page begins.
func (d DeadLetter) Cursor() string {
	return strconv.FormatInt(d.CreatedAt.UnixMilli(), 10) + "-" + d.ID
}

func deadLetterCursor(cursor string) (at time.Time, id string, err error) {
	millis, id, ok := strings.Cut(cursor, "-")
	n, err := strconv.ParseInt(millis, 10, 64)
	if !ok || err != nil || id == "" || id != storable(id) || n < 0 || n > 1<<47 {
		return time.Time{}, "", ErrCursor
	}
	return time.UnixMilli(n), id, nil
}

// deadLetter is a row of the table.
type deadLetter struct {
	ID          string `gorm:"primaryKey"`
	Source      string
	UserID      string
	SessionID   string
	MessageID   string
	Payload     string
	Reason      string
	ContentHash string
	CreatedAt   time.Time `gorm:"autoCreateTime:false"`
}

// TableName tells GORM the table's place in this database.
func (deadLetter) TableName(n schema.Namer) string { return ownTable(n, "dead_letters") }

// AddDeadLetters keeps letters, one of each payload and source however often it
// comes, and returns how many are new. Their ID and CreatedAt are made up here.
// When it returns they are on disk.
func (t *Transactional) AddDeadLetters(ctx context.Context, letters []DeadLetter) (added int64, err error) {
	for len(letters) > 0 {
		n, size := 0, 0
		for n < len(letters) && n < deadLetterRows && (n == 0 || size+len(letters[n].Payload) <= deadLetterBytes) {
			size += len(letters[n].Payload)
			n++
		}
		rows := t.deadLetterRows(letters[:n])
		var news int64
		err := t.db.tx(ctx, func(q *gorm.DB) error {
			done := q.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "content_hash"}}, DoNothing: true}).Create(&rows)
			news = done.RowsAffected
			return done.Error
		})
		if err != nil {
			return added, failure("keep dead letters", err)
		}
		added += news
		letters = letters[n:]
	}
	return added, nil
}

// deadLetterRows makes rows of letters, in the order of their hashes, so that two
// transactions never wait for each other's in a circle.
func (t *Transactional) deadLetterRows(letters []DeadLetter) []deadLetter {
	rows := make([]deadLetter, len(letters))
	for i, l := range letters {
		rows[i] = deadLetter{
			ID: NewID(), Source: storable(l.Source),
			UserID: shortened(l.UserID, stats.MaxIDLength), SessionID: shortened(l.SessionID, stats.MaxIDLength),
			MessageID: shortened(l.MessageID, stats.MaxIDLength),
			Payload:   payloadText(l.Payload), Reason: shortened(l.Reason, deadLetterReason),
			ContentHash: contentHash(&WebhookEvent{Source: l.Source, Payload: l.Payload}), CreatedAt: timeArg(t.now()),
		}
	}
	sortByHash(rows)
	return rows
}

// Payloads that are no text are kept in base64, behind these letters.
const payloadIsBytes = "base64:"

func payloadText(payload []byte) string {
	text := string(payload)
	if utf8.ValidString(text) && !strings.Contains(text, "\x00") && !strings.HasPrefix(text, payloadIsBytes) {
		return text
	}
	return payloadIsBytes + base64.StdEncoding.EncodeToString(payload)
}

func payloadBytes(text string) ([]byte, error) {
	encoded, isBytes := strings.CutPrefix(text, payloadIsBytes)
	if !isBytes {
		return []byte(text), nil
	}
	payload, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("the payload of a dead letter is damaged: %w", err)
	}
	return payload, nil
}

func (d deadLetter) letter() (DeadLetter, error) {
	payload, err := payloadBytes(d.Payload)
	return DeadLetter{d.ID, d.Source, d.UserID, d.SessionID, d.MessageID, payload, d.Reason, d.CreatedAt.UTC()}, err
}
