package caddywagateway

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/internal/seal"
	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// provisionSeal makes what encrypts the secrets of sessions.
func (a *App) provisionSeal(repl *caddy.Replacer) error {
	var keys []string
	for _, key := range a.EncryptionKeys {
		if key = resolveValue(repl, key); key != "" {
			keys = append(keys, key)
		}
	}
	if len(keys) > 0 {
		var err error
		if a.box, err = seal.New(keys...); err != nil {
			return fmt.Errorf("encryption_key: %w", err)
		}
		return nil
	}
	for _, s := range a.WAServers {
		if s.translator != nil && !s.sandbox && s.translator.Traits().SessionCredential {
			return fmt.Errorf("wa_server %s: its sessions have secrets of their own, which must be encrypted: set encryption_key", s.Name)
		}
	}
	return nil
}

// newSecret is a secret of 256 bits, as text that URLs and headers can bear.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// purpose ties a sealed value to its place, so that it cannot be moved to another row.
func purpose(what, server, sessionID string) string {
	return "link\x00" + what + "\x00" + server + "\x00" + sessionID
}

// sealLink is a link as the database keeps it.
func (a *App) sealLink(link *waserver.Link) (*store.SessionLink, error) {
	sealed := &store.SessionLink{
		SessionID: link.SessionID, UserID: link.UserID, Server: link.Server,
		RemoteID: link.RemoteID, Webhook: link.Webhook,
	}
	var err error
	if sealed.Credential, err = a.seal("credential", link, link.Credential); err != nil {
		return nil, err
	}
	if sealed.WebhookSecret, err = a.seal("webhook", link, link.WebhookSecret); err != nil {
		return nil, err
	}
	sealed.CustomerKey, err = a.seal("customer", link, link.CustomerKey)
	return sealed, err
}

func (a *App) seal(what string, link *waserver.Link, secret string) ([]byte, error) {
	if secret == "" {
		return nil, nil
	}
	if a.box == nil {
		return nil, errors.New("no encryption_key is set")
	}
	return a.box.Seal(purpose(what, link.Server, link.SessionID), []byte(secret)), nil
}

// openLink reads what sealLink made.
func (a *App) openLink(sealed *store.SessionLink) (*waserver.Link, error) {
	link := &waserver.Link{
		SessionID: sealed.SessionID, UserID: sealed.UserID, Server: sealed.Server,
		RemoteID: sealed.RemoteID, Webhook: sealed.Webhook,
	}
	for _, part := range []struct {
		what   string
		sealed []byte
		target *string
	}{
		{"credential", sealed.Credential, &link.Credential},
		{"webhook", sealed.WebhookSecret, &link.WebhookSecret},
		{"customer", sealed.CustomerKey, &link.CustomerKey},
	} {
		if len(part.sealed) == 0 {
			continue
		}
		if a.box == nil {
			return nil, errors.New("a session's secrets are encrypted, and no encryption_key is set")
		}
		opened, err := a.box.Open(purpose(part.what, link.Server, link.SessionID), part.sealed)
		if err != nil {
			return nil, fmt.Errorf("the secrets of session %s cannot be decrypted: %w", link.SessionID, err)
		}
		*part.target = string(opened)
	}
	return link, nil
}

// resealPage is how many links are looked at together.
const resealPage = 100

// resealLinks encrypts anew what an older key has encrypted, so that the key can be
// given up. It ends with ctx.
func (a *App) resealLinks(ctx context.Context) {
	if a.box == nil || len(a.EncryptionKeys) < 2 {
		return
	}
	resealed := 0
	for _, s := range a.WAServers {
		n, err := a.resealServer(ctx, s.Name)
		resealed += n
		if err != nil {
			if ctx.Err() == nil {
				a.logger.Error("the secrets of sessions cannot all be encrypted with the new encryption_key; keep the older one",
					zap.String("wa_server", s.Name), zap.Error(err))
			}
			return
		}
	}
	a.logger.Info("the secrets of all sessions are encrypted with the first encryption_key; the older one is not needed any more",
		zap.Int("encrypted_anew", resealed))
}

func (a *App) resealServer(ctx context.Context, server string) (resealed int, err error) {
	db, after := a.databases.transactional, ""
	for {
		links, err := db.LinksOf(ctx, server, resealPage, after)
		if err != nil || len(links) == 0 {
			return resealed, err
		}
		for i := range links {
			if a.current(&links[i]) {
				continue
			}
			if err := db.ChangeLink(ctx, links[i].SessionID, a.reseal); err != nil && !errors.Is(err, store.ErrNotFound) {
				return resealed, err
			}
			a.databases.directory.ForgetSession(links[i].SessionID)
			resealed++
		}
		after = links[len(links)-1].SessionID
	}
}

// current tells whether the first key has encrypted all secrets of a link.
func (a *App) current(link *store.SessionLink) bool {
	for _, sealed := range [][]byte{link.Credential, link.WebhookSecret, link.CustomerKey} {
		if len(sealed) > 0 && !a.box.Current(sealed) {
			return false
		}
	}
	return true
}

func (a *App) reseal(sealed *store.SessionLink) error {
	link, err := a.openLink(sealed)
	if err != nil {
		return err
	}
	anew, err := a.sealLink(link)
	if err == nil {
		sealed.Credential, sealed.WebhookSecret, sealed.CustomerKey = anew.Credential, anew.WebhookSecret, anew.CustomerKey
	}
	return err
}

// link finds what is known of the caller's session at its server. One that the
// gateway did not create is taken to have the same name there; its own token, where
// the other application keeps one, is its credential.
func (x *exchange) link(ctx context.Context) (*waserver.Link, error) {
	link, err := x.knownLink(ctx)
	switch {
	case err == nil && link.Server != x.server.Name:
		return nil, refuse(http.StatusConflict, "This session lives on another WhatsApp server")
	case err == nil && link.Credential != "":
		return link, nil
	case errors.Is(err, store.ErrNotFound):
		link = x.adoptedLink()
	case err != nil:
		return nil, err
	}
	session, err := x.app.databases.directory.Session(ctx, x.user.ID, x.call.SessionID)
	if err != nil {
		return nil, databaseFailure(err)
	}
	if session.Token != nil {
		link.Credential = *session.Token
	}
	return link, nil
}

// knownLink is what the gateway keeps of the session; store.ErrNotFound for one that
// was there before it.
func (x *exchange) knownLink(ctx context.Context) (*waserver.Link, error) {
	sealed, err := x.app.databases.directory.Link(ctx, x.call.SessionID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, err
	case err != nil:
		return nil, databaseFailure(err)
	}
	link, err := x.app.openLink(sealed)
	if err != nil {
		return nil, refuse(http.StatusInternalServerError, "Internal error").because(err)
	}
	return link, nil
}

func (x *exchange) adoptedLink() *waserver.Link {
	return &waserver.Link{
		SessionID: x.call.SessionID, UserID: x.user.ID, Server: x.server.Name, RemoteID: x.call.SessionID,
	}
}
