package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// command runs one of the operator's commands on the gateway's configuration.
func (g *gateway) command(args ...string) (string, error) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	args = append(append([]string{"wa-gateway"}, args...), "--config", g.config(), "--adapter", "caddyfile")
	cmd := exec.CommandContext(ctx, binary(g.t), args...)
	var out bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = g.dir, g.env(), &out, &out
	err := cmd.Run()
	return out.String(), err
}

// verify has the gateway recount its ledger: whatever was acknowledged or lost, its
// counters agree with its rows at any moment.
func (g *gateway) verify(when string) {
	g.t.Helper()
	if out, err := g.command("stats", "verify"); err != nil {
		g.t.Errorf("%s: caddy wa-gateway stats verify: %v\n%s", when, err, out)
	}
}

// get asks the gateway as the admin.
func (g *gateway) get(path string, data any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.addr()+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", path, res.Status, body)
	}
	return json.Unmarshal(body, &struct{ Data any }{data})
}

// waiting lists the files in the gateway's journals: none when nothing waits and
// the gateway has stopped.
func (g *gateway) waiting() []string {
	var files []string
	err := filepath.WalkDir(g.settings.journal, func(path string, entry os.DirEntry, err error) error {
		// A folder that somebody died over as it was born holds nothing but a lock.
		if err == nil && !entry.IsDir() && entry.Name() != "lock" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		g.t.Error(err)
	}
	return files
}
