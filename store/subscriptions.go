package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// SubscriptionStatuses are the states that contract §2 knows.
var SubscriptionStatuses = []string{
	SubscriptionActivating, SubscriptionActive, SubscriptionExpired, SubscriptionFailed,
}

// SubscriptionsOf lists a user's subscriptions with their packages, whatever
// their state.
func (t *Transactional) SubscriptionsOf(ctx context.Context, userID string) ([]Subscription, error) {
	if userID == "" {
		return nil, nil
	}
	return t.ListSubscriptions(ctx, userID, 0, 0)
}

// ListSubscriptions lists the subscriptions of a user, or of all with userID "",
// with their packages, the newest first, limit 0 for all.
func (t *Transactional) ListSubscriptions(ctx context.Context, userID string, limit, offset int) ([]Subscription, error) {
	var subscriptions []Subscription
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		subscriptions = nil
		if userID != "" {
			q = q.Where(s.col(tableSubscriptions, "customer_id")+" = ?", userID)
		}
		return q.Scopes(s.newest(tableSubscriptions), page(limit, offset)).Select(s.cols(tableSubscriptions)).
			Preload("Package", func(q *gorm.DB) *gorm.DB { return q.Select(s.cols(tablePackages)) }).
			Find(&subscriptions).Error
	})
	return subscriptions, failure("list subscriptions", err)
}

// SetSubscription gives a user a package until expiresAt, or changes what they
// have of it. It is an [ErrNotFound] when the user or the package does not exist.
func (t *Transactional) SetSubscription(ctx context.Context, userID, packageID, status string, expiresAt time.Time) error {
	if !slices.Contains(SubscriptionStatuses, status) {
		return fmt.Errorf("set a subscription: status %q is none of %v", status, SubscriptionStatuses)
	}
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		if err := s.userExists(q, userID); err != nil {
			return err
		}
		if err := s.packageExists(q, packageID); err != nil {
			return err
		}
		if err := s.setSubscription(q, userID, packageID, status, expiresAt, t.now()); err != nil {
			return err
		}
		return t.db.changed(q, ChangeUser, userID)
	})
	return failure("set a subscription", err)
}

// setSubscription updates the subscription or makes it.
func (s *foreignSchema) setSubscription(q *gorm.DB, userID, packageID, status string, expiresAt, now time.Time) error {
	changed, err := s.changeSubscription(q, userID, packageID, status, expiresAt, now)
	if err != nil || changed {
		return err
	}
	row := Subscription{
		ID: NewID(), UserID: userID, PackageID: packageID, Status: status,
		ExpiredAt: UTC(expiresAt), CreatedAt: UTC(now), UpdatedAt: UTC(now),
	}
	if status == SubscriptionActive {
		row.ActivatedAt = UTCPointer(now)
	}
	done := s.insertable(q.Clauses(clause.OnConflict{DoNothing: true}), tableSubscriptions).Create(&row)
	if done.Error != nil || done.RowsAffected > 0 {
		return done.Error
	}
	// Somebody else has just made it.
	_, err = s.changeSubscription(q, userID, packageID, status, expiresAt, now)
	return err
}

// changeSubscription updates the subscription and says false when there is none.
// A subscription is activated when it becomes active, and not again while it is.
func (s *foreignSchema) changeSubscription(q *gorm.DB, userID, packageID, status string, expiresAt, now time.Time) (bool, error) {
	values := map[string]any{"status": status, "expired_at": timeArg(expiresAt), "updated_at": timeArg(now)}
	mine := func(q *gorm.DB) *gorm.DB {
		return q.Model(&Subscription{}).Where(s.col(tableSubscriptions, "customer_id")+" = ?", userID).
			Where(s.col(tableSubscriptions, "package_id")+" = ?", packageID)
	}
	if status == SubscriptionActive && s.has(tableSubscriptions, "activated_at") {
		becomes := q.Where(s.col(tableSubscriptions, "status")+" <> ?", status).
			Or(s.col(tableSubscriptions, "activated_at") + " IS NULL")
		err := mine(q).Where(becomes).Updates(s.values(tableSubscriptions, map[string]any{"activated_at": timeArg(now)})).Error
		if err != nil {
			return false, err
		}
	}
	done := mine(q).Updates(s.values(tableSubscriptions, values))
	return done.RowsAffected > 0, done.Error
}

func (s *foreignSchema) packageExists(q *gorm.DB, id string) error {
	var found []string
	err := q.Model(&Package{}).Where(s.col(tablePackages, "id")+" = ?", id).Limit(1).
		Pluck(s.cols(tablePackages)[0], &found).Error
	if err == nil && len(found) == 0 {
		return fmt.Errorf("package: %w", ErrNotFound)
	}
	return err
}
