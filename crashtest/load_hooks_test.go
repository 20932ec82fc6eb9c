package crashtest

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// hookBook keeps book of webhooks: whether each was acknowledged.
type hookBook struct {
	mu   sync.Mutex
	told map[string]bool
}

func newHookBook() *hookBook { return &hookBook{told: map[string]bool{}} }

func (b *hookBook) tell(name string, acknowledged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told[name] = b.told[name] || acknowledged
}

// compare says what is wrong with what the primary database has: each webhook that
// was acknowledged once.
func (b *hookBook) compare(d *database) error {
	has := map[string]int{}
	err := d.lookInto(d.direct[1], func(db *sql.DB) error {
		rows, err := db.Query(`SELECT CAST(payload AS text) FROM ` + d.own("webhook_events"))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var payload string
			if err := rows.Scan(&payload); err != nil {
				return err
			}
			var hook struct{ Name string }
			if err := json.Unmarshal([]byte(payload), &hook); err != nil {
				return err
			}
			has[hook.Name]++
		}
		return rows.Err()
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var wrong []string
	for name, acknowledged := range b.told {
		if n := has[name]; n > 1 || n == 0 && acknowledged {
			wrong = append(wrong, fmt.Sprintf("webhook %s: %d rows", name, n))
		}
	}
	for name := range has {
		if _, ok := b.told[name]; !ok {
			wrong = append(wrong, fmt.Sprintf("webhook %s was told by nobody", name))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d webhooks are wrong:\n  %s", len(wrong), strings.Join(wrong[:min(10, len(wrong))], "\n  "))
	}
	return nil
}

// tellWebhooks tells what only the WA server's dialect will understand, each until
// it is acknowledged, and some again.
func (c *client) tellWebhooks(n int) {
	for i := 0; !c.stopped(); i++ {
		name := fmt.Sprintf("%d-%d", n, i)
		for again := true; again && c.ended.Err() == nil; {
			body := fmt.Sprintf(`{"event":"something","session":"session0-0","name":%q}`, name)
			c.hooks.tell(name, false)
			a, err := c.post("webhook", "/events/webhook", body)
			switch {
			case err != nil, a.status == http.StatusServiceUnavailable:
				c.pause(40 * time.Millisecond)
				continue
			case a.status != http.StatusOK:
				c.unexpected("webhook", a, body)
			default:
				c.hooks.tell(name, true)
			}
			again = c.rand.IntN(10) == 0
		}
		c.pause(30 * time.Millisecond)
	}
}
