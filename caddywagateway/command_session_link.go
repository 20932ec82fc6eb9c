package caddywagateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// linkView is what the command tells of a link; the secrets are nobody's business.
type linkView struct {
	SessionID     string `json:"session_id"`
	Server        string `json:"wa_server"`
	RemoteID      string `json:"remote_id"`
	Credential    bool   `json:"credential"`
	WebhookSecret bool   `json:"webhook_secret"`
}

// maxSecretFile bounds a file that holds a secret, in bytes.
const maxSecretFile = 4096

func (o *operator) sessionLink() *cobra.Command {
	var server, remote, credential, webhookSecret string
	cmd := &cobra.Command{
		Use:   "link <session>",
		Short: "Tells what opens a session at its WA server",
		Long: `
Tells the gateway what a session that it did not create is called at its WA server,
and what opens it there: wuzapi's token of the user, the token of Evolution's
instance, a key of WAHA (as id:key, or the key alone). It is encrypted with
encryption_key. The webhook secret is the one with which that server signs the
webhooks of this session.

Secrets are read from a file (@path) or from standard input (@-), so that they do not
stand in the shell's history.`,
		Example: `  $ caddy wa-gateway session link shop --remote-id 7 --credential @token.txt
  $ pass show wuzapi/shop | caddy wa-gateway session link shop --credential @-`,
		Args:    takes("<session>"),
		PreRunE: check(func(args []string) error { return checkID("session", args[0]) }),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			app := w.app
			s, err := app.server(server)
			if err != nil {
				return err
			}
			if s.translator == nil {
				return fmt.Errorf("wa_server %s speaks dialect generic, which needs no link", s.Name)
			}
			if err := app.provisionSeal(caddy.NewReplacer()); err != nil {
				return err
			}
			session, err := w.db.Session(ctx, w.args[0])
			if errors.Is(err, store.ErrNotFound) || (err == nil && session.UserID == nil) {
				return fmt.Errorf("there is no session %s of a user: add it first", w.args[0])
			}
			if err != nil {
				return err
			}
			link := &waserver.Link{SessionID: session.SessionID, UserID: *session.UserID, Server: s.Name, RemoteID: session.SessionID}
			if known, err := w.db.Link(ctx, session.SessionID); err == nil && known.Server == s.Name {
				// What is not told anew stays.
				if link, err = app.openLink(known); err != nil {
					return err
				}
			} else if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			if remote != "" {
				link.RemoteID = remote
			}
			for _, flag := range []struct {
				name, value string
				target      *string
			}{{"--credential", credential, &link.Credential}, {"--webhook-secret", webhookSecret, &link.WebhookSecret}} {
				secret, err := secretArgument(flag.name, flag.value, os.Stdin)
				if err != nil {
					return err
				}
				if secret != "" {
					*flag.target = secret
				}
			}
			sealed, err := app.sealLink(link)
			if err != nil {
				return err
			}
			if err := w.db.SaveLink(ctx, sealed); err != nil {
				if errors.Is(err, store.ErrConflict) {
					return fmt.Errorf("another session is called %s at wa_server %s", link.RemoteID, s.Name)
				}
				return err
			}
			return w.result(linkView{
				link.SessionID, link.Server, link.RemoteID, link.Credential != "", link.WebhookSecret != "",
			}, "Linked session %s to %s at wa_server %s.", link.SessionID, link.RemoteID, link.Server)
		})),
	}
	cmd.Flags().StringVar(&server, "server", "", "Name of the wa_server (default: the first)")
	cmd.Flags().StringVar(&remote, "remote-id", "", "What the server calls the session (default: as the gateway does)")
	cmd.Flags().StringVar(&credential, "credential", "", "File with what opens the session, as @path or @-")
	cmd.Flags().StringVar(&webhookSecret, "webhook-secret", "", "File with the secret of its webhooks, as @path or @-")
	return cmd
}

// secretArgument reads a secret from the file that a flag names; empty for none.
func secretArgument(flag, value string, stdin io.Reader) (string, error) {
	if value == "" {
		return "", nil
	}
	path, found := strings.CutPrefix(value, "@")
	if !found {
		return "", fmt.Errorf("%s: name a file as @path, or @- for standard input", flag)
	}
	in := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", flag, err)
		}
		defer file.Close()
		in = file
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", flag, err)
	}
	secret := string(bytes.TrimSpace(raw))
	if secret == "" || len(raw) > maxSecretFile {
		return "", fmt.Errorf("%s: the file holds no secret of at most %d bytes", flag, maxSecretFile)
	}
	return secret, nil
}
