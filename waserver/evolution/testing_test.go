package evolution

import (
	"context"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

const (
	adminKey = "admin-key-0123456789"
	ownToken = "instance-token-0123456789"
	hookKey  = "hook-secret-0123456789"
)

// link is a session with a token of its own, and plain one without.
var (
	link  = &waserver.Link{SessionID: "toko-1", UserID: "user123", Server: "main", RemoteID: "toko-1", Credential: ownToken, WebhookSecret: hookKey}
	plain = &waserver.Link{SessionID: "toko-1", UserID: "user123", Server: "main", RemoteID: "toko-1"}
)

const (
	sentAnswer = `{"key":{"remoteJid":"6281234567890@s.whatsapp.net","fromMe":true,"id":"3EB0A1B2C3D4E5F60718"},"pushName":"Toko","status":"PENDING","message":{"conversation":"x"},"contextInfo":null,"messageType":"conversation","messageTimestamp":1767225600,"instanceId":"9a1b","source":"unknown"}`

	openState    = `{"instance":{"instanceName":"toko-1","state":"open"}}`
	closeState   = `{"instance":{"instanceName":"toko-1","state":"close"}}`
	connecting   = `{"instance":{"instanceName":"toko-1","state":"connecting"}}`
	unknown      = `{"status":404,"error":"Not Found","response":{"message":["The \"toko-1\" instance does not exist"]}}`
	unauthorized = `{"status":401,"error":"Unauthorized","response":{"message":"Unauthorized"}}`
)

// rows is the list of instances, with everybody's credentials in it.
func rows(toko string) string {
	return `[{"id":"1","name":"victim","connectionStatus":"open","ownerJid":"620000000000@s.whatsapp.net","token":"victims-token"},{"id":"2","name":"toko-1",` + toko + `,"token":"` + ownToken + `"}]`
}

func failed(status, message string) string {
	return `{"status":` + status + `,"error":"Bad Request","response":{"message":` + message + `}}`
}

var hello = &message.Message{Kind: message.KindText, To: waservertest.Person, Text: "Halo rahasia"}

func sendCase(name string, l *waserver.Link, m *message.Message, answers ...waservertest.Answer) waservertest.Case {
	return asking(name, l, func(ctx context.Context, c *waserver.Client) (*waserver.Sent, error) {
		return Translator{}.Send(ctx, c, m)
	}, answers...)
}

// asking is a case of a call that takes nothing.
func asking[T any](name string, l *waserver.Link, f func(context.Context, *waserver.Client) (T, error), answers ...waservertest.Answer) waservertest.Case {
	return waservertest.Case{
		Name: name, Token: adminKey, Link: l, Answers: answers,
		Run: func(ctx context.Context, c *waserver.Client) (any, error) { return f(ctx, c) },
	}
}
