package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/genfity/wa-gateway/store"
)

// The demo data of contract §9, which makes the first curl commands work word
// for word.
const (
	demoUser    = "user123"
	demoSession = "session123"
	demoPackage = "package123"
	demoKeyName = "demo"
)

// seedDemo enters the demo data where it is missing and prints a new API key.
// Keys are kept as hashes only, so an old one cannot be shown again; the keys of
// earlier starts are revoked.
func seedDemo(ctx context.Context, db *store.Transactional) error {
	if err := seedAccount(ctx, db); err != nil {
		return err
	}
	keys, err := db.ListKeys(ctx, demoUser)
	if err != nil {
		return err
	}
	for i := range keys {
		if keys[i].Name == demoKeyName && keys[i].RevokedAt == nil {
			if err := db.RevokeKey(ctx, keys[i].ID); err != nil {
				return err
			}
		}
	}
	secret, _, err := db.CreateKey(ctx, store.NewKey{UserID: demoUser, Name: demoKeyName, Mode: store.KeyModeTest})
	if err != nil {
		return err
	}
	// Not through the log: logs never hold a key.
	_, err = fmt.Fprintf(os.Stdout, `
Demo data is loaded: user %s with session %s, for calls from this machine.
API key, shown this once (it is replaced at each start):

    %s

`, demoUser, demoSession, secret)
	return err
}

func seedAccount(ctx context.Context, db *store.Transactional) error {
	name := "Demo"
	err := db.CreateUser(ctx, &store.User{ID: demoUser, Name: &name, Role: "customer", IsActive: true})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	if _, err = db.PackageByName(ctx, demoPackage); errors.Is(err, store.ErrNotFound) {
		err = db.AddPackage(ctx, &store.Package{ID: demoPackage, Name: "Demo", MaxSession: 5})
	}
	if err != nil {
		return err
	}
	if err := db.SetSubscription(ctx, demoUser, demoPackage, "active", time.Now().AddDate(1, 0, 0)); err != nil {
		return err
	}
	userID := demoUser
	err = db.AddSession(ctx, &store.Session{
		SessionID: demoSession, SessionName: &name, UserID: &userID,
		Status: "connected", Connected: true, LoggedIn: true,
	})
	if err != nil && !errors.Is(err, store.ErrConflict) {
		return err
	}
	return nil
}
