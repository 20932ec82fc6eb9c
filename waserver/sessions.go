package waserver

import "encoding/json"

// listNames are the members in which servers wrap a list of sessions.
var listNames = []string{"data", "result", "results", "sessions"}

// filterSessions keeps the sessions of one owner in a server's list, in the
// list's own shape: a bare array, or an object that holds exactly one array,
// at most two envelopes deep. Of an envelope only the list itself and plain
// success markers survive, since anything else (totals, pages, other tenants'
// data) speaks of sessions that the caller must not know of. Credentials in what
// is left are masked.
func filterSessions(body []byte, owned func(string) bool) ([]byte, bool) {
	filtered, ok := filterShape(body, owned)
	if !ok {
		return nil, false
	}
	return Mask(filtered, func(id string) bool { return !owned(id) })
}

func filterShape(body []byte, owned func(string) bool) ([]byte, bool) {
	if list, ok := filterList(body, owned); ok {
		out, err := json.Marshal(list)
		return out, err == nil
	}
	return filterEnvelope(body, owned, 2)
}

func filterEnvelope(body []byte, owned func(string) bool, depth int) ([]byte, bool) {
	top := parseObject(body)
	if top == nil || depth == 0 {
		return nil, false
	}
	kept := make(map[string]any)
	found := false
	for _, name := range listNames {
		raw, ok := top[name]
		if !ok {
			continue
		}
		if found {
			// Two candidates: which of them is the list is a guess.
			return nil, false
		}
		if list, ok := filterList(raw, owned); ok {
			kept[name], found = list, true
		} else if inner, ok := filterEnvelope(raw, owned, depth-1); ok {
			kept[name], found = json.RawMessage(inner), true
		} else {
			return nil, false
		}
	}
	if !found {
		return nil, false
	}
	for _, name := range []string{"success", "status", "code", "message"} {
		if raw, ok := top[name]; ok && isScalar(raw) {
			kept[name] = raw
		}
	}
	out, err := json.Marshal(kept)
	return out, err == nil
}

// filterList keeps the owned elements of an array of sessions. It reports false for anything but an array of objects that
// all name a session.
func filterList(raw []byte, owned func(string) bool) ([]object, bool) {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil || elements == nil {
		return nil, false
	}
	kept := make([]object, 0)
	for _, element := range elements {
		session := parseObject(element)
		if session == nil {
			return nil, false
		}
		id := session.sessionID()
		if id == "" {
			return nil, false
		}
		if !owned(id) {
			continue
		}
		kept = append(kept, session)
	}
	return kept, true
}

func isScalar(raw json.RawMessage) bool {
	return len(raw) > 0 && raw[0] != '{' && raw[0] != '['
}
