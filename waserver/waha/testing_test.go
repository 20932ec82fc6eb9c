package waha

import (
	"context"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

const (
	adminKey = "admin-key-0123456789"
	ownKey   = "key_11111111111AAAAAAAAAAAAAAAAAAAAA"
	hookKey  = "hook-secret-0123456789"
)

// link is a session with a key of its own, and plain one without.
var (
	link  = &waserver.Link{SessionID: "toko-1", UserID: "user123", Server: "main", RemoteID: "toko-1", Credential: "key_id_0001:" + ownKey, WebhookSecret: hookKey}
	plain = &waserver.Link{SessionID: "toko-1", UserID: "user123", Server: "main", RemoteID: "toko-1"}
)

const (
	gowsAnswer  = `{"id":"true_6281234567890@c.us_3EB0A1B2C3D4E5F60718","_data":{"Info":{"ID":"3EB0A1B2C3D4E5F60718"},"Message":{}}}`
	nowebAnswer = `{"key":{"remoteJid":"6281234567890@s.whatsapp.net","fromMe":true,"id":"3EB0A1B2C3D4E5F60718"},"message":{"extendedTextMessage":{"text":"x"}},"messageTimestamp":"1767225600","status":"PENDING"}`
	webjsAnswer = `{"_data":{"id":{"fromMe":true,"remote":"6281234567890@c.us","id":"3EB0A1B2C3D4E5F60718","_serialized":"true_6281234567890@c.us_3EB0A1B2C3D4E5F60718"}},"id":{"fromMe":true,"remote":"6281234567890@c.us","id":"3EB0A1B2C3D4E5F60718","_serialized":"true_6281234567890@c.us_3EB0A1B2C3D4E5F60718"},"ack":0,"timestamp":1767225600,"body":"x"}`

	working   = `{"name":"toko-1","status":"WORKING","config":{"webhooks":[{"hmac":{"key":"` + hookKey + `"}}]},"me":{"id":"6281111111111@c.us","pushName":"Toko"},"engine":{"engine":"NOWEB"}}`
	isStopped = `{"name":"toko-1","status":"STOPPED","me":{"id":"6281111111111@c.us","pushName":"Toko"}}`
	fresh     = `{"name":"toko-1","status":"STOPPED","config":{},"me":null,"engine":{"engine":"GOWS"}}`
	notFound  = `{"message":"Session not found","error":"Not Found","statusCode":404}`
	forbidden = `{"message":"Forbidden","statusCode":403}`
	noRoute   = `{"message":"Cannot POST /api/keys","error":"Not Found","statusCode":404}`
)

func notInState(status string) string {
	return `{"error":"Session status is not as expected. Try again later or restart the session","session":"toko-1","status":"` + status + `","expected":["WORKING"]}`
}

var hello = &message.Message{Kind: message.KindText, To: waservertest.Person, Text: "Halo rahasia"}

func sendCase(name string, l *waserver.Link, m *message.Message, answers ...waservertest.Answer) waservertest.Case {
	return waservertest.Case{Name: name, Token: adminKey, Link: l, Answers: answers, Run: func(ctx context.Context, c *waserver.Client) (any, error) {
		return Translator{}.Send(ctx, c, m)
	}}
}

// asking is a case of a call that takes nothing.
func asking[T any](name string, l *waserver.Link, f func(context.Context, *waserver.Client) (T, error), answers ...waservertest.Answer) waservertest.Case {
	return waservertest.Case{Name: name, Token: adminKey, Link: l, Answers: answers, Run: func(ctx context.Context, c *waserver.Client) (any, error) {
		return f(ctx, c)
	}}
}

func deleting(name string, l *waserver.Link, answers ...waservertest.Answer) waservertest.Case {
	return asking(name, l, func(ctx context.Context, c *waserver.Client) (string, error) {
		return "done", Translator{}.DeleteSession(ctx, c)
	}, answers...)
}

func creating(name string, t Translator, s waserver.NewSession, answers ...waservertest.Answer) waservertest.Case {
	asked := &waserver.Link{SessionID: s.ID, UserID: "user123", Server: "main"}
	return asking(name, asked, func(ctx context.Context, c *waserver.Client) (*waserver.Link, error) {
		return t.CreateSession(ctx, c, &s)
	}, answers...)
}
