package wuzapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/genfity/wa-gateway/waserver"
)

// account is one session as the server's list has it.
type account struct {
	ID     remoteID `json:"id"`
	Name   string   `json:"name"`
	Token  string   `json:"token"`
	JID    string   `json:"jid"`
	QRCode string   `json:"qrcode"`
}

// remoteID is the server's id of a session: a number in the first generation, text
// since.
type remoteID string

// UnmarshalJSON implements json.Unmarshaler.
func (id *remoteID) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(id))
	}
	if string(raw) != "null" {
		*id = remoteID(raw)
	}
	return nil
}

// token is the credential of the Client's session.
func token(ctx context.Context, c *waserver.Client) (string, error) {
	if c.Link.Credential != "" {
		return c.Link.Credential, nil
	}
	found, err := find(ctx, c)
	if err != nil {
		return "", err
	}
	if found.Token == "" {
		// It would be reached by calls without any token, and so would others be.
		return "", &waserver.ServerError{Kind: waserver.KindCredential, Status: http.StatusUnauthorized, Message: "the session has no token"}
	}
	return found.Token, nil
}

// find looks the Client's session up in the server's list, by its id or else its name.
func find(ctx context.Context, c *waserver.Client) (*account, error) {
	a, err := admin(ctx, c, http.MethodGet, []string{"admin", "users"}, nil)
	if err != nil {
		return nil, err
	}
	var all []account
	if err := a.read(&all); err != nil {
		return nil, err
	}
	var named []*account
	for i := range all {
		if all[i].ID != "" && string(all[i].ID) == c.Link.RemoteID {
			return &all[i], nil
		}
		if name := all[i].Name; name != "" && (name == c.Link.RemoteID || name == c.Link.SessionID) {
			named = append(named, &all[i])
		}
	}
	switch len(named) {
	case 0:
		return nil, &waserver.ServerError{Kind: waserver.KindNotFound, Status: http.StatusNotFound, Message: "no session has this id or name"}
	case 1:
		return named[0], nil
	default:
		return nil, &waserver.ServerError{Kind: waserver.KindCredential, Status: http.StatusConflict, Message: "several sessions have this name"}
	}
}

// lookUp fetches one session by the server's id. It is nil when there is none.
func lookUp(ctx context.Context, c *waserver.Client, id string) (*account, error) {
	a, err := admin(ctx, c, http.MethodGet, []string{"admin", "users", id}, nil)
	if err != nil {
		return nil, err
	}
	var all []account // of one or none
	if err := a.read(&all); err != nil {
		return nil, err
	}
	for i := range all {
		if string(all[i].ID) == id {
			return &all[i], nil
		}
	}
	return nil, nil
}

// isID tells whether the server could have made s as an id.
func isID(s string) bool {
	const hexDigits = "0123456789abcdefABCDEF"
	return isNumber(s) || len(s) == 32 && strings.Trim(s, hexDigits) == ""
}
