// Package evolution speaks to the Evolution API (2.x, with its Baileys channel).
//
// Each session is an instance of the server, known by its name, which stands in the
// path of every call. The server copies what stands in a query over what stands in
// the path, after it has authorised the call, and takes the instance from the body
// where the URL has "/instance/create" in it: so this package builds every path, query
// and body by itself, and names an instance in a query or a body only where the server
// takes it from nowhere else.
package evolution

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"

	"github.com/genfity/wa-gateway/waserver"
)

// Translator is the dialect of the Evolution API.
type Translator struct{}

var _ waserver.Translator = Translator{}

// Traits implements waserver.Translator.
func (Translator) Traits() waserver.Traits {
	return waserver.Traits{
		SessionCredential: true,
		SessionID:         sessionID,
		HasContacts:       true,
		HasChats:          true,
		HasMessages:       true,
		Echoes:            true,
	}
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// inherited are the names that every object of the server's language has: it keeps its
// instances in one, and takes these for instances that exist.
var inherited = []string{
	"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf",
	"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
}

func sessionID(id string) bool { return plainName.MatchString(id) && !slices.Contains(inherited, id) }

// headerKey carries the server's credential, or an instance's own.
const headerKey = "apikey"

// admin is the server's own credential, session the one that opens an instance alone,
// where there is one.
func admin(c *waserver.Client) string { return c.Server.Token }

func session(c *waserver.Client) string {
	if c.Link.Credential != "" {
		return c.Link.Credential
	}
	return c.Server.Token
}

var errNoName = errors.New("evolution: the session has no name at the server")

// instance is the session's name at the server.
func instance(c *waserver.Client) (string, error) {
	name := c.Link.RemoteID
	if name == "" {
		name = c.Link.SessionID
	}
	if name == "" || name == "." || name == ".." {
		return "", errNoName
	}
	return name, nil
}

// call makes one call for the session's instance, whose name goes at the end of the
// path, and returns the answer if it is a success.
func call(ctx context.Context, c *waserver.Client, method string, path []string, body *waserver.Body) (*waserver.Response, error) {
	name, err := instance(c)
	if err != nil {
		return nil, err
	}
	return do(ctx, c, session(c), &waserver.Request{Method: method, Path: append(slices.Clone(path), name), Body: body})
}

// callJSON is call with v as the body.
func callJSON(ctx context.Context, c *waserver.Client, path []string, v any) (*waserver.Response, error) {
	body, err := waserver.JSONBody(v)
	if err != nil {
		return nil, err
	}
	return call(ctx, c, http.MethodPost, path, body)
}

func do(ctx context.Context, c *waserver.Client, key string, r *waserver.Request) (*waserver.Response, error) {
	r.Header = http.Header{"Accept": {"application/json"}}
	if key != "" {
		r.Header.Set(headerKey, key)
	}
	answer, err := c.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	if answer.Status < 200 || answer.Status > 299 {
		return nil, refusal(c, r, answer)
	}
	return answer, nil
}

// named is a query that names one instance: the list of instances has no path for it.
func named(name string) url.Values { return url.Values{"instanceName": {name}} }
