package sandbox

import (
	"net/http"
	"strings"
)

type wuzapiUserBody struct {
	Name, Token, Webhook, Events *string
	Expiration, History          *int
	HmacKey                      *string
	ProxyConfig                  *struct {
		Enabled  bool
		ProxyURL string
	}
	S3Config *struct {
		Enabled, PathStyle                             bool
		Endpoint, Region, Bucket, AccessKey, SecretKey string
		PublicURL, MediaDelivery                       string
		RetentionDays                                  int
	}
}

const wuzapiMinKey = 32

// adminFail is an admin call's error, which the old generation writes as bare text in JSON.
func (s *wuzapi) adminFail(status int, text, details string) *said {
	a := s.fail(status, text)
	if details != "" {
		a.body.(map[string]any)["details"] = details
	}
	return a
}

// describe is a user as the list shows him: with his token, his proxy's password and all.
func (s *wuzapi) describe(x *line) map[string]any {
	u := user(x)
	m := map[string]any{
		"id": s.showID(x), "name": u.name, "token": u.token, "webhook": u.webhook, "jid": x.jid(), "qrcode": s.picture(x),
		"connected": s.connected(x), "expiration": u.expiration, "events": u.events,
	}
	if s.old {
		return m
	}
	m["loggedIn"] = x.phase == phaseConnected
	m["proxy_url"] = u.proxy
	m["proxy_config"] = s.showProxy(u)
	m["s3_config"] = s.showS3(u)
	return m
}

func (s *wuzapi) showProxy(u *wuzapiUser) map[string]any {
	return map[string]any{"enabled": u.proxy != "", "proxy_url": u.proxy}
}

func (s *wuzapi) showS3(u *wuzapiUser) map[string]any {
	return map[string]any{
		"enabled": false, "endpoint": "", "region": "", "bucket": "", "access_key": "***", "path_style": false,
		"public_url": "", "media_delivery": u.delivery, "retention_days": 0,
	}
}

// listUsers shows all users, or those with the path's id: none or one.
func (s *wuzapi) listUsers(r *http.Request) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []any{}
	for _, x := range s.all() {
		if id := r.PathValue("id"); !user(x).gone && (id == "" || id == x.id) {
			list = append(list, s.describe(x))
		}
	}
	return s.ok(list)
}

func (s *wuzapi) addUser(r *http.Request) *said {
	var b wuzapiUserBody
	if !s.read(r, &b) {
		return s.adminFail(400, "invalid request payload", "")
	}
	u := &wuzapiUser{}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault := s.fill(nil, u, b); fault != nil {
		return fault
	}
	u.subscribed = u.events
	if s.old && u.events == "" {
		return s.adminFail(400, "invalid event: ", "")
	}
	x := s.add(s.newID(), u)
	if s.old {
		return says(200, map[string]any{"id": s.showID(x)})
	}
	return says(201, map[string]any{"code": 201, "success": true, "data": map[string]any{
		"id": x.id, "name": u.name, "token": u.token, "webhook": u.webhook, "expiration": u.expiration, "events": u.events,
		"proxy_config": s.showProxy(u), "s3_config": s.showS3(u), "hmac_key": u.key != "",
	}})
}

// fill checks what a body says of a user, and puts it in when all of it is right.
func (s *wuzapi) fill(x *line, u *wuzapiUser, b wuzapiUserBody) *said {
	if b.HmacKey != nil && *b.HmacKey != "" && len(*b.HmacKey) < wuzapiMinKey {
		return s.adminFail(400, "HMAC key must be at least 32 characters long", "")
	}
	token := u.token
	if b.Token != nil && (*b.Token != "" || x == nil) {
		token = *b.Token
	}
	for _, other := range s.all() {
		if other != x && user(other).token == token && !user(other).gone {
			return s.adminFail(409, "user with this token already exists", "")
		}
	}
	if b.Events != nil {
		for name := range strings.SplitSeq(*b.Events, ",") {
			if name = strings.TrimSpace(name); name != "" && len(s.known([]string{name})) == 0 {
				return s.adminFail(400, "invalid event type", "invalid event: "+cut(name, maxEventName))
			}
		}
	}
	u.token = token
	for _, f := range []struct{ into, from *string }{
		{&u.name, b.Name}, {&u.webhook, b.Webhook}, {&u.events, b.Events}, {&u.key, b.HmacKey},
	} {
		if f.from != nil && *f.from != "" {
			*f.into = cut(*f.from, maxURL)
		}
	}
	for _, f := range []struct{ into, from *int }{{&u.expiration, b.Expiration}, {&u.history, b.History}} {
		if f.from != nil && *f.from != 0 {
			*f.into = *f.from
		}
	}
	if b.ProxyConfig != nil {
		u.proxy = cut(b.ProxyConfig.ProxyURL, maxURL)
	}
	if b.S3Config != nil {
		u.delivery = cut(b.S3Config.MediaDelivery, maxEventName)
	}
	return nil
}

func (s *wuzapi) byPath(r *http.Request) *line {
	x := s.line(r.PathValue("id"))
	if x == nil || user(x).gone {
		return nil
	}
	return x
}

func (s *wuzapi) unknownUser(r *http.Request) *said {
	return s.adminFail(404, "user not found", "No user found with ID: "+cut(r.PathValue("id"), maxIDBytes))
}

func (s *wuzapi) editUser(r *http.Request) *said {
	var b wuzapiUserBody
	if !s.read(r, &b) {
		return s.adminFail(400, "invalid request payload", "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byPath(r)
	if x == nil {
		return s.unknownUser(r)
	}
	if fault := s.fill(x, user(x), b); fault != nil {
		return fault
	}
	return says(200, map[string]any{"code": 200, "message": "user updated successfully", "success": true})
}

// deleteUser takes the row away and nothing else: what was connected stays so, and a token that
// was used goes on working.
func (s *wuzapi) deleteUser(r *http.Request) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byPath(r)
	if x == nil {
		return s.unknownUser(r)
	}
	if user(x).cached {
		user(x).gone = true
	} else {
		delete(s.lines, x.id)
	}
	if s.old {
		return says(200, map[string]any{"Details": "User deleted successfully"})
	}
	return says(200, map[string]any{
		"code": 200, "data": map[string]any{"id": x.id}, "success": true, "details": "user deleted successfully",
	})
}

func (s *wuzapi) deleteUserFull(r *http.Request) *said {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.byPath(r)
	if x == nil {
		return s.unknownUser(r)
	}
	name, jid := user(x).name, x.jid()
	if s.connected(x) {
		s.leave(x)
	}
	delete(s.lines, x.id)
	return says(200, map[string]any{
		"code": 200, "data": map[string]any{"id": x.id, "name": name, "jid": jid}, "success": true,
		"details": "user instance removed completely",
	})
}
