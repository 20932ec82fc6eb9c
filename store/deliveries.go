package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/schema"
)

// MaxWaitingDeliveries is how many deliveries of one session may wait. What goes past
// it is dropped, the oldest first: a customer whose URL is dead must not fill the disk.
const MaxWaitingDeliveries = 10_000

// deliveryRows is how many deliveries one statement inserts or removes at most.
const deliveryRows = 500

// Delivery is an event that a customer is to be told.
type Delivery struct {
	// EventID is made of what the event says, so that one that is told again by the WA
	// server is the same delivery.
	EventID   string
	SessionID string
	Body      []byte // JSON
	// State is set for events that tell where the session stands. One that says the
	// same as the last of its session is no news and is left out: servers that are
	// polled say the same again and again.
	State string
}

// DeliveriesAdded says what became of a list of deliveries.
type DeliveriesAdded struct {
	Added   int
	Known   int   // there already, told or not, or no news
	Dropped int64 // older ones that had to go for them
}

// deliveryRow is a row of deliveries.
type deliveryRow struct {
	ID        int64 `gorm:"primaryKey;autoIncrement"`
	SessionID string
	EventID   string
	Body      string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	Attempts  int
	NextAt    time.Time
	DoneAt    *time.Time
}

// deliverySession is a row of delivery_sessions.
type deliverySession struct {
	SessionID string `gorm:"primaryKey"`
	Holder    string
	FreeAt    time.Time
	DueAt     *time.Time
	Waiting   int64
	Failures  int
	State     string
}

// TableName tells GORM the table's place in this database.
func (deliveryRow) TableName(n schema.Namer) string { return ownTable(n, "deliveries") }

// TableName tells GORM the table's place in this database.
func (deliverySession) TableName(n schema.Namer) string { return ownTable(n, "delivery_sessions") }

// AddDeliveries has customers be told of events, all in one transaction. Each is told
// once, however often it is added, as long as [Primary.PurgeDeliveries] leaves it.
// Events of one session are told in the order in which they are added.
func (p *Primary) AddDeliveries(ctx context.Context, list []Delivery) (DeliveriesAdded, error) {
	var added DeliveriesAdded
	if len(list) == 0 {
		return added, nil
	}
	err := p.db.tx(ctx, func(q *gorm.DB) (err error) {
		added, err = p.addDeliveries(q, list)
		return err
	})
	if err != nil {
		return DeliveriesAdded{}, failure("keep deliveries", err)
	}
	return added, nil
}

// addDeliveries is AddDeliveries within a transaction. Sessions are locked in one
// order, the same everywhere, so that nobody waits in a circle.
func (p *Primary) addDeliveries(q *gorm.DB, list []Delivery) (DeliveriesAdded, error) {
	var added DeliveriesAdded
	now, err := p.db.clock(q)
	if err != nil {
		return added, err
	}
	sessions := map[string][]Delivery{}
	for _, d := range list {
		if !key(d.SessionID) || !key(d.EventID) {
			added.Known++ // nothing that could be looked up has such names
			continue
		}
		sessions[d.SessionID] = append(sessions[d.SessionID], d)
	}
	for _, id := range slices.Sorted(maps.Keys(sessions)) {
		if err := p.addToSession(q, now, id, sessions[id], &added); err != nil {
			return added, err
		}
	}
	return added, nil
}

func (p *Primary) addToSession(q *gorm.DB, now time.Time, id string, list []Delivery, added *DeliveriesAdded) error {
	// The update that changes nothing locks the row that is there.
	var s deliverySession
	err := q.Raw(`INSERT INTO `+p.db.own("delivery_sessions")+` (session_id, free_at) VALUES (?, ?)
		ON CONFLICT (session_id) DO UPDATE SET session_id = excluded.session_id RETURNING *`, id, now).Scan(&s).Error
	if err != nil {
		return err
	}
	rows, err := p.newDeliveries(q, now, &s, list)
	if err != nil {
		return err
	}
	added.Added += len(rows)
	added.Known += len(list) - len(rows)
	if len(rows) == 0 {
		return nil
	}
	if err := q.CreateInBatches(&rows, deliveryRows).Error; err != nil {
		return err
	}
	s.Waiting += int64(len(rows))
	if over := s.Waiting - MaxWaitingDeliveries; over > 0 {
		gone, err := p.removeOldest(q, id, over)
		if err != nil {
			return err
		}
		s.Waiting -= gone
		added.Dropped += gone
	}
	due := s.FreeAt
	if due.Before(now) {
		due = now
	}
	if s.DueAt == nil || s.DueAt.After(due) {
		s.DueAt = &due
	}
	return p.saveDeliverySession(q, &s)
}

// newDeliveries makes rows of what the session has not, and is news.
func (p *Primary) newDeliveries(q *gorm.DB, now time.Time, s *deliverySession, list []Delivery) ([]deliveryRow, error) {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].EventID
	}
	var known []string
	err := q.Model(&deliveryRow{}).Where("session_id = ? AND "+p.db.amongTexts("event_id"), s.SessionID, jsonTexts(ids)).
		Pluck("event_id", &known).Error
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(known)+len(list))
	for _, id := range known {
		seen[id] = true
	}
	var rows []deliveryRow
	for _, d := range list {
		if seen[d.EventID] || d.State != "" && d.State == s.State {
			continue
		}
		seen[d.EventID] = true
		if d.State != "" {
			s.State = d.State
		}
		rows = append(rows, deliveryRow{
			SessionID: d.SessionID, EventID: d.EventID, Body: storable(string(d.Body)), CreatedAt: now, NextAt: now,
		})
	}
	return rows, nil
}

// saveDeliverySession writes a locked row back.
func (p *Primary) saveDeliverySession(q *gorm.DB, s *deliverySession) error {
	return q.Model(&deliverySession{}).Where("session_id = ?", s.SessionID).Updates(map[string]any{
		"holder": s.Holder, "free_at": timeArg(s.FreeAt), "due_at": dueArg(s.DueAt),
		"waiting": s.Waiting, "failures": s.Failures, "state": s.State,
	}).Error
}

func dueArg(at *time.Time) any {
	if at == nil {
		return nil
	}
	return timeArg(*at)
}

// lockDeliverySession reads the row of a session and locks it; nil where there is none.
func (p *Primary) lockDeliverySession(q *gorm.DB, id string) (*deliverySession, error) {
	var found []deliverySession
	err := q.Raw(`SELECT * FROM `+p.db.own("delivery_sessions")+` s WHERE s.session_id = ?`+p.db.lock("s"), id).Scan(&found).Error
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}
