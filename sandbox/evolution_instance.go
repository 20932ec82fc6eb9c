package sandbox

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// evolutionHook is an instance's webhook. There is no signature: only the headers can tell who calls.
type evolutionHook struct {
	ID        string         `json:"id"`
	URL       string         `json:"url"`
	Headers   map[string]any `json:"headers"`
	Enabled   bool           `json:"enabled"`
	Events    []string       `json:"events"`
	ByEvents  bool           `json:"webhookByEvents"`
	Base64    bool           `json:"webhookBase64"`
	CreatedAt string         `json:"createdAt"`
	UpdatedAt string         `json:"updatedAt"`
	Instance  string         `json:"instanceId"`
}

var evolutionEvents = []string{
	"APPLICATION_STARTUP", "QRCODE_UPDATED", "MESSAGES_SET", "MESSAGES_UPSERT", "MESSAGES_EDITED", "MESSAGES_UPDATE", "MESSAGES_DELETE",
	"SEND_MESSAGE", "SEND_MESSAGE_UPDATE", "CONTACTS_SET", "CONTACTS_UPSERT", "CONTACTS_UPDATE", "PRESENCE_UPDATE", "CHATS_SET",
	"CHATS_UPSERT", "CHATS_UPDATE", "CHATS_DELETE", "GROUPS_UPSERT", "GROUP_UPDATE", "GROUP_PARTICIPANTS_UPDATE", "CONNECTION_UPDATE",
	"LABELS_EDIT", "LABELS_ASSOCIATION", "CALL", "TYPEBOT_START", "TYPEBOT_CHANGE_STATUS", "REMOVE_INSTANCE", "LOGOUT_INSTANCE",
	"INSTANCE_CREATE", "INSTANCE_DELETE", "STATUS_INSTANCE",
}

var evolutionSettings = []string{"rejectCall", "groupsIgnore", "alwaysOnline", "readMessages", "readStatus", "syncFullHistory"}

// wrongTypes lists the fields of a body that are there with another type; types are pairs of name and type.
func wrongTypes(body map[string]any, types ...string) []string {
	var wrong []string
	for i := 0; i+1 < len(types); i += 2 {
		v, ok := body[types[i]]
		if !ok {
			continue
		}
		name, want := strings.TrimSuffix(types[i], "!"), types[i+1]
		good := false
		switch v := v.(type) {
		case string:
			good = want == "string"
		case bool:
			good = want == "boolean"
		case json.Number:
			_, err := v.Int64()
			good = want == "number" || (want == "integer" && err == nil)
		case []any:
			good = want == "array"
		case map[string]any:
			good = want == "object"
		}
		if !good {
			wrong = append(wrong, name+" is not of a type(s) "+want)
		}
	}
	return wrong
}

// lacking lists the fields that are not there.
func lacking(body map[string]any, names ...string) []string {
	var list []string
	for _, name := range names {
		if _, ok := body[name]; !ok {
			list = append(list, `requires property "`+name+`"`)
		}
	}
	return list
}

func (s *evolution) create(a *evolutionAsk) *said {
	b := a.params // the query is copied over the body's fields nowhere, but the body over the query's
	types := []string{
		"instanceName", "string", "token", "string", "number", "string", "qrcode", "boolean", "msgCall", "string", "proxyHost", "string",
		"proxyPort", "string", "proxyProtocol", "string", "proxyUsername", "string", "proxyPassword", "string",
	}
	for _, name := range evolutionSettings {
		types = append(types, name, "boolean")
	}
	if wrong := wrongTypes(a.body, types...); wrong != nil {
		return s.bad(wrong...)
	}
	text := func(name string) string {
		v, _ := b[name].(string)
		return cut(v, maxIDBytes)
	}
	if checkID("instanceName", a.name) != nil {
		return s.fail(400, "Bad Request", []string{"instanceName is wrong"})
	}
	if !slices.Contains([]string{"WHATSAPP-BAILEYS", "WHATSAPP-BUSINESS", "EVOLUTION"}, text("integration")) {
		return s.fail(400, "Bad Request", []string{"Invalid integration"})
	}
	i := &instance{
		uuid: newUUID(), token: cmp.Or(text("token"), strings.ToUpper(newUUID())), integration: text("integration"), number: text("number"),
		settings: map[string]any{"msgCall": text("msgCall"), "wavoipToken": ""},
	}
	for _, name := range evolutionSettings {
		i.settings[name] = b[name] == true
	}
	if host := text("proxyHost"); host != "" {
		i.proxy = map[string]any{
			"enabled": true, "host": host, "port": text("proxyPort"), "protocol": text("proxyProtocol"), "username": text("proxyUsername"),
			"password": text("proxyPassword"),
		}
	}
	hook, _ := b["webhook"].(map[string]any)
	s.mu.Lock()
	defer s.mu.Unlock()
	if hook != nil {
		hook["enabled"] = true
		if fault := s.fillHook(i, hook); fault != nil {
			return fault
		}
	}
	x := s.add(a.name, i)
	s.post(s.tell(x, "instance.create", map[string]any{"instanceName": x.id, "instanceId": i.uuid}))
	answer := map[string]any{"hash": i.token, "settings": i.settings, "webhook": map[string]any{}}
	if hook != nil {
		answer["webhook"] = map[string]any{
			"webhookUrl": i.hook.URL, "webhookHeaders": i.hook.Headers, "webhookByEvents": i.hook.ByEvents, "webhookBase64": i.hook.Base64,
		}
	}
	if b["qrcode"] == true && i.integration == "WHATSAPP-BAILEYS" {
		s.open(x)
		s.pause(a, evolutionCreateWait)
		answer["qrcode"] = s.showCode(x)
	}
	answer["instance"] = map[string]any{
		"instanceName": x.id, "instanceId": i.uuid, "integration": i.integration, "webhookWaBusiness": nil, "accessTokenWaBusiness": "",
		"status": s.state(x),
	}
	return says(201, answer)
}

// pause lets a while pass with core.mu let go.
func (s *evolution) pause(a *evolutionAsk, d time.Duration) {
	s.mu.Unlock()
	_ = wait(a.r.Context(), d)
	s.mu.Lock()
}

// open starts an instance.
func (s *evolution) open(x *line) {
	i := instanceOf(x)
	if !i.started || x.phase != phaseQR {
		i.codes = 0
	}
	i.started = true
	s.start(x)
}

// showCode is the code of a pairing. Before one is made, or after it was scanned, only the count is there.
func (s *evolution) showCode(x *line) map[string]any {
	s.settle(x, false)
	if x.phase != phaseQR {
		return map[string]any{"count": instanceOf(x).codes}
	}
	text, _ := s.code(x)
	if i := instanceOf(x); text != i.last {
		i.last = text
		i.codes++
	}
	pairing := any(nil)
	if instanceOf(x).number != "" {
		pairing = "ABCD1234"
	}
	return map[string]any{"pairingCode": pairing, "code": text, "base64": dataURL(text), "count": instanceOf(x).codes}
}

func (s *evolution) showState(x *line) *said {
	return says(200, map[string]any{"instance": map[string]any{"instanceName": x.id, "state": s.state(x)}})
}

// trouble is an error that connect and restart say with 200.
func (s *evolution) trouble() *said {
	return says(200, map[string]any{"error": true, "message": "[object Object]"})
}

func (s *evolution) connect(a *evolutionAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.line(a.name)
	if x == nil {
		return s.trouble()
	}
	if number, ok := a.params["number"].(string); ok {
		instanceOf(x).number = cut(number, maxIDBytes)
	}
	if s.state(x) == "open" {
		return s.showState(x)
	}
	if s.state(x) == "close" {
		s.open(x)
		s.pause(a, evolutionConnectWait)
	}
	return says(200, s.showCode(x))
}

func (s *evolution) restart(a *evolutionAsk) *said {
	s.mu.Lock()
	x := s.line(a.name)
	if x == nil || s.state(x) == "close" {
		s.mu.Unlock()
		return s.trouble()
	}
	s.stop(x)
	s.mu.Unlock()
	return s.connect(a)
}

func (s *evolution) connectionState(a *evolutionAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.line(a.name); x != nil {
		return s.showState(x)
	}
	return says(200, map[string]any{"instance": map[string]any{"instanceName": cut(a.name, maxIDBytes)}})
}

func (s *evolution) logout(a *evolutionAsk) *said {
	return s.on(a, "state", func(x *line) *said {
		if s.state(x) == "close" {
			return s.fail(400, "Bad Request", []string{`The "` + x.id + `" instance is not connected`})
		}
		s.leave(x)
		return says(200, map[string]any{"status": "SUCCESS", "error": false, "response": map[string]any{"message": "Instance logged out"}})
	})
}

func (s *evolution) remove(a *evolutionAsk) *said {
	return s.on(a, "state", func(x *line) *said {
		if s.state(x) != "close" {
			s.leave(x)
		}
		s.post(s.tell(x, "instance.delete", map[string]any{"instanceName": x.id, "instanceId": instanceOf(x).uuid}))
		delete(s.lines, x.id)
		return says(200, map[string]any{"status": "SUCCESS", "error": false, "response": map[string]any{"message": "Instance deleted"}})
	})
}

// fetch shows whole rows, tokens and passwords with them: all of them to the administrator, its own to an instance.
func (s *evolution) fetch(a *evolutionAsk) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _ := a.params["instanceName"].(string)
	id, _ := a.params["instanceId"].(string)
	number, _ := a.params["number"].(string)
	list := []any{}
	for _, x := range s.all() {
		i := instanceOf(x)
		if (name != "" && x.id != name && id == "" && number == "") || (id != "" && i.uuid != id) || (number != "" && i.number != number) {
			continue
		}
		if !s.isAdmin(a.key) && !sameText(i.token, a.key) {
			continue
		}
		list = append(list, s.row(x))
	}
	if len(list) == 0 && !s.isAdmin(a.key) {
		return s.fail(401, "Unauthorized", "Unauthorized")
	}
	if len(list) == 0 && name+id+number != "" {
		return s.fail(404, "Not Found", []string{`Instance "` + cut(cmp.Or(name, id, number), maxIDBytes) + `" not found`})
	}
	return says(200, list)
}

func (s *evolution) row(x *line) map[string]any {
	i := instanceOf(x)
	m := map[string]any{
		"id": i.uuid, "name": x.id, "connectionStatus": s.state(x), "ownerJid": nil, "profileName": nil, "profilePicUrl": nil,
		"integration": i.integration, "number": i.number, "businessId": nil, "token": i.token, "clientName": "sandbox",
		"disconnectionReasonCode": nil, "disconnectionObject": nil, "disconnectionAt": nil, "createdAt": stamp(x.created),
		"updatedAt": stamp(x.changed), "Chatwoot": nil, "Proxy": i.proxy, "Rabbitmq": nil, "Nats": nil, "Sqs": nil, "Websocket": nil,
		"Setting": i.settings, "_count": map[string]any{"Message": len(x.records), "Contact": len(x.contacts()), "Chat": len(x.chats())},
	}
	if x.paired {
		m["ownerJid"], m["profileName"] = x.jid(), "Sandbox"
	}
	return m
}

// fillHook puts a webhook in. A missing list of events breaks the server; an empty one means all.
func (s *evolution) fillHook(i *instance, b map[string]any) *said {
	if wrong := append(lacking(b, "enabled", "url"), wrongTypes(b, "enabled", "boolean", "url", "string", "headers", "object",
		"byEvents", "boolean", "base64", "boolean", "events", "array")...); wrong != nil {
		return s.bad(wrong...)
	}
	enabled, _ := b["enabled"].(bool)
	target, _ := b["url"].(string)
	if target == "" {
		return s.bad(`The "url" cannot be empty`)
	}
	list, isList := b["events"].([]any)
	if enabled && !isList {
		return s.crash("length")
	}
	events := []string{}
	for _, item := range list {
		name, _ := item.(string)
		if !slices.Contains(evolutionEvents, name) {
			return s.bad("webhook.events[0] is not one of enum values")
		}
		events = append(events, name)
	}
	if len(events) == 0 && enabled {
		events = evolutionEvents
	}
	now := stamp(s.now())
	hook := &evolutionHook{
		ID: "c" + randomHex(12), URL: cut(target, maxURL), Enabled: enabled, Events: events, CreatedAt: now, UpdatedAt: now, Instance: i.uuid,
	}
	hook.Headers, _ = b["headers"].(map[string]any)
	hook.ByEvents, _ = b["byEvents"].(bool)
	hook.Base64, _ = b["base64"].(bool)
	if len(encoded(hook.Headers)) > maxValue {
		return s.bad("webhook.headers is too long")
	}
	if i.hook != nil {
		hook.ID, hook.CreatedAt = i.hook.ID, i.hook.CreatedAt
	}
	i.hook = hook
	return nil
}

func (s *evolution) findHook(a *evolutionAsk) *said {
	return s.on(a, "instanceId", func(x *line) *said {
		if hook := instanceOf(x).hook; hook != nil {
			return says(200, hook)
		}
		return says(200, nil)
	})
}

func (s *evolution) setHook(a *evolutionAsk) *said {
	b, ok := a.body["webhook"].(map[string]any)
	if !ok {
		return s.bad(`requires property "webhook"`)
	}
	return s.on(a, "instanceId", func(x *line) *said {
		if fault := s.fillHook(instanceOf(x), b); fault != nil {
			return fault
		}
		return says(201, instanceOf(x).hook)
	})
}
