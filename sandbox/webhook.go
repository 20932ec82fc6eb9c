package sandbox

import (
	"net/url"
	"strings"
)

// Bounds of what is kept of a webhook.
const (
	maxURL       = 2_048
	maxEvents    = 50
	maxEventName = 64
)

// webhook is where a session's owner wants to be told. The sandbox keeps it and never calls it.
type webhook struct {
	URL    string   `json:"url"`
	Events []string `json:"events"`
}

func (x *session) showWebhook() map[string]any {
	events := x.webhook.Events
	if events == nil {
		events = []string{}
	}
	return map[string]any{"session_id": x.key.session, "url": x.webhook.URL, "events": events}
}

func (s *Sandbox) getWebhook(c *call) (*reply, error) {
	id, err := named(c, nil)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.session(c, id)
	if err != nil {
		return nil, err
	}
	return answered(x.showWebhook())
}

// setWebhook puts the whole setting in, whether it came by POST or PUT.
func (s *Sandbox) setWebhook(c *call) (*reply, error) {
	b, err := readBody(c.r)
	if err != nil {
		return nil, err
	}
	id, err := named(c, b)
	if err != nil {
		return nil, err
	}
	hook, err := readWebhook(b)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	x, err := s.session(c, id)
	if err != nil {
		return nil, err
	}
	x.webhook, x.changed = hook, c.now
	return answered(x.showWebhook())
}

func readWebhook(b *body) (webhook, error) {
	var hook webhook
	var err error
	if hook.URL, err = b.text("url", "webhook", "webhook_url"); err != nil {
		return hook, err
	}
	if hook.URL == "" {
		return hook, missing("url", "where events are to be sent")
	}
	u, err := url.Parse(hook.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || len(hook.URL) > maxURL {
		return hook, invalid("url must be an absolute http or https URL of at most %d bytes", maxURL)
	}
	switch v := b.fields["events"].(type) {
	case nil:
	case string:
		for name := range strings.SplitSeq(v, ",") {
			if name = strings.TrimSpace(name); name != "" {
				hook.Events = append(hook.Events, name)
			}
		}
	case []any:
		for _, item := range v {
			name, isText := item.(string)
			if !isText {
				return hook, invalid("events must be a list of names")
			}
			hook.Events = append(hook.Events, name)
		}
	default:
		return hook, invalid("events must be a list of names")
	}
	if len(hook.Events) > maxEvents {
		return hook, invalid("events must be at most %d names", maxEvents)
	}
	for _, name := range hook.Events {
		if name == "" || len(name) > maxEventName {
			return hook, invalid("each of events must be 1 to %d bytes", maxEventName)
		}
	}
	return hook, nil
}
