package caddywagateway

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/genfity/wa-gateway/store/storetest"
)

// A page that shows a code asks for it, and for the session's state, again and again.
// GOWA begins a new pairing whenever it is asked for a code.
func TestOnePairing(t *testing.T) {
	r := newDialectRig(t, storetest.New(t, storetest.SQLite), dialectCases[3])
	const session = "paired-once"
	me := as(alice, session)
	r.success(t, r.call("POST", "/api/wa/sessions", `{"session_id":"`+session+`"}`, as(alice, aliceSession)), http.StatusCreated)
	target, err := url.Parse(r.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var logins atomic.Int32
	proxy := httputil.NewSingleHostReverseProxy(target)
	counting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasSuffix(req.URL.Path, "/login") {
			logins.Add(1)
		}
		proxy.ServeHTTP(w, req)
	}))
	defer counting.Close()
	r.load(strings.Replace(r.text, r.server.URL, counting.URL, 1))
	r.ready()

	r.success(t, r.call("POST", "/api/wa/sessions/"+session+"/start", "", me), http.StatusOK)
	codes := map[string]bool{}
	eventually(t, "the session to be paired", func() bool {
		res := r.call("GET", "/api/wa/sessions/"+session+"/qr", "", append(me, "Accept", "application/json"))
		if res.status == http.StatusOK {
			qr, _ := res.at("data", "qr").(string)
			codes[qr] = true
		}
		return r.call("GET", "/api/wa/sessions/"+session, "", me).at("data", "connected") == true
	})
	if n := logins.Load(); n != 1 || len(codes) != 1 {
		t.Errorf("%d pairings were begun, %d codes shown", n, len(codes))
	}
}

// The key that encrypts sessions' secrets can be exchanged: after one start with both,
// the older one is not needed.
func TestEncryptionKeyExchange(t *testing.T) {
	r := newDialectRig(t, storetest.New(t, storetest.SQLite), dialectCases[0])
	r.paired(t, "kept")
	send := func() response {
		return r.call("POST", "/api/wa/send-message", `{"to":"6281234567890","message":"x"}`, as(alice, "kept"))
	}
	before, err := r.db.Link(t.Context(), "kept")
	if err != nil {
		t.Fatal(err)
	}
	const old, next = "encryption_key an-encryption-key-of-the-tests", "encryption_key another-encryption-key"
	r.load(strings.Replace(r.text, old, next+" an-encryption-key-of-the-tests", 1))
	r.ready()
	r.success(t, send(), http.StatusOK)
	eventually(t, "the secrets to be encrypted anew", func() bool {
		link, err := r.db.Link(t.Context(), "kept")
		return err == nil && string(link.Credential) != string(before.Credential) && string(link.WebhookSecret) != string(before.WebhookSecret)
	})
	r.load(strings.Replace(r.text, old, next, 1))
	r.ready()
	eventually(t, "the session to be used with the new key", func() bool { return send().status == http.StatusOK })
}
