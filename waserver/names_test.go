package waserver

import (
	"testing"

	"github.com/genfity/wa-gateway/internal/bodyedit"
)

func TestCredentialNames(t *testing.T) {
	for name, where := range map[string]struct{ query, body bool }{
		"token": {true, true}, "X-Token": {true, true}, "apikey": {true, true}, "API_KEY": {true, true}, "x-api-key": {true, true},
		"access_token": {true, true}, "adminToken": {true, true}, "api-token": {true, true}, "wa_token": {true, true}, "authToken": {true, true},
		"X-Auth-Token": {true, true}, "Authorization": {true, true}, "token[]": {true, true}, "globalApikey": {true, true},
		"key": {true, false}, "password": {true, false}, "secret": {true, false}, "jwt": {true, false},
		"to": {}, "message": {}, "tokens": {}, "keyword": {}, "caption": {}, "": {}, "x": {}, "page": {},
	} {
		normal := bodyedit.NormalizeName(name)
		if got := Credential(normal); got != where.query {
			t.Errorf("Credential(%q) is %v", name, got)
		}
		if got := BodyCredential(normal); got != where.body {
			t.Errorf("BodyCredential(%q) is %v", name, got)
		}
	}
}

func TestNestedIdentity(t *testing.T) {
	for _, name := range []string{
		"session_id", "sessionId", "X-Session-ID", "user_id", "userId", "x_user_id", "session-key", "instanceId", "instance_name", "device_id",
	} {
		normal := bodyedit.NormalizeName(name)
		if !(Generic{}).NestedIdentity(normal) || !(Generic{}).Identity(normal) {
			t.Errorf("%s passes", name)
		}
	}
	for _, name := range []string{"session", "user", "sid", "uid", "instance", "id", "name", "key"} {
		if (Generic{}).NestedIdentity(name) {
			t.Errorf("%s does not pass", name)
		}
	}
}

func TestSecretMember(t *testing.T) {
	for _, name := range []string{
		"token", "refresh_token", "adminToken", "apikey", "globalApikey", "clientSecret", "webhook_secret", "hmac_key", "proxyPassword",
		"Authorization", "Set-Cookie", "private_key", "noiseKey", "identity_key", "advSecretKey", "hash", "proxyUrl",
	} {
		if !secretMember(bodyedit.NormalizeName(name)) {
			t.Errorf("%s is shown", name)
		}
	}
	for _, name := range []string{
		"", "id", "key", "keyId", "qr", "qrcode", "code", "pairingCode", "base64", "fileSha256", "mediaKey", "webhook", "status",
		"nextPageToken", "tokenized", "passwordless", "secretary",
	} {
		if secretMember(bodyedit.NormalizeName(name)) {
			t.Errorf("%s is masked", name)
		}
	}
}
