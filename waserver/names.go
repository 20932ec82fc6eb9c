package waserver

import "strings"

// Credential tells whether a name, as bodyedit.NormalizeName writes it, is one
// under which some WA server takes a credential from a query or a header. What
// clients send under such a name does not reach the WA server.
func Credential(name string) bool {
	switch name {
	case "key", "password", "passwd", "secret", "auth", "bearer", "jwt":
		return true
	default:
		return BodyCredential(name)
	}
}

// BodyCredential tells whether a name, as bodyedit.NormalizeName writes it, is one
// under which some WA server takes a credential from the top of a body. It knows
// fewer names than Credential: a password or key may be what a message says.
func BodyCredential(name string) bool {
	switch strings.TrimPrefix(name, "x") {
	case "token", "apikey", "accesstoken", "admintoken", "apitoken", "watoken", "authtoken", "bearertoken",
		"sessiontoken", "usertoken", "instancetoken", "adminkey", "adminapikey", "globalapikey", "secretkey",
		"authorization":
		return true
	default:
		return false
	}
}

// secretMembers are the members of a WA server's answers, as
// bodyedit.NormalizeName writes them, that hold a credential: the server's own,
// a session's, or one that the session's owner once gave it. QR codes and pairing
// codes are none of them: the owner needs them.
var secretMembers = map[string]bool{
	"tokens": true, "jwt": true, "bearer": true, "auth": true, "authstate": true, "cookies": true,
	"credential": true, "credentials": true, "creds": true, "secrets": true, "passwd": true, "passphrase": true,
	"hash": true, // Evolution: the session's key, alone or in an object
	"hmac": true, "signingkey": true, "encryptionkey": true, "masterkey": true, "adminkey": true,
	"proxyurl": true, // with user and password, and the server's network in any case
	// What a WhatsApp session is made of: who has it is the session.
	"private": true, "noisekey": true, "identitykey": true, "signedidentitykey": true, "signedprekey": true,
	"pairingephemeralkeypair": true, "keypair": true, "prekeys": true, "advsecretkey": true,
	"wasecretbundle": true, "watoken1": true, "watoken2": true, "wabrowserid": true,
}

// secretEndings are how the names of other such members end.
var secretEndings = []string{
	"token", "apikey", "secret", "secretkey", "hmackey", "password", "privatekey", "privkey", "authorization", "cookie",
}

// pageTokens end like secrets and only tell where a list goes on.
var pageTokens = map[string]bool{
	"pagetoken": true, "nextpagetoken": true, "prevpagetoken": true, "previouspagetoken": true,
	"nexttoken": true, "continuationtoken": true, "synctoken": true, "nextsynctoken": true,
}

// secretMember tells whether a member of an answer holds a credential.
func secretMember(name string) bool {
	if secretMembers[name] {
		return true
	}
	for _, ending := range secretEndings {
		if strings.HasSuffix(name, ending) {
			return !pageTokens[name]
		}
	}
	return false
}

// namesSession tells whether a member holds the id of a session and nothing
// else: "id", "name" and "session" may stand for anything.
func namesSession(name string) bool {
	switch name {
	case "sessionid", "xsessionid", "instanceid", "instancename":
		return true
	default:
		return false
	}
}
