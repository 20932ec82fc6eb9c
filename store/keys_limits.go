package store

import (
	"database/sql/driver"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/genfity/wa-gateway/stats"
)

// The scopes of a key. One without any may do everything.
const (
	KeyScopeSend     = "send"     // send messages
	KeyScopeSessions = "sessions" // create, start, stop, delete and pair sessions
	KeyScopeRead     = "read"     // read sessions, chats, statistics and the subscription
)

// KeyScopes are all of them.
var KeyScopes = []string{KeyScopeSend, KeyScopeSessions, KeyScopeRead}

// The bounds of a key's lists: each call with the key looks through them.
const (
	maxKeySessions  = 1000
	maxKeyAddresses = 256
)

// Words is a list that a text column holds with spaces in between. Nil and the
// empty text are the same.
type Words []string

// Value implements driver.Valuer.
func (w Words) Value() (driver.Value, error) { return strings.Join(w, " "), nil }

// GormDataType tells GORM that this is a text.
func (Words) GormDataType() string { return "string" }

// Scan implements sql.Scanner.
func (w *Words) Scan(src any) error {
	var text string
	switch v := src.(type) {
	case nil:
	case string:
		text = v
	case []byte:
		text = string(v)
	default:
		return fmt.Errorf("a list cannot be read from %T", src)
	}
	if *w = strings.Fields(text); len(*w) == 0 {
		*w = nil
	}
	return nil
}

// keyScopes puts scopes in order, each once.
func keyScopes(scopes []string) (Words, error) {
	for _, scope := range scopes {
		if !slices.Contains(KeyScopes, scope) {
			return nil, fmt.Errorf("the scope %q is none of %s", scope, strings.Join(KeyScopes, ", "))
		}
	}
	return once(scopes), nil
}

// keySessions likewise. The sessions need not exist yet.
func keySessions(ids []string) (Words, error) {
	for _, id := range ids {
		if !stats.ValidID(id) || strings.ContainsFunc(id, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
			return nil, fmt.Errorf("%q cannot be a session id", id)
		}
	}
	if len(ids) > maxKeySessions {
		return nil, fmt.Errorf("a key can be limited to %d sessions at most", maxKeySessions)
	}
	return once(ids), nil
}

// keyAddresses likewise, in their normal form: without the bits behind the prefix.
func keyAddresses(addresses []string) (Words, error) {
	normal := make([]string, 0, len(addresses))
	for _, text := range addresses {
		prefix, err := ParseKeyAddress(text)
		if err != nil {
			return nil, err
		}
		if prefix.IsSingleIP() {
			normal = append(normal, prefix.Addr().String())
		} else {
			normal = append(normal, prefix.String())
		}
	}
	if len(addresses) > maxKeyAddresses {
		return nil, fmt.Errorf("a key can be limited to %d addresses at most", maxKeyAddresses)
	}
	return once(normal), nil
}

// ParseKeyAddress reads an address or a network in CIDR notation, of IPv4 or IPv6.
// An IPv4 address in IPv6 clothes is taken for what it is.
func ParseKeyAddress(text string) (netip.Prefix, error) {
	bad := fmt.Errorf("%q is neither an IP address nor a network such as 10.0.0.0/8", text)
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, bad
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, bad
	}
	if prefix.Addr().Is4In6() {
		if prefix.Bits() < 96 {
			return netip.Prefix{}, bad
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// once sorts a list and leaves out what stands twice; nil for an empty one.
func once(list []string) Words {
	if len(list) == 0 {
		return nil
	}
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}
