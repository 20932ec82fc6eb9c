package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"

	"github.com/genfity/wa-gateway/store"
)

// The kinds of databases.
const (
	kindSQLite   = "sqlite"
	kindPostgres = "postgres"
)

// serverEnv names a superuser's URL of a PostgreSQL server (scripts/with-services).
const serverEnv = "WA_TEST_POSTGRES_URL"

func databaseKinds(only string) []string {
	switch {
	case only != "":
		return []string{only}
	case os.Getenv(serverEnv) != "":
		return []string{kindSQLite, kindPostgres}
	default:
		return []string{kindSQLite}
	}
}

// database is one that nobody else uses.
type database struct {
	dsn  string
	drop func() error
}

func newDatabase(ctx context.Context, kind, dir string) (*database, error) {
	switch kind {
	case kindSQLite:
		return &database{
			dsn:  "sqlite://" + filepath.Join(dir, "gateway.db"),
			drop: func() error { return nil }, // the folder goes
		}, nil
	case kindPostgres:
		return newPostgres(ctx)
	default:
		return nil, errors.New("the database is sqlite or postgres")
	}
}

func newPostgres(ctx context.Context) (*database, error) {
	server := os.Getenv(serverEnv)
	u, err := url.Parse(server)
	if server == "" || err != nil {
		return nil, errors.New(serverEnv + " does not name a PostgreSQL server: run make bench, which starts one")
	}
	name := "wa_bench_" + strings.ToLower(rand.Text())
	if err := maintain(ctx, server, "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	u.Path = "/" + name
	return &database{dsn: u.String(), drop: func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return maintain(ctx, server, "DROP DATABASE "+name+" WITH (FORCE)")
	}}, nil
}

func maintain(ctx context.Context, server, statement string) error {
	pool, err := sql.Open("pgx", server)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.ExecContext(ctx, statement)
	return err
}

// caller is who a connection's calls come from.
type caller struct{ user, key, session string }

// population is how many users there are, each with how many sessions.
type population struct{ users, sessions int }

// seed enters users with sessions, subscriptions and API keys.
func seed(ctx context.Context, dsn string, p population) (callers []caller, err error) {
	pool, err := store.Open(store.Config{DSN: dsn})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	db := store.NewTransactional(pool, "")
	if _, err := db.Migrate(ctx, store.MigrateOptions{}); err != nil {
		return nil, err
	}
	pkg := store.Package{ID: store.NewID(), Name: "Bench", MaxSession: p.sessions}
	if err := db.AddPackage(ctx, &pkg); err != nil {
		return nil, err
	}
	for range p.users {
		user := store.User{ID: store.NewID(), Role: "customer", IsActive: true}
		if err := db.CreateUser(ctx, &user); err != nil {
			return nil, err
		}
		if err := db.SetSubscription(ctx, user.ID, pkg.ID, store.SubscriptionActive, time.Now().Add(24*time.Hour)); err != nil {
			return nil, err
		}
		key, _, err := db.CreateKey(ctx, store.NewKey{UserID: user.ID, Name: "bench", Mode: store.KeyModeLive})
		if err != nil {
			return nil, err
		}
		for range p.sessions {
			session := store.Session{SessionID: store.NewID(), UserID: &user.ID, Status: "connected"}
			if err := db.AddSession(ctx, &session); err != nil {
				return nil, err
			}
			callers = append(callers, caller{user: user.ID, key: key, session: session.SessionID})
		}
	}
	return callers, nil
}

// request is a prepared call: a body of 100 bytes, as messages are.
func (c caller) request(host string) []byte {
	body := `{"session_id":"` + c.session + `","to":"6281234567890","message":"`
	body += strings.Repeat("x", max(bodySize-len(body)-len(`"}`), 0)) + `"}`
	return fmt.Appendf(nil, "POST /api/wa/send-message HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n"+
		"Authorization: Bearer %s\r\nX-Session-ID: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		host, c.key, c.session, len(body), body)
}

const bodySize = 100
