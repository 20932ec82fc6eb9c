package caddywagateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/genfity/wa-gateway/store"
)

// loadedConfig is a configuration as the gateway would see it.
type loadedConfig struct {
	file     string // empty without any
	json     []byte // adapted; nil without any
	warnings []string
	env      map[string][]envEntry // by environment file
	app      *App
	settings databaseSettings
}

// load reads the configuration in the way of `caddy run`.
func (o *operator) load(ctx context.Context) (*loadedConfig, error) {
	c, err := o.read()
	if err != nil {
		return nil, err
	}
	return c, c.resolve(ctx)
}

// read loads the environment files and adapts the configuration.
func (o *operator) read() (*loadedConfig, error) {
	c := &loadedConfig{app: new(App), env: make(map[string][]envEntry)}
	for _, path := range o.envfiles {
		entries, err := loadEnvFile(path)
		if err != nil {
			return nil, err
		}
		c.env[path] = entries
	}
	var err error
	c.warnings, err = quietly(func() error {
		c.json, c.file, _, err = caddycmd.LoadConfig(o.config, o.adapter)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(c.json) == 0 {
		return c, nil
	}
	var config struct {
		Apps map[string]json.RawMessage `json:"apps"`
	}
	if err := json.Unmarshal(c.json, &config); err != nil {
		return nil, fmt.Errorf("%s: reading the adapted configuration: %w", c.file, err)
	}
	if raw := config.Apps["wa_gateway"]; raw != nil {
		if err := caddy.StrictUnmarshalJSON(raw, c.app); err != nil {
			return nil, fmt.Errorf("%s: the wa_gateway app: %w", c.file, err)
		}
	}
	return c, nil
}

// resolve finds the databases. WA servers are looked at, too, because demo data
// is only used where none is set.
func (c *loadedConfig) resolve(ctx context.Context) error {
	if err := c.app.validate(); err != nil {
		return fmt.Errorf("wa_gateway: %w", err)
	}
	repl := caddy.NewReplacer()
	modules, cancel := caddy.NewContext(caddy.Context{Context: ctx})
	defer cancel()
	err := c.app.provisionServers(modules, repl)
	if err == nil {
		c.settings, err = c.app.databaseSettings(repl)
	}
	if err != nil {
		return fmt.Errorf("wa_gateway: %w", err)
	}
	return nil
}

// quietly runs fn without Caddy's log, which would come between the results, and
// returns the warnings in it.
func quietly(fn func() error) (warnings []string, err error) {
	_, logger, buffer := caddy.BufferedLog()
	defer caddy.UnbufferDefaultLogger(logger)
	err = fn()
	buffer.FlushTo(zap.New(warningCollector{&warnings}))
	return warnings, err
}

// warningCollector is a log core that keeps the messages of warnings.
type warningCollector struct{ to *[]string }

func (warningCollector) Enabled(level zapcore.Level) bool    { return level >= zapcore.WarnLevel }
func (c warningCollector) With([]zapcore.Field) zapcore.Core { return c }
func (warningCollector) Sync() error                         { return nil }
func (c warningCollector) Write(e zapcore.Entry, _ []zapcore.Field) error {
	*c.to = append(*c.to, redact(e.Message))
	return nil
}

func (c warningCollector) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// unreadEnvFile is the .env file beside the configuration, if the command was not
// told to read it although the gateway probably was.
func (o *operator) unreadEnvFile(c *loadedConfig) string {
	if len(o.envfiles) > 0 {
		return ""
	}
	path := filepath.Join(filepath.Dir(c.file), ".env") // "." for none
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return ""
	}
	return path
}

// commandTimeout bounds commands that read or change a few rows.
const commandTimeout = time.Minute

// work is what a command on the transactional database is given.
type work struct {
	*output
	db   *store.Transactional
	args []string
	now  time.Time

	settings databaseSettings
	app      *App
}

// withDB makes a function on the transactional database cobra's.
func (o *operator) withDB(fn func(ctx context.Context, w *work) error) func(context.Context, *output, []string) error {
	return o.withDBFor(commandTimeout, fn)
}

// longCommand bounds commands that may read all there is.
const longCommand = 24 * time.Hour

func (o *operator) withDBFor(timeout time.Duration, fn func(ctx context.Context, w *work) error) func(context.Context, *output, []string) error {
	return func(ctx context.Context, out *output, args []string) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		c, err := o.load(ctx)
		if err != nil {
			return err
		}
		if path := o.unreadEnvFile(c); path != "" {
			out.notef("Note: %s was not read; if the gateway is started with it, give --envfile %s.", path, path)
		}
		db, err := openTransactional(ctx, c)
		if err != nil {
			return err
		}
		err = fn(ctx, &work{output: out, db: db, args: args, now: o.now(), settings: c.settings, app: c.app})
		return errors.Join(err, db.DB().Close())
	}
}

// openTransactional opens the database and looks at its tables. It migrates
// nothing: that is migrate's and the gateway's.
func openTransactional(ctx context.Context, c *loadedConfig) (*store.Transactional, error) {
	if path, missing := missingFile(c.settings.transactional.DSN); missing {
		return nil, fmt.Errorf("the transactional database, SQLite file %s, does not exist: is this the gateway's folder, and its configuration? The gateway makes it when it starts, and so does caddy wa-gateway migrate", path)
	}
	db, err := store.Open(c.settings.transactional)
	if err != nil {
		return nil, fmt.Errorf("transactional database: %w", err)
	}
	t := store.NewTransactional(db, c.settings.naming)
	if _, err := t.Inspect(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("transactional database: %w", err), db.Close())
	}
	return t, nil
}

// sqlitePath is the file of an SQLite DSN, empty for others.
func sqlitePath(dsn string) string {
	path, ok := strings.CutPrefix(strings.TrimSpace(dsn), "sqlite://")
	if !ok || path == "" {
		return ""
	}
	return filepath.Clean(path)
}

// missingFile tells whether a DSN names an SQLite file that is not there.
// Opening would make an empty one, in the wrong folder more often than not.
func missingFile(dsn string) (string, bool) {
	path := sqlitePath(dsn)
	if path == "" {
		return "", false
	}
	_, err := os.Stat(path)
	return path, errors.Is(err, fs.ErrNotExist)
}
