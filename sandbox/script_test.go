package sandbox

import (
	"strings"
	"testing"
	"time"
)

// pretended is what the tests over all servers know of each of them.
type pretended struct {
	options Options
	begin   func(*rig)                      // a session "a" that is connected
	send    func(*rig, string) *heard       // a text to a number
	ok      int                             // status of a good answer
	id      string                          // where its id is
	status  func(*testing.T, hooked) string // what a webhook says of a message, "" for nothing
	word    map[string]string               // statuses in the server's words, "" where it tells nothing
	absent  int                             // status for a number that is not on WhatsApp
	fails   int                             // for one that cannot be delivered to
}

func said1(t *testing.T, h hooked, path string) string {
	text, _ := dig(t, []byte(h.body), path).(string)
	return text
}

func pretendeds() map[string]pretended {
	return map[string]pretended{
		"wuzapi": {
			options: Options{Dialect: "wuzapi"}, begin: func(g *rig) { wuzapiOn(g, "a") },
			send: func(g *rig, to string) *heard {
				return g.call("POST", "/chat/send/text", `{"Phone":"`+to+`","Body":"x"}`, "token", "t-a")
			},
			ok: 200, id: "data.Id", absent: 500, fails: 500,
			status: func(t *testing.T, h hooked) string { s, _ := dig(t, formEvent(h), "state").(string); return s },
			word:   map[string]string{statusDelivered: "Delivered", statusRead: "Read"},
		},
		"gowa": {
			options: Options{Dialect: "gowa"}, begin: func(g *rig) { gowaOn(g, "a") },
			send: func(g *rig, to string) *heard {
				return g.call("POST", "/send/message", `{"phone":"`+to+`","message":"x"}`, "X-Device-Id", "a")
			},
			ok: 200, id: "results.message_id", absent: 400, fails: 500,
			status: func(t *testing.T, h hooked) string { return said1(t, h, "payload.receipt_type") },
			word:   map[string]string{statusDelivered: "delivered", statusRead: "read"},
		},
		"waha": {
			options: Options{Dialect: "waha"}, begin: func(g *rig) { wahaOn(g, "a", `"message.ack"`) },
			send: func(g *rig, to string) *heard {
				return g.call("POST", "/api/sendText", `{"session":"a","chatId":"`+to+`@c.us","text":"x"}`)
			},
			ok: 201, id: "id", absent: 500, fails: 201,
			status: func(t *testing.T, h hooked) string { return said1(t, h, "payload.ackName") },
			word:   map[string]string{statusSent: "SERVER", statusDelivered: "DEVICE", statusRead: "READ", statusFailed: "ERROR"},
		},
		"evolution": {
			options: Options{Dialect: "evolution"}, begin: func(g *rig) { evolutionOn(g, "a", "") },
			send: func(g *rig, to string) *heard {
				return g.call("POST", "/message/sendText/a", `{"number":"`+to+`","text":"x"}`)
			},
			ok: 201, id: "key.id", absent: 400, fails: 201,
			status: func(t *testing.T, h hooked) string {
				if said1(t, h, "event") != "messages.update" {
					return ""
				}
				return said1(t, h, "data.status")
			},
			word: map[string]string{statusSent: "SERVER_ACK", statusDelivered: "DELIVERY_ACK", statusRead: "READ", statusFailed: "ERROR"},
		},
	}
}

// in puts statuses into the server's words.
func (p pretended) in(statuses ...string) string {
	var list []string
	for _, status := range statuses {
		if word := p.word[status]; word != "" {
			list = append(list, word)
		}
	}
	return strings.Join(list, " ")
}

func TestScriptOnEveryServer(t *testing.T) {
	for name, p := range pretendeds() {
		t.Run(name, func(t *testing.T) {
			on(t, p.options, func(g *rig) {
				p.begin(g)
				g.hooks(0)
				heardOf := func() string {
					var list []string
					for _, h := range g.hooks(time.Second) {
						if s := p.status(t, h); s != "" {
							list = append(list, s)
						}
					}
					return strings.Join(list, " ")
				}
				const to = "628123456789"
				want := func(what string, statuses ...string) {
					t.Helper()
					if got := heardOf(); got != p.in(statuses...) {
						t.Errorf("%s: %q", what, got)
					}
				}
				if id := p.send(g, to).is(p.ok).text(p.id); id == "" {
					t.Error("no id")
				}
				want("plain", statusSent, statusDelivered, statusRead)
				p.send(g, "628120000").is(p.fails)
				if p.fails == p.ok {
					want("failing", statusSent, statusFailed)
				}
				p.send(g, "628120008").is(p.absent)
				p.send(g, "628120006").is(500)
				want("not sent")

				g.admin("script", `{"session":"a","next":[{"status":502},{"absent":true},{"fail":true},{"receipts":"twice"},{"delay":"9s"}],"receipts":"none"}`)
				p.send(g, to).is(502)
				p.send(g, to).is(p.absent)
				p.send(g, to).is(p.fails)
				want("none")
				p.send(g, to).is(p.ok)
				want("twice", statusSent, statusSent, statusDelivered, statusDelivered, statusRead, statusRead)
				before := time.Now()
				p.send(g, to).is(p.ok)
				if took := time.Since(before); took != 9*time.Second {
					t.Error(took)
				}
				want("none")
				g.admin("script", `{"session":"a","receipts":"reversed"}`)
				p.send(g, to).is(p.ok)
				want("reversed", statusRead, statusDelivered, statusSent)
				g.admin("script", `{"session":"a","receipts":""}`)
				before = time.Now()
				p.send(g, "628120005").is(p.ok)
				if took := time.Since(before); took != defaultSlow {
					t.Error(took)
				}
				heardOf()
				g.admin("script", `{"session":"a","drop":true}`)
				if a := p.send(g, to); a.status < 400 {
					t.Error("sent without a connection")
				}
				if sent := g.admin("sent?session=a", "")["sent"].([]any); sent[0].(map[string]any)["to"] != to {
					t.Error(sent[0])
				}
				g.hooks(0)
				if figures := g.admin("sent", "")["callbacks"].(map[string]any); figures["pending"] != 0.0 || figures["dropped"] != 0.0 {
					t.Error(figures)
				}
			})
		})
	}
}

// TestForeignWebhooksAreNotCalled lets a caller register an address that is none of the sandbox's.
func TestForeignWebhooksAreNotCalled(t *testing.T) {
	for name, p := range pretendeds() {
		t.Run(name, func(t *testing.T) {
			p.options.EventsURL = "http://gateway.example:8070/events/message"
			on(t, p.options, func(g *rig) {
				p.begin(g) // registers an address on loopback
				p.send(g, "628123456789").is(p.ok)
				if got := g.hooks(time.Minute); len(got) != 0 {
					t.Errorf("%+v", got)
				}
				if figures := g.admin("sent", "")["callbacks"].(map[string]any); figures["dropped"] == 0.0 {
					t.Error(figures)
				}
			})
		})
	}
}

func TestSessionGoesWhileASendWaits(t *testing.T) {
	p := pretendeds()["wuzapi"]
	on(t, p.options, func(g *rig) {
		p.begin(g)
		done := make(chan *heard)
		go func() { done <- p.send(g, "628120005") }()
		time.Sleep(time.Second)
		g.admin("script", `{"session":"a","drop":true}`)
		(<-done).says(500, "websocket not connected")
	})
}

func TestBodiesAreBounded(t *testing.T) {
	for name, call := range map[string][4]string{
		"wuzapi": {"/chat/send/text", "token", "t-a", "could not decode"}, "waha": {"/api/sendText", "", "", "too large"},
		"evolution": {"/message/sendText/a", "", "", "too large"}, "gowa": {"/send/message", "", "", "Too Large"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pretendeds()[name]
			on(t, p.options, func(g *rig) {
				p.begin(g)
				g.s.core.limit = 4096
				a := g.call("POST", call[0], `{"text":"`+strings.Repeat("x", 4096)+`"}`, call[1], call[2])
				if a.status != 413 && a.status != 400 || !strings.Contains(string(a.raw), call[3]) {
					t.Errorf("%d %.100s", a.status, a.raw)
				}
			})
		})
	}
}
