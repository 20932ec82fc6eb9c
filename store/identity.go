package store

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
)

// Identity names the database without its credentials and options, so that what
// is kept on local disk for one is never given to another.
func (db *DB) Identity() string { return db.identity }

func postgresIdentity(host string, port uint16, database string) string {
	return fmt.Sprintf("%s %s/%s", Postgres, net.JoinHostPort(host, strconv.Itoa(int(port))), database)
}

func sqliteIdentity(path string) string {
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return SQLite + " " + path
}
