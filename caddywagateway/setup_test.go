package caddywagateway

import (
	"os"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// The secrets of the usual set-up. The harness looks for them in every answer and
// every log (secretMarks).
const (
	waToken    = "wa-admin-secret"
	adminToken = "admin-secret"
	columnKey  = "column-key-" // and the user's id
)

// testCaddyfile is the usual set-up. {APP} and {SITE} take what a test adds.
const testCaddyfile = `{
	{GLOBAL}
	wa_gateway {
		transactional_db {DSN}
		primary_db sqlite://{DIR}/primary.db
		journal {DIR}/journal
		wa_server main {WA} {
			token ` + waToken + `
		}
		admin_token ` + adminToken + `
		auth_failures {GUESSES}
		{APP}
	}
}
http://:{PORT} {
	log
	wa_events
	wa_gateway
	@sandbox vars {http.wa_gateway.upstream} sandbox
	wa_sandbox @sandbox {
		events_url http://127.0.0.1:{PORT}/events/message
	}
	reverse_proxy {
		dynamic wa_server
		transport wa_server
	}
	{SITE}
}
`

// TestMain keeps what Caddy would write into its data folder, where a test names no
// other, out of the user's own.
func TestMain(m *testing.M) {
	if os.Getenv(asCaddy) != "" {
		os.Exit(m.Run()) // its environment is what the test looks at
	}
	dir, err := os.MkdirTemp("", "wa-gateway-test-")
	if err == nil {
		err = os.Setenv("XDG_DATA_HOME", dir)
	}
	if err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// setup is a gateway with the cast of the tests, before a recording WA server.
type setup struct {
	*gateway
	wa *waRecorder
	db *store.Transactional
}

// caddyfileFor fills in the usual set-up; changes are pairs of old and new text.
func caddyfileFor(dsn, waURL string, changes ...string) string {
	text := strings.NewReplacer(append(changes, "{DSN}", dsn, "{WA}", waURL, "{APP}", "", "{SITE}", "", "{GUESSES}", "1000 1s")...).Replace(testCaddyfile)
	return text
}

// newSetup starts the usual set-up on a database.
func newSetup(t testing.TB, d *storetest.Database, changes ...string) *setup {
	t.Helper()
	s := &setup{wa: newWARecorder(t), db: openStore(t, d.DSN)}
	seed(t, s.db)
	s.gateway = startCaddy(t, caddyfileFor(d.DSN, s.wa.URL, changes...))
	s.ready()
	return s
}

// openStore is a way into the database beside the gateway's own.
func openStore(t testing.TB, dsn string) *store.Transactional {
	t.Helper()
	pool, err := store.Open(store.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	})
	db := store.NewTransactional(pool, "")
	if _, err := db.Migrate(t.Context(), store.MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	return db
}

// onEach runs a test on each kind of database, one after another: there can be
// one Caddy at a time.
func onEach(t *testing.T, test func(t *testing.T, d *storetest.Database)) {
	t.Helper()
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) { test(t, storetest.New(t, kind)) })
	}
}
