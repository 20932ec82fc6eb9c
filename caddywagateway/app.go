package caddywagateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/deliver"
	"github.com/genfity/wa-gateway/gate"
	"github.com/genfity/wa-gateway/inbox"
	"github.com/genfity/wa-gateway/internal/seal"
	"github.com/genfity/wa-gateway/ratelimit"
	"github.com/genfity/wa-gateway/signature"
	"github.com/genfity/wa-gateway/store"
)

// App holds what the handlers wa_gateway, wa_events and wa_sandbox share: the
// two databases, the limiter, the caches, the tokens and the WA servers.
//
// Every setting has a default: without any the gateway uses SQLite files under
// ./data/, counts in memory and lets 100 messages per minute and session pass.
type App struct {
	// The transactional database: users, sessions, packages, subscriptions,
	// statistics. Default: `sqlite://data/transactional.db`.
	TransactionalDB *Database `json:"transactional_db,omitempty"`

	// The primary database: what WA servers send. It may be the same as the
	// transactional one. Default: `sqlite://data/primary.db`.
	PrimaryDB *Database `json:"primary_db,omitempty"`

	// How the tables of the transactional database are spelled: snake (`users`,
	// `created_at`) or prisma (`"User"`, `"createdAt"`). Default: found by
	// looking.
	Naming string `json:"naming,omitempty"`

	// Set to true to leave the database alone at start: then `caddy wa-gateway
	// migrate` brings the gateway's own tables up to date. Default: false.
	MigrateOff bool `json:"migrate_off,omitempty"`

	// Starts with demo data (user `user123`, session `session123`, an active
	// subscription, and an API key that is printed at start) in databases of its
	// own under ./data/demo/, as long as neither database and no URL of a WA
	// server is set. Otherwise it does nothing. Default: false.
	Demo bool `json:"demo,omitempty"`

	// What counts messages: a module of the namespace wa_gateway.limiters.
	// Default: memory.
	LimiterRaw json.RawMessage `json:"limiter,omitempty" caddy:"namespace=wa_gateway.limiters inline_key=limiter"`

	// How many messages each session may send. Default: 100 in 60s.
	RateLimit *RateLimit `json:"rate_limit,omitempty"`

	// Limits of single packages, by the package's name or id.
	Packages map[string]*RateLimit `json:"packages,omitempty"`

	// The cache of callers.
	Cache *Cache `json:"cache,omitempty"`

	// Where outcomes and events are kept until the database has them.
	Journal *Journal `json:"journal,omitempty"`

	// How long single messages and webhooks are kept.
	Retention *Retention `json:"retention,omitempty"`

	// The WA servers behind the gateway. Default: one by the name of main, with
	// dialect generic, whose address stands in reverse_proxy.
	WAServers []*WAServer `json:"wa_servers,omitempty"`

	// The keys with which the credentials of single sessions and the secrets of their
	// webhooks are encrypted in the database: 32 bytes in base64 or hex, or any text
	// of at least 16 characters; placeholders are replaced. The first encrypts, all
	// decrypt: one is usual, two while it is exchanged. Needed with dialects other
	// than generic.
	EncryptionKeys []string `json:"encryption_keys,omitempty"`

	// Networks to which events may be posted for customers (the URL that they set with
	// POST /api/wa/webhook) although they are not public, as CIDRs or addresses.
	// Default: none.
	DeliverTo []string `json:"deliver_to,omitempty"`

	// The tokens of which any opens the admin endpoints, as a bearer token;
	// placeholders are replaced. One is usual; two while it is exchanged. If none
	// is set, or all are empty, the endpoints answer 403.
	AdminTokens []string `json:"admin_tokens,omitempty"`

	// The tokens with which WA servers post events, each as a bearer token or as
	// the key of a signature; placeholders are replaced. One is usual; two while
	// it is exchanged: the first is the new one. If none is set, or all are empty,
	// trusted clients alone may post events.
	EventsTokens []string `json:"events_tokens,omitempty"`

	// Which signatures of events are taken.
	Signatures *Signatures `json:"signatures,omitempty"`

	// How many wrong credentials an address may show. Default: 20 in 1m.
	AuthFailures *AuthFailures `json:"auth_failures,omitempty"`

	// How many calls of one user may be under way at once; more are answered 429.
	// Default: 100.
	Concurrency int `json:"concurrency,omitempty"`

	logger      *zap.Logger
	limiter     ratelimit.Limiter
	limit       ratelimit.Limit
	packages    map[string]ratelimit.Limit
	admin       gate.Tokens
	events      gate.Tokens
	eventsToken string // the first of them, for the sandbox
	signatures  *signature.Verifier
	guards      *guards
	guardsKey   string
	box         *seal.Box // nil: no encryption key is set
	demo        bool
	databases   *databases
	hold        *hold // of the databases
	left        bool  // the configuration itself holds them no more
	health      *healthCache
	poller      *poller
	inbox       *inbox.Inbox
	sender      *deliver.Sender
	deliverTo   []netip.Prefix
	cancel      context.CancelFunc // ends the waiting for the databases
	waited      chan struct{}      // closed when that has ended
}

// Cache bounds what the gateway remembers of callers.
type Cache struct {
	// How long a caller is known without asking the database. Changes made by
	// others in the database are seen after this time and a third of it.
	// Default: 30s.
	TTL caddy.Duration `json:"ttl,omitempty"`
	// The most entries of each kind (credentials, users, sessions,
	// subscriptions). Default: 100000.
	Size int `json:"size,omitempty"`
	// While the database is away, callers that are known go on with what was known
	// of them, for so long. -1 ends that with ttl. Default: 10m.
	Grace caddy.Duration `json:"grace,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "wa_gateway",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision implements caddy.Provisioner. It dials nothing: `caddy validate`
// comes this far.
func (a *App) Provision(ctx caddy.Context) error {
	a.logger, a.health = ctx.Logger(), new(healthCache)
	repl := caddy.NewReplacer()

	if err := a.validate(); err != nil {
		return err
	}
	a.limit = a.RateLimit.limit()
	a.packages = make(map[string]ratelimit.Limit, len(a.Packages))
	for name, limit := range a.Packages {
		a.packages[name] = limit.limit()
	}
	if err := a.provisionGuards(repl); err != nil {
		return err
	}
	if err := a.provisionServers(ctx, repl); err != nil {
		return err
	}
	if err := a.provisionSeal(repl); err != nil {
		return err
	}
	if err := a.provisionLimiter(ctx); err != nil {
		return err
	}
	settings, err := a.databaseSettings(repl)
	if err != nil {
		return err
	}
	a.demo = settings.demo
	// The databases outlive this configuration, so their log must too: it goes
	// by way of Caddy's process-wide logger.
	var key string
	if a.databases, key, err = acquireDatabases(settings, caddy.Log().Named("wa_gateway")); err != nil {
		return err
	}
	a.hold = newHold(func() error {
		_, err := databasePool.Delete(key)
		return err
	})
	return a.provisionChats()
}

// use holds the databases for a request, until done is called, which may be more than
// once.
func (a *App) use() (done func()) {
	if !a.hold.enter() {
		return func() {}
	}
	return sync.OnceFunc(func() {
		if err := a.hold.leave(); err != nil {
			a.databases.logger.Error("ending the databases of a configuration that was replaced", zap.Error(err))
		}
	})
}

func (a *App) validate() error {
	if err := a.RateLimit.validate(); err != nil {
		return fmt.Errorf("rate_limit: %w", err)
	}
	for name, limit := range a.Packages {
		if name == "" {
			return errors.New("package: the name is empty")
		}
		if err := limit.validate(); err != nil {
			return fmt.Errorf("package %s: %w", name, err)
		}
	}
	if err := a.validateGuards(); err != nil {
		return err
	}
	if a.Cache != nil {
		if ttl := time.Duration(a.Cache.TTL); ttl < 0 || (ttl > 0 && ttl < 100*time.Millisecond) || ttl > time.Hour {
			return errors.New("cache: ttl must be between 100ms and 1h")
		}
		if a.Cache.Size < 0 {
			return errors.New("cache: size must not be negative")
		}
		if time.Duration(a.Cache.Grace) > day {
			return errors.New("cache: grace must not be more than 1d")
		}
	}
	if err := a.Journal.validate(); err != nil {
		return err
	}
	if _, err := a.Retention.resolve(); err != nil {
		return err
	}
	names := make(map[string]bool)
	for _, s := range a.WAServers {
		name := s.Name
		if name == "" {
			name = defaultServer
		}
		if names[name] {
			return fmt.Errorf("wa_server %s is defined twice", name)
		}
		names[name] = true
	}
	return nil
}

func (a *App) provisionServers(ctx caddy.Context, repl *caddy.Replacer) error {
	if len(a.WAServers) == 0 {
		a.WAServers = []*WAServer{{Name: defaultServer}}
	}
	for _, s := range a.WAServers {
		if err := s.provision(ctx, repl); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) provisionLimiter(ctx caddy.Context) error {
	if a.LimiterRaw == nil {
		a.LimiterRaw = caddyconfig.JSONModuleObject(struct{}{}, "limiter", "memory", nil)
	}
	module, err := ctx.LoadModule(a, "LimiterRaw")
	if err != nil {
		return fmt.Errorf("loading the limiter: %w", err)
	}
	limiter, ok := module.(LimiterModule)
	if !ok {
		return errors.New("the module is not a limiter")
	}
	a.limiter = limiter.Limiter()
	return nil
}

// The embedded defaults. Demo data has files of its own, so that it can never
// be met by a gateway that serves real customers.
const (
	defaultTransactionalDSN = "sqlite://data/transactional.db"
	defaultPrimaryDSN       = "sqlite://data/primary.db"
	demoTransactionalDSN    = "sqlite://data/demo/transactional.db"
	demoPrimaryDSN          = "sqlite://data/demo/primary.db"
)

func (a *App) databaseSettings(repl *caddy.Replacer) (databaseSettings, error) {
	transactional, err := a.TransactionalDB.resolve(repl)
	if err != nil {
		return databaseSettings{}, fmt.Errorf("transactional_db: %w", err)
	}
	primary, err := a.PrimaryDB.resolve(repl)
	if err != nil {
		return databaseSettings{}, fmt.Errorf("primary_db: %w", err)
	}
	naming, err := parseNaming(a.Naming)
	if err != nil {
		return databaseSettings{}, err
	}
	kept, err := a.Retention.resolve()
	if err != nil {
		return databaseSettings{}, err
	}
	demo := a.Demo && !a.MigrateOff && transactional == "" && primary == "" && a.onlySandbox()
	embedded := ""
	if transactional == "" {
		transactional, embedded = defaultTransactionalDSN, "data"
		if demo {
			transactional, embedded = demoTransactionalDSN, "data/demo"
		}
	}
	if primary == "" {
		primary = defaultPrimaryDSN
		if demo {
			primary = demoPrimaryDSN
		}
	}
	settings := databaseSettings{
		transactional: store.Config{DSN: transactional, MaxOpenConns: a.TransactionalDB.maxConns()},
		primary:       store.Config{DSN: primary, MaxOpenConns: a.PrimaryDB.maxConns()},
		naming:        naming,
		migrate:       !a.MigrateOff,
		demo:          demo,
		journal:       a.Journal.resolve(repl, embedded),
		retention:     kept,
	}
	if a.Cache != nil {
		settings.cacheTTL, settings.cacheSize = time.Duration(a.Cache.TTL), a.Cache.Size
		settings.cacheGrace = time.Duration(a.Cache.Grace)
	}
	return settings, nil
}

// onlySandbox tells whether the sandbox stands in for every WA server.
func (a *App) onlySandbox() bool {
	for _, s := range a.WAServers {
		if !s.sandbox {
			return false
		}
	}
	return true
}

// Start implements caddy.App. The journals are opened; the databases come up in
// the background. Whoever needs them waits for that, for startPatience in all, and is
// answered 503 after that until they are ready.
func (a *App) Start() error {
	if err := a.databases.run(); err != nil {
		return err
	}
	a.poller = a.startPolling()
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(context.Background())
	a.waited = make(chan struct{})
	go func() {
		defer close(a.waited)
		select {
		case <-a.databases.ready.done:
			a.sender.Start()
			a.inbox.Start()
			a.resealLinks(ctx)
		case <-ctx.Done():
		}
	}()
	return nil
}

// Stop implements caddy.App. What is left of the webhooks waits for the next
// configuration, which has begun by then. The databases are released in Cleanup, after
// all apps have stopped, and by the last of the requests that still end then.
func (a *App) Stop() error {
	if a.cancel != nil {
		a.cancel()
		<-a.waited
	}
	a.poller.stop()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return errors.Join(a.inbox.Close(ctx), a.sender.Close(ctx))
}

// stopTimeout bounds the end of what works in the background.
const stopTimeout = 10 * time.Second

// Cleanup implements caddy.CleanerUpper. It also follows a failed Provision.
func (a *App) Cleanup() error {
	var errs []error
	if a.guardsKey != "" {
		_, err := guardPool.Delete(a.guardsKey)
		a.guardsKey, errs = "", append(errs, err)
	}
	if a.hold != nil && !a.left {
		a.left = true
		leave := a.hold.leave
		if caddy.Exiting() {
			leave = a.hold.letGo // there is no later
		}
		errs = append(errs, leave())
	}
	return errors.Join(errs...)
}

// server finds a WA server by name; the empty name is the first one.
func (a *App) server(name string) (*WAServer, error) {
	if name == "" {
		return a.WAServers[0], nil
	}
	for _, s := range a.WAServers {
		if s.Name == name {
			return s, nil
		}
	}
	return nil, fmt.Errorf("there is no wa_server %s", name)
}

// app returns the app of a configuration; without the global option there is
// one with the defaults.
func app(ctx caddy.Context) (*App, error) {
	module, err := ctx.App("wa_gateway")
	if err != nil {
		return nil, fmt.Errorf("loading the wa_gateway app: %w", err)
	}
	return module.(*App), nil
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
