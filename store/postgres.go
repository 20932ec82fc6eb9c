package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
)

const (
	connectTimeout  = 5 * time.Second
	applicationName = "wa-gateway"
)

// orphanSetting ends a transaction that hears nothing more from us for 5 s. When a
// firewall forgets a connection, or our machine dies, the server does not notice for
// hours, and the locks of such a transaction would keep everybody else waiting.
const orphanSetting = `set_config('idle_in_transaction_session_timeout', '5000', true)`

// prismaOptions are what Prisma's connection strings may carry for Prisma's own
// engine; PostgreSQL would refuse them as unknown settings.
var prismaOptions = []string{
	"schema", "pgbouncer", "connection_limit", "pool_timeout", "socket_timeout",
	"statement_cache_size", "sslaccept", "sslidentity", "sslpassword",
	"max_connection_lifetime", "max_idle_connection_lifetime", "single_use_connections",
}

func openPostgres(dsn string, conns int) (*DB, error) {
	cfg, err := postgresConfig(dsn)
	if err != nil {
		return nil, err
	}
	pool := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(useUTC))
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(min(maxIdleConns, conns))
	pool.SetConnMaxLifetime(connMaxLifetime)
	pool.SetConnMaxIdleTime(connMaxIdleTime)

	db := &DB{
		backend: Postgres, pools: []*sql.DB{pool},
		identity: postgresIdentity(cfg.Host, cfg.Port, cfg.Database),
	}
	g, err := newGorm(postgres.New(postgres.Config{Conn: pool}), db.namer(nil))
	if err != nil {
		return nil, err
	}
	db.gorm, db.writer = g, g
	return db, nil
}

// postgresConfig reads the DSN. The parsers' own errors are not wrapped, since
// they repeat what they could not read.
func postgresConfig(dsn string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("the PostgreSQL DSN is not a URL: " +
			"percent-encode special characters in user and password (@ is %40, / is %2F, # is %23)")
	}
	query := u.Query()
	searchPath := query.Get("schema")
	noNamedStatements := query.Get("pgbouncer") == "true" || query.Get("statement_cache_size") == "0"
	for _, name := range prismaOptions {
		query.Del(name)
	}
	u.RawQuery = query.Encode()

	cfg, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, errors.New("the PostgreSQL DSN is invalid: " + dsnComplaint(err))
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = applicationName
	}
	// Sent in the start-up packet this outranks ALTER DATABASE and ALTER ROLE.
	maps.DeleteFunc(cfg.RuntimeParams, func(name, _ string) bool { return strings.EqualFold(name, "timezone") })
	cfg.RuntimeParams["timezone"] = "UTC"
	if searchPath != "" {
		cfg.RuntimeParams["search_path"] = quote(searchPath)
	}
	if noNamedStatements {
		// A pooler that gives each transaction another server connection
		// loses named statements.
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	return cfg, nil
}

// dsnComplaint names the part at fault without quoting it.
func dsnComplaint(err error) string {
	text := err.Error()
	for _, c := range []struct{ sign, complaint string }{
		{"sslmode", "sslmode is none of disable, allow, prefer, require, verify-ca, verify-full"},
		{"port", "the port is not a number between 1 and 65535"},
		{"CA file", "the sslrootcert file cannot be read"},
		{"CA cert", "the sslrootcert file holds no certificate"},
		{"sslkey", "sslcert and sslkey must both be given and readable"},
		{"sslcert", "sslcert and sslkey must both be given and readable"},
		{"connect_timeout", "connect_timeout is not a number of seconds"},
		{"target_session_attrs", "target_session_attrs is unknown"},
	} {
		if strings.Contains(text, c.sign) {
			return c.complaint
		}
	}
	return "check host, port, database and options"
}

// useUTC makes timestamps come back in UTC, those without a zone (Prisma's) read
// as UTC, whatever the process's own zone is.
func useUTC(_ context.Context, conn *pgx.Conn) error {
	types := conn.TypeMap()
	types.RegisterType(&pgtype.Type{
		Name: "timestamp", OID: pgtype.TimestampOID,
		Codec: &pgtype.TimestampCodec{ScanLocation: time.UTC},
	})
	types.RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}
