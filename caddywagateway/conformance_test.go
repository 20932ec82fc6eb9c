package caddywagateway

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/sandbox"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/store/storetest"
)

// dialectCase is a server that the conformance suite runs against.
type dialectCase struct {
	name, dialect, generation string
	json                      bool // of webhooks, where there are two forms
	token                     string
	// lacks are endpoints, and kinds of messages, that the server cannot do: 501.
	lacks []string
	// neverFails: the server tells the failure of a message by its answer, not by a
	// webhook.
	neverFails bool
	// takesAbsent: it does not notice that a number is not on WhatsApp.
	takesAbsent bool
}

var dialectCases = []dialectCase{
	{name: "wuzapi", dialect: "wuzapi", token: "wuzapi-server-key", neverFails: true},
	{name: "wuzapi-json", dialect: "wuzapi", json: true, token: "wuzapi-server-key", neverFails: true},
	{name: "wuzapi-old", dialect: "wuzapi", generation: "old", token: "wuzapi-server-key", lacks: []string{"poll"}, neverFails: true},
	{name: "gowa", dialect: "gowa", token: "gowa:gowa-server-key", lacks: []string{"list", "button", "stop"}, neverFails: true},
	{name: "waha", dialect: "waha", token: "waha-server-key"},
	{name: "waha-noweb", dialect: "waha", generation: "noweb", token: "waha-server-key", takesAbsent: true},
	{name: "waha-webjs", dialect: "waha", generation: "webjs", token: "waha-server-key"},
	{name: "evolution", dialect: "evolution", token: "evolution-server-key", lacks: []string{"stop"}},
}

func (c dialectCase) can(what string) bool {
	for _, lacking := range c.lacks {
		if lacking == what {
			return false
		}
	}
	return true
}

// dialectRig is a gateway before a server that speaks a dialect of its own.
type dialectRig struct {
	*setup
	dialectCase
	server *httptest.Server
	text   string // the Caddyfile
}

// newDialectRig starts the sandbox as a server of its own, and the gateway before it.
func newDialectRig(t *testing.T, d *storetest.Database, c dialectCase, options ...string) *dialectRig {
	t.Helper()
	server, err := sandbox.New(sandbox.Options{
		Dialect: c.dialect, Generation: c.generation, Token: c.token, WebhookJSON: c.json,
		PairAfter: 200 * time.Millisecond, Delivered: 50 * time.Millisecond, Read: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	rig := &dialectRig{dialectCase: c, server: httptest.NewServer(server)}
	t.Cleanup(func() {
		rig.server.Close()
		_ = server.Close(t.Context())
	})
	block := fmt.Sprintf("wa_server main %s {\n\t\t\tdialect %s\n\t\t\ttoken %s\n\t\t\twebhook_url http://127.0.0.1:{PORT}\n\t\t\tmedia_from 127.0.0.1\n\t\t\tbroadcast_pace 1ms\n\t\t\t%s\n\t\t}\n\t\tencryption_key an-encryption-key-of-the-tests\n\t\tdeliver_to 127.0.0.1",
		rig.server.URL, c.dialect, c.token, strings.Join(options, "\n\t\t\t"))
	rig.setup = &setup{db: openStore(t, d.DSN)}
	seed(t, rig.db)
	if err := rig.db.SetSubscription(t.Context(), alice, "ckpro", store.SubscriptionActive, time.Now().Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	primary := "sqlite://{DIR}/primary.db"
	if d.Postgres() {
		primary = d.DSN // both in one
	}
	text := caddyfileFor(d.DSN, "", "sqlite://{DIR}/primary.db", primary, "wa_server main {WA} {\n\t\t\ttoken "+waToken+"\n\t\t}", block)
	rig.text = text
	rig.gateway = startCaddy(t, text)
	rig.ready()
	return rig
}

// paired creates a session of alice's and waits until it can send.
func (r *dialectRig) paired(t *testing.T, id string) {
	t.Helper()
	me := as(alice, id)
	res := r.call("POST", "/api/wa/sessions", fmt.Sprintf(`{"session_id":%q,"name":"Shop"}`, id), as(alice, aliceSession))
	r.success(t, res, http.StatusCreated)
	if res.at("data", "session_id") != id || res.at("data", "status") != "created" {
		t.Fatalf("created: %s", res.text)
	}
	r.success(t, r.call("POST", "/api/wa/sessions/"+id+"/start", "", me), http.StatusOK)
	eventually(t, "the session to be paired", func() bool {
		return r.call("GET", "/api/wa/sessions/"+id, "", me).at("data", "connected") == true
	})
}

// success checks an answer in the canonical shape.
func (r *dialectRig) success(t *testing.T, res response, status int) {
	t.Helper()
	if res.status != status || res.at("success") != true {
		t.Fatalf("status %d, want %d: %s", res.status, status, res.text)
	}
	for _, secret := range []string{r.token, strings.TrimPrefix(r.token, "gowa:"), "an-encryption-key"} {
		if strings.Contains(res.text, secret) {
			t.Errorf("a secret is in the answer: %s", res.text)
		}
	}
}

// sent is what the server took, the latest last.
func (r *dialectRig) sent(t *testing.T) []map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.server.URL+"/_sandbox/sent", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct {
		Data struct{ Sent []map[string]any }
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body.Data.Sent
}

// tell has the sandbox do something by its own admin call.
func (r *dialectRig) tell(t *testing.T, what, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL+"/_sandbox/"+what, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("the sandbox answers %s", res.Status)
	}
}

// canonicalSends are one call of each kind, and what the server must have been told.
func canonicalSends(mediaURL string) []struct{ endpoint, kind, body, text string } {
	picture := base64.StdEncoding.EncodeToString(testPNG)
	return []struct{ endpoint, kind, body, text string }{
		{"send-message", "message", `{"to":"0812-3456-7890","message":"Halo ☺"}`, "Halo ☺"},
		{"send-image", "image", `{"to":"+62 812 3456 7890","media":"data:image/png;base64,` + picture + `","caption":"A picture"}`, "A picture"},
		{"send-image", "image", `{"to":"6281234567890@s.whatsapp.net","media":"` + mediaURL + `/a.png"}`, ""},
		{"send-media", "image", `{"to":"6281234567890","media":"` + picture + `","mimetype":"image/png","filename":"a.png"}`, ""},
		{"send-video", "video", `{"to":"6281234567890","media":"data:video/mp4;base64,AAAAIGZ0eXBpc29t","caption":"A film"}`, "A film"},
		{"send-audio", "audio", `{"to":"6281234567890","media":"data:audio/ogg;base64,T2dnUwACAAAAAAAAAAA=","voice":true}`, ""},
		{"send-document", "document", `{"to":"6281234567890","media":"data:application/pdf;base64,JVBERi0xLjQKJSVFT0Y=","filename":"invoice.pdf"}`, ""},
		{"send-sticker", "sticker", `{"to":"6281234567890","media":"data:image/webp;base64,UklGRgwAAABXRUJQVlA4IA=="}`, ""},
		{"send-location", "location", `{"to":"6281234567890","latitude":-6.2,"longitude":106.8,"name":"Monas"}`, ""},
		{"send-contact", "contact", `{"to":"6281234567890","contact":{"name":"Support","phone":"628001234567"}}`, ""},
		{"send-poll", "poll", `{"to":"6281234567890","poll":{"name":"Tea?","options":["Yes","No"]}}`, ""},
		{"send-list", "list", `{"to":"6281234567890","list":{"title":"Menu","description":"Choose","button":"Open","footer":"f","sections":[{"title":"S","rows":[{"id":"1","title":"One","description":"d"}]}]}}`, ""},
		{"send-button", "button", `{"to":"6281234567890","message":"Well?","title":"T","footer":"F","buttons":[{"id":"y","text":"Yes"},{"id":"n","text":"No"}]}`, ""},
	}
}

// testPNG is a picture of one pixel.
var testPNG, _ = base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")

// conformanceKinds are the databases, which the servers take in turns.
var conformanceKinds = []storetest.Kind{
	storetest.SQLite, storetest.PostgresPrisma, storetest.PostgresSnake,
}

// TestConformance makes the same canonical calls before every server, and expects the
// same results, rows and statistics.
func TestConformance(t *testing.T) {
	for i, c := range dialectCases {
		t.Run(c.name, func(t *testing.T) {
			r := newDialectRig(t, storetest.New(t, conformanceKinds[i%len(conformanceKinds)]), c)
			r.testLife(t)
			r.testSends(t)
			r.testOutcomes(t)
			r.testBroadcast(t)
			r.testReading(t)
			r.testCustomerWebhook(t)
			r.testEnd(t)
		})
	}
}

const conformSession = "shop-1"

func (r *dialectRig) testLife(t *testing.T) {
	other := as(alice, aliceSession)
	res := r.call("POST", "/api/wa/sessions", `{"session_id":"`+conformSession+`","name":"Shop"}`, other)
	r.success(t, res, http.StatusCreated)
	me := as(alice, conformSession)
	// The same name again, by its owner and by somebody else.
	r.call("POST", "/api/wa/sessions", `{"session_id":"`+conformSession+`"}`, other).wantAnswer(t, http.StatusConflict, "")
	r.call("POST", "/api/wa/sessions", `{"session_id":"`+conformSession+`"}`, as(bob, bobSession)).wantAnswer(t, http.StatusConflict, "")
	// Not started: a message is refused in words that say what to do.
	res = r.call("POST", "/api/wa/send-message", `{"to":"6281234567890","message":"x"}`, me)
	res.wantAnswer(t, http.StatusConflict, "")

	r.success(t, r.call("POST", "/api/wa/sessions/"+conformSession+"/start", "", me), http.StatusOK)
	var code response
	eventually(t, "a QR code", func() bool {
		code = r.call("GET", "/api/wa/sessions/"+conformSession+"/qr", "", append(me, "Accept", "application/json"))
		return code.status != http.StatusServiceUnavailable
	})
	if code.status == http.StatusOK {
		qr, _ := code.at("data", "qr").(string)
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(qr, "data:image/png;base64,"))
		if err != nil || !bytes.HasPrefix(raw, []byte("\x89PNG")) {
			t.Errorf("QR: %.80s, %v", qr, err)
		}
	} else {
		code.wantAnswer(t, http.StatusConflict, "") // it was paired meanwhile
	}
	eventually(t, "the session to be paired", func() bool {
		res = r.call("GET", "/api/wa/sessions/"+conformSession, "", me)
		return res.at("data", "connected") == true && res.at("data", "status") == "connected"
	})
	r.call("GET", "/api/wa/sessions/"+conformSession+"/qr", "", me).wantAnswer(t, http.StatusConflict, "")
	// Starting once more is no error.
	r.success(t, r.call("POST", "/api/wa/sessions/"+conformSession+"/start", "", me), http.StatusOK)

	// Lists hold one's own alone.
	for user, want := range map[string]bool{alice: true, bob: false} {
		session := map[string]string{alice: aliceSession, bob: bobSession}[user]
		res := r.call("GET", "/api/wa/sessions", "", as(user, session))
		r.success(t, res, http.StatusOK)
		if strings.Contains(res.text, conformSession) != want {
			t.Errorf("%s sees %s", user, res.text)
		}
	}
	r.call("GET", "/api/wa/sessions/"+conformSession, "", as(bob, bobSession)).wantAnswer(t, http.StatusForbidden, "")
}

func (r *dialectRig) testSends(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(testPNG)
	}))
	defer files.Close()
	me := as(alice, conformSession)
	for _, send := range canonicalSends(files.URL) {
		name := send.endpoint + " " + send.body[:min(len(send.body), 60)]
		res := r.call("POST", "/api/wa/"+send.endpoint, send.body, me)
		if !r.can(send.kind) {
			res.wantAnswer(t, http.StatusNotImplemented, "")
			continue
		}
		if res.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, res.status, res.text)
			continue
		}
		id, _ := res.at("data", "message_id").(string)
		if id == "" || strings.ContainsAny(id, "_@") || res.at("data", "status") != "sent" || res.at("data", "to") != "6281234567890@s.whatsapp.net" {
			t.Errorf("%s: %s", name, res.text)
		}
		if at, err := time.Parse(time.RFC3339, fmt.Sprint(res.at("data", "timestamp"))); err != nil || time.Since(at).Abs() > time.Minute {
			t.Errorf("%s: timestamp %v", name, res.at("data", "timestamp"))
		}
		sent := r.sent(t)
		last := sent[len(sent)-1]
		if text, _ := last["text"].(string); send.text != "" && text != send.text {
			t.Errorf("%s: the server got the text %q", name, text)
		}
		if to, _ := last["to"].(string); !strings.HasPrefix(to, "6281234567890") {
			t.Errorf("%s: the server sends to %q", name, to)
		}
		if send.kind == "image" {
			sum := sha256.Sum256(testPNG)
			if !strings.Contains(fmt.Sprint(last["media"]), hex.EncodeToString(sum[:])) {
				t.Errorf("%s: the server got %v", name, last["media"])
			}
		}
	}
	r.testUpload(t, me)
	for body, field := range map[string]string{
		`{"to":"6281234567890"}`:                                 "message",
		`{"to":"hello","message":"x"}`:                           "to",
		`{"to":["6281234567890","6281234567891"],"message":"x"}`: "to",
	} {
		res := r.call("POST", "/api/wa/send-message", body, me)
		res.wantAnswer(t, http.StatusBadRequest, "")
		if res.at("data", "field") != field {
			t.Errorf("%s: %s", body, res.text)
		}
	}
	r.call("POST", "/api/wa/send-image", `{"to":"6281234567890","media":"http://10.1.2.3/a.png"}`, me).wantAnswer(t, http.StatusBadRequest, "")
}

// testUpload sends a file as multipart that is too large for memory to be its place.
func (r *dialectRig) testUpload(t *testing.T, me []string) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 20<<10) // 320 KiB
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	_ = form.WriteField("to", "6281234567890")
	_ = form.WriteField("session_id", bobSession)
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="media"; filename="notes.txt"`}, "Content-Type": {"text/plain"},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(content)
	_ = form.Close()
	res := r.call("POST", "/api/wa/send-document", b.String(), append(me, "Content-Type", form.FormDataContentType()))
	if res.status != http.StatusOK {
		t.Errorf("upload: %d %s", res.status, res.text)
		return
	}
	sum := sha256.Sum256(content)
	sent := r.sent(t)
	if last := fmt.Sprint(sent[len(sent)-1]); !strings.Contains(last, hex.EncodeToString(sum[:])) || strings.Contains(last, bobSession) {
		t.Errorf("the server got %s", last)
	}
}

// counted waits until the session's statistics are so many sent, failed, delivered and
// read messages.
func (r *dialectRig) counted(t *testing.T, what string, want [4]float64) {
	t.Helper()
	var got [4]float64
	deadline := time.Now().Add(10 * time.Second)
	for got = r.sessionTotals(t, conformSession); got != want; got = r.sessionTotals(t, conformSession) {
		if time.Now().After(deadline) {
			for line := range strings.Lines(r.written.read(t)) {
				if strings.Contains(line, "/events/webhook") && !strings.Contains(line, `"status":200`) {
					t.Log(line)
				}
			}
			t.Fatalf("%s: %v are counted, want %v", what, got, want)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (r *dialectRig) testOutcomes(t *testing.T) {
	me := as(alice, conformSession)
	var sent float64
	for _, m := range r.sent(t) {
		if m["id"] != nil {
			sent++
		}
	}
	// One attempt was made before the session was started.
	r.counted(t, "the receipts of what was sent", [4]float64{sent, 1, sent, sent})
	// Sent alone; delivered alone; and one that fails.
	for _, to := range []string{"628123450001", "628123450002"} {
		r.success(t, r.call("POST", "/api/wa/send-message", `{"to":"`+to+`","message":"x"}`, me), http.StatusOK)
	}
	res := r.call("POST", "/api/wa/send-message", `{"to":"628123450000","message":"x"}`, me)
	if (res.status != http.StatusOK) != r.neverFails {
		t.Errorf("a number that fails: %d %s", res.status, res.text)
	}
	r.counted(t, "one sent, one delivered, one failed", [4]float64{sent + 2, 2, sent + 1, sent})
	// Receipts twice and in the wrong order are the same receipts.
	for _, to := range []string{"628123450003", "628123450004"} {
		r.success(t, r.call("POST", "/api/wa/send-message", `{"to":"`+to+`","message":"x"}`, me), http.StatusOK)
	}
	r.counted(t, "receipts out of order", [4]float64{sent + 4, 2, sent + 3, sent + 2})
	// A server in trouble, and a number that is not on WhatsApp: failed, in our shape.
	res = r.call("POST", "/api/wa/send-message", `{"to":"628123450006","message":"x"}`, me)
	res.wantAnswer(t, http.StatusBadGateway, "")
	r.counted(t, "a server in trouble", [4]float64{sent + 4, 3, sent + 3, sent + 2})
	if r.takesAbsent {
		return
	}
	res = r.call("POST", "/api/wa/send-message", `{"to":"628123450008","message":"x"}`, me)
	if res.status < 400 || res.at("status") != float64(res.status) {
		t.Errorf("a number that is not on WhatsApp: %d %s", res.status, res.text)
	}
	r.counted(t, "a number that is not on WhatsApp", [4]float64{sent + 4, 4, sent + 3, sent + 2})
}

func (r *dialectRig) testBroadcast(t *testing.T) {
	before := r.sessionTotals(t, conformSession)
	res := r.call("POST", "/api/wa/broadcast", `{"recipients":["628123456701","628123450006","0812-3456-703"],"message":"News"}`, as(alice, conformSession))
	r.success(t, res, http.StatusOK)
	results, _ := res.at("data", "results").([]any)
	if len(results) != 3 || res.at("data", "sent") != 2.0 || res.at("data", "failed") != 1.0 {
		t.Fatalf("broadcast: %s", res.text)
	}
	r.counted(t, "the broadcast's outcomes", [4]float64{before[0] + 2, before[1] + 1, before[2] + 2, before[3] + 2})
}

func (r *dialectRig) testReading(t *testing.T) {
	me := as(alice, conformSession)
	r.tell(t, "incoming", `{"session":"`+conformSession+`","from":"628111222333","name":"Customer","text":"Is it in stock?"}`)
	chat := "628111222333@s.whatsapp.net"
	var res response
	eventually(t, "the incoming message", func() bool {
		res = r.call("GET", "/api/wa/sessions/"+conformSession+"/messages/"+chat, "", me)
		return strings.Contains(res.text, "Is it in stock?")
	})
	r.success(t, res, http.StatusOK)
	messages, _ := res.at("data", "messages").([]any)
	first, _ := messages[0].(map[string]any)
	if first["from_me"] != false || first["chat_id"] != chat || first["type"] == "" {
		t.Errorf("message: %v", first)
	}
	eventually(t, "the chat", func() bool {
		res = r.call("GET", "/api/wa/sessions/"+conformSession+"/chats?limit=50", "", me)
		return strings.Contains(res.text, chat)
	})
	r.success(t, res, http.StatusOK)
	// What was sent is in its chat, whether the server tells of it or not.
	eventually(t, "the message that was sent", func() bool {
		res = r.call("GET", "/api/wa/sessions/"+conformSession+"/messages/6281234567890@s.whatsapp.net", "", me)
		return res.status == http.StatusOK && strings.Contains(res.text, "Halo ☺")
	})
	eventually(t, "a contact", func() bool {
		res = r.call("GET", "/api/wa/sessions/"+conformSession+"/contacts", "", me)
		contacts, _ := res.at("data", "contacts").([]any)
		return res.status == http.StatusOK && len(contacts) > 0
	})
	id, _ := first["message_id"].(string)
	res = r.call("POST", "/api/wa/sessions/"+conformSession+"/mark-read", fmt.Sprintf(`{"chat_id":%q,"message_ids":[%q]}`, chat, id), me)
	r.success(t, res, http.StatusOK)
	r.call("GET", "/api/wa/sessions/"+conformSession+"/chats?cursor=!", "", me).wantAnswer(t, http.StatusBadRequest, "")
	r.call("GET", "/api/wa/sessions/"+conformSession+"/chats", "", as(bob, bobSession)).wantAnswer(t, http.StatusForbidden, "")
}

func (r *dialectRig) testCustomerWebhook(t *testing.T) {
	me := as(alice, conformSession)
	res := r.call("GET", "/api/wa/webhook", "", me)
	r.success(t, res, http.StatusOK)
	if res.at("data", "url") != "" {
		t.Errorf("the server's webhook is shown: %s", res.text)
	}
	posts := make(chan customerPost, 100)
	customer := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		posts <- customerPost{req.Header.Clone(), body}
	}))
	defer customer.Close()
	res = r.call("POST", "/api/wa/webhook", `{"url":"`+customer.URL+`"}`, me)
	r.success(t, res, http.StatusOK)
	secret, _ := res.at("data", "secret").(string)
	if res := r.call("GET", "/api/wa/webhook", "", me); res.at("data", "url") != customer.URL {
		t.Errorf("webhook: %s", res.text)
	}
	r.tell(t, "incoming", `{"session":"`+conformSession+`","from":"628111222333","name":"Customer","text":"Anybody there?"}`)
	for {
		select {
		case post := <-posts:
			// What came before may still have been on its way.
			if post.at("type") == "message.received" && post.at("data", "text") == "Anybody there?" {
				post.check(t, secret)
				r.call("PUT", "/api/wa/webhook", `{"url":"ftp://x"}`, me).wantAnswer(t, http.StatusBadRequest, "")
				r.success(t, r.call("PUT", "/api/wa/webhook", `{"url":""}`, me), http.StatusOK)
				return
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the customer was not told of the message")
		}
	}
}

// customerPost is what a customer's own server was told.
type customerPost struct {
	header http.Header
	body   []byte
}

func (p customerPost) at(path ...string) any { return newResponse(0, nil, p.body).at(path...) }

// check checks the signature, and whose it is.
func (p customerPost) check(t *testing.T, secret string) {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 {
		t.Fatalf("secret %q: %v", secret, err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", p.header.Get("Webhook-Id"), p.header.Get("Webhook-Timestamp"), p.body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); p.header.Get("Webhook-Signature") != want {
		t.Errorf("signature %q, want %q", p.header.Get("Webhook-Signature"), want)
	}
	if p.at("session_id") != conformSession || p.at("data", "from_me") != false {
		t.Errorf("the customer was told %s", p.body)
	}
}

func (r *dialectRig) testEnd(t *testing.T) {
	me := as(alice, conformSession)
	res := r.call("POST", "/api/wa/sessions/"+conformSession+"/stop", "", me)
	if r.can("stop") {
		r.success(t, res, http.StatusOK)
		r.call("POST", "/api/wa/send-message", `{"to":"6281234567890","message":"x"}`, me).wantAnswer(t, http.StatusConflict, "")
		r.success(t, r.call("POST", "/api/wa/sessions/"+conformSession+"/stop", "", me), http.StatusOK)
	} else {
		res.wantAnswer(t, http.StatusNotImplemented, "")
	}
	before := r.sessionTotals(t, conformSession)
	res = r.call("DELETE", "/api/wa/sessions/"+conformSession, "", me)
	r.success(t, res, http.StatusOK)
	r.call("GET", "/api/wa/sessions/"+conformSession, "", me).wantAnswer(t, http.StatusForbidden, "")
	r.call("POST", "/api/wa/send-message", `{"to":"6281234567890","message":"x"}`, me).wantAnswer(t, http.StatusForbidden, "")
	res = r.call("GET", "/events/admin/stats/session/"+alice+"/"+conformSession, "", adminHeader)
	if got := totalsOf(res.at("data")); got[0] != before[0] {
		t.Errorf("the statistics of a deleted session: %s", res.text)
	}
	// The name is free again.
	r.success(t, r.call("POST", "/api/wa/sessions", `{"session_id":"`+conformSession+`"}`, as(alice, aliceSession)), http.StatusCreated)
}
