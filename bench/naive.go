package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/driver/postgres" //nolint:depguard // what the ledger is compared with
	"gorm.io/gorm"            //nolint:depguard // what the ledger is compared with
	"gorm.io/gorm/logger"     //nolint:depguard // what the ledger is compared with
)

// What the ledger is compared with: an INSERT and an UPDATE for each event, through
// GORM, in the way that is usually written. It knows nothing of repetitions, order
// or resets.

type naiveEvent struct {
	ID        uint64
	UserID    string
	SessionID string
	MessageID string `gorm:"index"`
	Recipient string
	Status    string
	At        time.Time
	CreatedAt time.Time
}

type naiveTotal struct {
	UserID    string `gorm:"primaryKey"`
	SessionID string `gorm:"primaryKey"`
	Total     int64
	UpdatedAt time.Time
}

// naive is a database of its own on the same server.
type naive struct {
	db    *gorm.DB
	next  atomic.Int64 // events so far
	begin time.Time
	close func() error
}

const naiveWorkers = 8

func openNaive(ctx context.Context, callers []caller) (*naive, error) {
	d, err := newPostgres(ctx)
	if err != nil {
		return nil, err
	}
	db, err := gorm.Open(postgres.Open(d.dsn), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, errors.Join(err, d.drop())
	}
	n := &naive{db: db, begin: time.Now().Add(-time.Hour)}
	n.close = func() error {
		pool, err := db.DB()
		if err == nil {
			err = pool.Close()
		}
		return errors.Join(err, d.drop())
	}
	if err := n.prepare(ctx, callers); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *naive) prepare(ctx context.Context, callers []caller) error {
	pool, err := n.db.DB()
	if err != nil {
		return err
	}
	pool.SetMaxIdleConns(naiveWorkers)
	db := n.db.WithContext(ctx)
	if err := db.AutoMigrate(new(naiveEvent), new(naiveTotal)); err != nil {
		return err
	}
	rows := make([]naiveTotal, len(callers))
	for i, c := range callers {
		rows[i] = naiveTotal{UserID: c.user, SessionID: c.session}
	}
	return db.Create(&rows).Error
}

// tell records events of some sessions one by one for some time, with so many
// workers.
func (n *naive) tell(ctx context.Context, callers []caller, workers int, length time.Duration) (told, error) {
	db := n.db.WithContext(ctx)
	errs := make([]error, workers)
	var done atomic.Int64
	start := time.Now()
	end := start.Add(length)
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() {
			for errs[i] == nil && time.Now().Before(end) {
				if errs[i] = n.one(db, callers, int(n.next.Add(1))-1); errs[i] == nil {
					done.Add(1)
				}
			}
		})
	}
	group.Wait()
	return told{events: int(done.Load()), duration: time.Since(start)}, errors.Join(errs...)
}

func (n *naive) one(db *gorm.DB, callers []caller, i int) error {
	message, status := position(i)
	c := callers[message%len(callers)]
	row := naiveEvent{
		UserID: c.user, SessionID: c.session, MessageID: new(source).id(message), Recipient: "6281234567890",
		Status: statuses[status], At: n.begin.Add(time.Duration(i) * time.Millisecond),
	}
	if err := db.Create(&row).Error; err != nil {
		return err
	}
	return db.Model(&naiveTotal{}).Where("user_id = ? AND session_id = ?", c.user, c.session).
		Update("total", gorm.Expr("total + 1")).Error
}

// naiveRound is a round of it, in events per second: with one connection, and with
// eight.
type naiveRound struct {
	One   float64 `json:"one_connection"`
	Eight float64 `json:"eight_connections"`
}

func (r naiveRound) best() float64 { return max(r.One, r.Eight) }

func (n *naive) round(ctx context.Context, callers []caller, length time.Duration) (r naiveRound, err error) {
	for _, step := range []struct {
		workers int
		into    *float64
	}{{1, &r.One}, {naiveWorkers, &r.Eight}} {
		t, err := n.tell(ctx, callers, step.workers, length)
		if err != nil {
			return r, fmt.Errorf("one by one through GORM: %w", err)
		}
		*step.into = t.perSecond()
	}
	return r, nil
}

// check compares what was counted with what was told.
func (n *naive) check(ctx context.Context) error {
	var total int64
	if err := n.db.WithContext(ctx).Model(&naiveTotal{}).Select("sum(total)").Scan(&total).Error; err != nil {
		return err
	}
	if told := n.next.Load(); total != told {
		return fmt.Errorf("one by one through GORM %d events were told, but %d were counted", told, total)
	}
	return nil
}
