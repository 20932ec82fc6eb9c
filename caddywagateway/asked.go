package caddywagateway

import (
	"bytes"
	"encoding/json"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/genfity/wa-gateway/internal/bodyedit"
	"github.com/genfity/wa-gateway/routes"
)

// askedNames are the members in which a client names the session that it wants
// to have created, as bodyedit.NormalizeName writes them. None of them reaches the
// WA server; the dialect writes the id in its own way.
var askedNames = []string{"sessionid", "session", "id"}

// maxLabel bounds a session's name, in bytes.
const maxLabel = 255

// newSessionID is the id of a session for which its owner has asked for none. It
// is made here, so that a creation that fails half way can be undone by name.
func newSessionID() string { return "s_" + strings.ReplaceAll(uuid.NewString(), "-", "") }

// askedSession finds the id that the body of a CreateSession call asks for, and
// makes one when it asks for none. Two spellings that disagree are refused. label is
// the name that the session shall have, empty when none is given.
func askedSession(contentType string, raw []byte) (id, label string, err error) {
	members, err := textMembers(contentType, raw)
	if err != nil {
		return "", "", refuse(http.StatusBadRequest, "The body is not valid")
	}
	for _, name := range []string{"name", "sessionname"} {
		if values := members[name]; label == "" && len(values) > 0 && len(values[0]) <= maxLabel {
			label = values[0]
		}
	}
	for _, name := range askedNames {
		for _, value := range members[name] {
			switch {
			case !routes.ValidID(value):
				return "", "", refuse(http.StatusBadRequest,
					"A session id is 1 to 255 letters, digits and any of - _ . : @ + | ~").
					with(map[string]string{"field": name})
			case id != "" && id != value:
				return "", "", refuse(http.StatusBadRequest, "The body names two different sessions")
			}
			id = value
		}
	}
	if id == "" {
		id = newSessionID()
	}
	return id, label, nil
}

// textMembers collects the top-level members of a small body that are text.
func textMembers(contentType string, raw []byte) (map[string][]string, error) {
	members := make(map[string][]string)
	add := func(name, value string) {
		if value != "" {
			normal := bodyedit.NormalizeName(name)
			members[normal] = append(members[normal], value)
		}
	}
	mediaType, params, _ := mime.ParseMediaType(contentType)
	switch mediaType {
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, err
		}
		addForm(form, add)
	case "multipart/form-data":
		form, err := multipart.NewReader(bytes.NewReader(raw), params["boundary"]).ReadForm(int64(len(raw)))
		if err != nil {
			return nil, err
		}
		addForm(form.Value, add)
	default:
		decoder := json.NewDecoder(bytes.NewReader(raw))
		if _, err := decoder.Token(); err != nil {
			return nil, err
		}
		for decoder.More() {
			name, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			var value any
			if err := decoder.Decode(&value); err != nil {
				return nil, err
			}
			text, _ := value.(string)
			if s, ok := name.(string); ok {
				add(s, text)
			}
		}
	}
	return members, nil
}

func addForm(form map[string][]string, add func(name, value string)) {
	for name, values := range form {
		for _, value := range values {
			add(name, value)
		}
	}
}
