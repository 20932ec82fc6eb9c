package caddywagateway

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/genfity/wa-gateway/store"
)

// Database names one of the two databases, by a DSN or by its parts. All
// values may hold placeholders such as `{env.DB_URL}` or `{file.…}`, which are
// replaced when the configuration is loaded, so that secrets stay out of it. A
// value that is empty after that counts as not set.
type Database struct {
	// The DSN: `postgres://user:password@host:port/name?sslmode=…` or
	// `sqlite://path`. It goes before the parts.
	DSN string `json:"dsn,omitempty"`

	// The parts of a PostgreSQL DSN, used when dsn is not set and host is.
	Host string `json:"host,omitempty"`
	// Default: 5432.
	Port     string `json:"port,omitempty"`
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	// The name of the database.
	Name string `json:"name,omitempty"`
	// One of PostgreSQL's modes: disable, allow, prefer, require, verify-ca,
	// verify-full. Default: prefer.
	SSLMode string `json:"sslmode,omitempty"`

	// The most connections that are open at once. Default: 10.
	MaxConns int `json:"max_conns,omitempty"`
}

// errNoHost is returned when parts of a DSN are set without its host.
var errNoHost = errors.New("user, password, name or port is set, but host is not")

// resolve replaces placeholders and returns the DSN, empty when none is set.
// Errors never hold a value.
func (d *Database) resolve(repl *caddy.Replacer) (string, error) {
	if d == nil {
		return "", nil
	}
	if dsn := resolveValue(repl, d.DSN); dsn != "" {
		return dsn, nil
	}
	host := resolveValue(repl, d.Host)
	port := resolveValue(repl, d.Port)
	user, password := resolveValue(repl, d.User), resolveValue(repl, d.Password)
	name := resolveValue(repl, d.Name)
	if host == "" {
		if port != "" || user != "" || password != "" || name != "" {
			return "", errNoHost
		}
		return "", nil
	}
	if name == "" {
		return "", errors.New("the name of the database is not set")
	}
	if port == "" {
		port = "5432"
	}
	dsn := url.URL{Scheme: "postgres", Path: "/" + name}
	query := url.Values{}
	if strings.HasPrefix(host, "/") {
		// A folder with a Unix socket, as PostgreSQL's own tools take it.
		query.Set("host", host)
		query.Set("port", port)
	} else {
		dsn.Host = net.JoinHostPort(host, port)
	}
	switch {
	case password != "":
		dsn.User = url.UserPassword(user, password)
	case user != "":
		dsn.User = url.User(user)
	}
	if mode := resolveValue(repl, d.SSLMode); mode != "" {
		query.Set("sslmode", mode)
	}
	dsn.RawQuery = query.Encode()
	return dsn.String(), nil
}

func (d *Database) maxConns() int {
	if d == nil {
		return 0
	}
	return d.MaxConns
}

// resolveValue replaces placeholders; what is unknown or empty becomes empty.
func resolveValue(repl *caddy.Replacer, value string) string {
	return strings.TrimSpace(repl.ReplaceAll(value, ""))
}

func parseNaming(naming string) (store.Naming, error) {
	switch n := store.Naming(naming); n {
	case "", store.NamingSnake, store.NamingPrisma:
		return n, nil
	default:
		return "", fmt.Errorf("naming %q is not known: use snake or prisma, or leave it out to have it found", naming)
	}
}
