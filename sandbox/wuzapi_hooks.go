package sandbox

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// hears tells whether a user is subscribed. Receipts and the end of a code's time are missing
// in the server's own list of filters, so they come under All only.
func (s *wuzapi) hears(x *line, kind string) bool {
	list := strings.Split(user(x).subscribed, ",")
	if slices.Contains(list, "All") {
		return true
	}
	return slices.Contains(list, kind) && (s.old || (kind != "ReadReceipt" && kind != "QRTimeout"))
}

// tell makes a webhook: a form with the event in jsonData, or JSON.
func (s *wuzapi) tell(x *line, kind string, all map[string]any) []*posting {
	u := user(x)
	if u.webhook == "" || !s.hears(x, kind) {
		return nil
	}
	all["type"] = kind
	if s.options.WebhookJSON && !s.old {
		all["userID"], all["instanceName"] = x.id, u.name
		return s.sign(u, jsonType, encoded(all))
	}
	form := url.Values{"jsonData": {string(encoded(all))}}
	if s.old {
		form.Set("token", u.token)
	} else {
		form.Set("userID", x.id)
		form.Set("instanceName", u.name)
	}
	return s.sign(u, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// sign signs the body as it is: a form's fields are sorted already.
func (s *wuzapi) sign(u *wuzapiUser, kind string, body []byte) []*posting {
	header := http.Header{}
	if u.signing != "" && !s.old {
		header.Set("x-hmac-signature", hexMAC(u.signing, body))
	}
	return s.hook(&posting{url: u.webhook, kind: kind, header: header, body: body})
}

// hexMAC is HMAC-SHA256 in hexadecimal.
func hexMAC(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// encoded is JSON of what is all ours, and so can be encoded.
func encoded(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (s *wuzapi) news(x *line, what change) []*posting {
	if what == changeExpired || what == changeStopped || what == changeLeft {
		defer func() { user(x).client = false }()
	}
	if s.old {
		return nil
	}
	switch what {
	case changeCode:
		if !s.hears(x, "QR") {
			return nil // no code is drawn for nobody
		}
		return s.tell(x, "QR", map[string]any{"event": "code", "qrCodeBase64": s.picture(x)})
	case changeExpired:
		return s.tell(x, "QRTimeout", map[string]any{"event": "timeout"})
	case changePaired:
		return append(s.tell(x, "PairSuccess", map[string]any{"event": map[string]any{
			"ID": strings.Replace(x.jid(), "@", ":1@", 1), "BusinessName": "", "Platform": "android",
		}}), s.tell(x, "Connected", map[string]any{"event": map[string]any{}})...)
	case changeOpen:
		return s.tell(x, "Connected", map[string]any{"event": map[string]any{}})
	case changeDropped:
		return s.tell(x, "Disconnected", map[string]any{"event": map[string]any{}})
	case changeLeft:
		return s.tell(x, "LoggedOut", map[string]any{"event": map[string]any{"OnConnect": false, "Reason": 401}})
	default:
		return nil
	}
}

// message is a message as the WhatsApp library has it.
func (s *wuzapi) message(r *record) map[string]any {
	if f := r.file; f != nil {
		m := map[string]any{"mimetype": f.Type, "fileLength": f.Size}
		if r.text != "" {
			m["caption"] = r.text
		}
		if r.kind == "document" {
			m["fileName"] = f.Name
		}
		return map[string]any{r.kind + "Message": m}
	}
	if r.mine() || r.reply != "" {
		m := map[string]any{"text": r.text}
		if r.reply != "" {
			m["contextInfo"] = map[string]any{"stanzaID": r.reply, "participant": r.chat}
		}
		return map[string]any{"extendedTextMessage": m}
	}
	return map[string]any{"conversation": r.text}
}

func (s *wuzapi) echo(x *line, r *record) []*posting {
	if s.old {
		return nil
	}
	return s.tell(x, "MessageSent", map[string]any{"event": map[string]any{
		"Info": map[string]any{
			"ID": r.id, "Timestamp": r.at.Format(time.RFC3339), "Chat": r.chat, "IsFromMe": true, "MessageType": r.kind,
		},
		"Message": s.message(r),
	}})
}

// receipt tells of deliveries and reads. The one of a delivery names the recipient's device, as there.
func (s *wuzapi) receipt(x *line, r *record, st step, at time.Time) []*posting {
	event := map[string]any{
		"Chat": r.chat, "Sender": r.chat, "IsFromMe": false, "IsGroup": strings.HasSuffix(r.chat, "@g.us"),
		"MessageIDs": []string{r.id}, "Timestamp": at.Format(time.RFC3339), "Type": "", "MessageSender": "",
	}
	switch st.status {
	case statusDelivered:
		event["Sender"] = strings.Replace(r.chat, "@s.", ":3@s.", 1)
		return s.tell(x, "ReadReceipt", map[string]any{"event": event, "state": "Delivered"})
	case statusRead:
		event["Type"] = "read"
		return s.tell(x, "ReadReceipt", map[string]any{"event": event, "state": "Read"})
	default:
		return nil
	}
}

func (s *wuzapi) incoming(x *line, r *record) []*posting {
	info := map[string]any{
		"Chat": r.chat, "Sender": r.sender, "IsFromMe": r.mine(), "IsGroup": strings.HasSuffix(r.chat, "@g.us"), "ID": r.id,
		"Type": textKind, "PushName": r.name, "Timestamp": r.at.Format(time.RFC3339), "Category": "", "MediaType": "",
	}
	if r.mine() {
		info["Sender"] = x.jid()
	}
	all := map[string]any{"event": map[string]any{"Info": info, "Message": s.message(r)}}
	if r.file != nil {
		info["Type"], info["MediaType"] = "media", r.kind
		// The bytes come only where the user's media delivery says so; the old generation has no such setting.
		if delivery := user(x).delivery; s.old || delivery == "base64" || delivery == "both" {
			all["base64"] = base64.StdEncoding.EncodeToString(r.file.data)
			all["mimeType"], all["fileName"] = r.file.Type, r.file.Name
		}
	}
	return s.tell(x, "Message", all)
}
