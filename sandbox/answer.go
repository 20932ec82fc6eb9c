package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reply is a good answer: data in the dialect's shape, or an image as it is.
type reply struct {
	status int // 0 means 200
	data   any
	png    []byte
	vary   string
}

func answered(data any) (*reply, error) { return &reply{data: data}, nil }

// refusal is a call that the server does not do, with the reason.
type refusal struct {
	status  int
	code    string // for programs
	message string // for people: says what to do
	allow   []string
}

func (e *refusal) Error() string { return e.code + ": " + e.message }

func invalid(format string, args ...any) error {
	return &refusal{status: http.StatusBadRequest, code: "invalid_request", message: fmt.Sprintf(format, args...)}
}

func missing(field, what string) error {
	return &refusal{status: http.StatusBadRequest, code: "missing_field", message: field + " is missing: " + what}
}

// writeAnswer is the generic shape: {"success": true, "data": {…}}.
func writeAnswer(w http.ResponseWriter, a *reply) {
	if a.vary != "" {
		w.Header().Add("Vary", a.vary)
	}
	status := a.status
	if status == 0 {
		status = http.StatusOK
	}
	if a.png != nil {
		writeBody(w, status, "image/png", a.png)
		return
	}
	writeJSON(w, status, map[string]any{"success": true, "data": a.data})
}

// writeRefusal is the generic shape: {"success": false, "error": {"code", "message"}}.
func writeRefusal(w http.ResponseWriter, e *refusal) {
	if e.allow != nil {
		w.Header().Set("Allow", strings.Join(e.allow, ", "))
	}
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, e.status, map[string]any{
		"success": false,
		"error":   map[string]string{"code": e.code, "message": e.message},
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	// Only maps, structs and texts of our own reach this; were one not encodable, the body
	// would be empty, never half an answer.
	if err := enc.Encode(v); err != nil {
		status = http.StatusInternalServerError
		b.Reset()
	}
	writeBody(w, status, "application/json", b.Bytes())
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // JSON, text and pictures, and no browser takes them for pages; who has gone needs no answer
}

// stamp writes a time as all answers and events do: RFC 3339, UTC, milliseconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// health is open, and counts nothing that would tell one user about another.
func (s *Sandbox) health(*call) (*reply, error) {
	data := map[string]any{"status": "ok", "server": "sandbox", "dialect": s.dialect.name}
	if s.callbacks != nil {
		data["callbacks"] = s.callbacks.figures()
	}
	return answered(data)
}
