package wuzapi

import (
	"context"
	"encoding/json"
	"net/http"

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

// find looks the Client's session up in the server's list: by its token, by its id, or
// where there is no token by its name. A number alone is not enough for a session whose
// token is known: the server gives the numbers of deleted sessions to new ones.
func find(ctx context.Context, c *waserver.Client) (*account, error) {
	a, err := admin(ctx, c, http.MethodGet, []string{"admin", "users"}, nil)
	if err != nil {
		return nil, err
	}
	var all []account
	if err := a.read(&all); err != nil {
		return nil, err
	}
	var withID *account
	var named []*account
	for i := range all {
		one := &all[i]
		switch {
		case one.ID == "":
		case c.Link.Credential != "" && one.Token == c.Link.Credential:
			return one, nil
		case string(one.ID) == c.Link.RemoteID && (c.Link.Credential == "" || !first(c.Link)):
			withID = one
		case c.Link.Credential == "" && one.Name != "" && (one.Name == c.Link.RemoteID || one.Name == c.Link.SessionID):
			named = append(named, one)
		}
	}
	switch {
	case withID != nil:
		return withID, nil
	case len(named) == 1:
		return named[0], nil
	case len(named) > 1:
		return nil, &waserver.ServerError{Kind: waserver.KindCredential, Status: http.StatusConflict, Message: "several sessions have this name"}
	}
	return nil, noAccount()
}

func noAccount() error {
	return &waserver.ServerError{Kind: waserver.KindNotFound, Status: http.StatusNotFound, Message: "the server's list does not have the session"}
}

// lookUp fetches the Client's session from the server's list: where that is enough, by the
// one call for its id.
func lookUp(ctx context.Context, c *waserver.Client) (*account, error) {
	if isNumber(c.Link.RemoteID) {
		a, err := admin(ctx, c, http.MethodGet, []string{"admin", "users", c.Link.RemoteID}, nil)
		if err != nil {
			return nil, err
		}
		var all []account // of one or none
		if err := a.read(&all); err != nil {
			return nil, err
		}
		for i := range all {
			if string(all[i].ID) == c.Link.RemoteID && (c.Link.Credential == "" || all[i].Token == c.Link.Credential) {
				return &all[i], nil
			}
		}
	}
	return find(ctx, c)
}

// isID tells whether s is in the form of the server's ids.
func isID(s string) bool {
	const longest = 64
	for i := range len(s) {
		b := s[i]
		if (b < '0' || b > '9') && (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && b != '-' && b != '_' {
			return false
		}
	}
	return s != "" && len(s) <= longest
}
