package caddywagateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/genfity/wa-gateway/routes"
)

// attackOracle judges what reached the WA server on behalf of one caller: it is
// on the allow list, and names only sessions of the caller. It shares no code
// with the gateway but the table of endpoints.
type attackOracle struct {
	user     string
	sessions []string
	foreign  []string // ids that a session to be created must not have
	token    string   // the WA server's
	allow    [][2]string
}

// aliceOracle is for requests with a credential of alice's.
func aliceOracle(allow ...[2]string) *attackOracle {
	return &attackOracle{
		user: alice, sessions: []string{aliceSession, aliceOther}, foreign: []string{bob, bobSession},
		token: waToken, allow: allow,
	}
}

// plainName is a name without what some server may overlook in it.
func plainName(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r == '[' || r == ']':
			if b.Len() > 0 {
				return b.String()
			}
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			switch r {
			case 'ſ':
				r = 's'
			case 'K':
				r = 'k'
			case 'ı', 'İ':
				r = 'i'
			}
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

var (
	// identityNames select a session or a user wherever they stand.
	identityNames = []string{
		"sessionid", "session", "sid", "sessionkey", "xsessionid", "xsession", "xsessionname",
		"userid", "user", "uid", "xuserid", "xuser", "instance", "instanceid", "instancename", "deviceid", "xdeviceid",
	}
	// nestedNames do so below the top of a body, too.
	nestedNames = []string{"sessionid", "xsessionid", "userid", "xuserid", "sessionkey", "instanceid", "instancename", "deviceid"}
	// credentialNames carry a credential in a query or a header.
	credentialNames = []string{"token", "apikey", "accesstoken", "admintoken", "authtoken", "xtoken", "xapikey", "xaccesstoken", "xauthtoken"}
	// overrideHeaders make some servers see another request than was made.
	overrideHeaders = []string{
		"cookie", "xhttpmethod", "xhttpmethodoverride", "xmethodoverride", "xoriginalurl", "xrewriteurl", "xoriginaluri",
		"xforwardeduri", "xforwardedprefix", "proxyauthorization", "trailer", "te", "contentencoding",
	}
)

// judge returns why a request must not have reached the WA server; nil if it may.
func (o *attackOracle) judge(r *wireRequest) error {
	path, query, _ := strings.Cut(r.target, "?")
	segments, err := plainSegments(path)
	if err != nil {
		return err
	}
	route, err := o.route(r.method, segments)
	if err != nil {
		return err
	}
	if err := o.judgeHeader(r); err != nil {
		return err
	}
	session := ""
	if values := r.values("X-Session-Id"); len(values) == 1 {
		session = values[0]
	}
	creates := route.Endpoint == "create-session"
	switch {
	case creates:
		if slices.Contains(o.foreign, session) {
			return fmt.Errorf("creates %q", session)
		}
	case session != "" && !slices.Contains(o.sessions, session):
		return fmt.Errorf("session %q", session)
	case route.Session && session == "":
		return errors.New("no session, though the endpoint needs one")
	}
	for i, part := range route.Pattern {
		if part == routes.ParamSession && segments[i] != session {
			return fmt.Errorf("session %q in the path, %q in the header", segments[i], session)
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("query %q: %w", query, err)
	}
	for name := range values {
		if plain := plainName(name); slices.Contains(identityNames, plain) || slices.Contains(credentialNames, plain) {
			return fmt.Errorf("%q in the query", name)
		}
	}
	if r.cut || len(r.body) == 0 {
		return nil
	}
	return o.judgeBody(r, session)
}

// plainSegments reads a path of which there is only one reading.
func plainSegments(path string) ([]string, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, fmt.Errorf("target %q", path)
	}
	segments := strings.Split(path[1:], "/")
	for i, raw := range segments {
		text, err := url.PathUnescape(raw)
		if err != nil || url.PathEscape(text) != raw || text == "" || strings.HasSuffix(text, ".") ||
			strings.ContainsAny(text, "/\\%;?#") || strings.ContainsFunc(text, unicode.IsControl) || strings.ContainsRune(text, unicode.ReplacementChar) {
			return nil, fmt.Errorf("segment %q of the path", raw)
		}
		if strings.EqualFold(text, "admin") {
			return nil, fmt.Errorf("an admin path: %q", path)
		}
		segments[i] = text
	}
	return segments, nil
}

// route finds the row of the table, or the rule.
func (o *attackOracle) route(method string, segments []string) (routes.Route, error) {
	for _, route := range routes.API.Routes() {
		if route.Class == routes.ClassOwn || route.Method != method || len(route.Pattern) != len(segments) {
			continue
		}
		if slices.EqualFunc(route.Pattern, segments, func(want, got string) bool {
			return want == got || strings.HasPrefix(want, "{")
		}) {
			return route, nil
		}
	}
	path := "/" + strings.Join(segments, "/")
	for _, rule := range o.allow {
		start, rest := strings.CutSuffix(rule[1], "*")
		if rule[0] == method && (path == rule[1] || (rest && strings.HasPrefix(path, start))) {
			return routes.Route{Method: method, Pattern: segments, Session: true}, nil
		}
	}
	return routes.Route{}, fmt.Errorf("%s %s is not on the allow list", method, path)
}

func (o *attackOracle) judgeHeader(r *wireRequest) error {
	for name, want := range map[string]string{"Authorization": "Bearer " + o.token, "X-User-ID": o.user} {
		if got := r.values(name); len(got) != 1 || got[0] != want {
			return fmt.Errorf("%d values of %s, or not ours", len(got), name)
		}
	}
	if got := r.values("X-Session-ID"); len(got) > 1 {
		return fmt.Errorf("sessions %q", got)
	}
	for _, f := range r.header {
		switch http.CanonicalHeaderKey(f.name) {
		case "Authorization", "X-User-Id", "X-Session-Id":
			continue
		}
		plain := plainName(f.name)
		if slices.Contains(identityNames, plain) || slices.Contains(credentialNames, plain) || slices.Contains(overrideHeaders, plain) {
			return fmt.Errorf("the header %s", f.name)
		}
	}
	return nil
}

// judgeBody looks for identities in a body: the verified session once, and
// nothing else that names one.
func (o *attackOracle) judgeBody(r *wireRequest, session string) error {
	types := r.values("Content-Type")
	if len(types) != 1 {
		return fmt.Errorf("types %q", types)
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	if err != nil {
		return fmt.Errorf("type %q: %w", types[0], err)
	}
	var fields []wireField
	switch mediaType {
	case "application/json":
		fields, err = jsonFields(r.body)
	case formType:
		fields, err = formFields(string(r.body))
	case "multipart/form-data":
		fields, err = multipartFields(r.body, params["boundary"])
	default:
		err = fmt.Errorf("a body of the type %q", types[0])
	}
	if err != nil {
		return err
	}
	named := 0
	for _, f := range fields {
		switch plain := plainName(f.name); {
		case f.name == "session_id":
			if named++; f.value != session {
				return fmt.Errorf("session %q in the body, %q in the header", f.value, session)
			}
		case slices.Contains(identityNames, plain):
			return fmt.Errorf("%q in the body", f.name)
		}
	}
	if session != "" && named != 1 {
		return fmt.Errorf("%d sessions in the body", named)
	}
	return nil
}

// jsonFields are the members at the top of the one object in text; those that
// name an identity further down are an error.
func jsonFields(text []byte) (fields []wireField, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, fmt.Errorf("no object: %v, %w", start, err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		value, err := jsonValue(d)
		if err != nil {
			return nil, err
		}
		fields = append(fields, wireField{name.(string), value})
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the object")
	}
	return fields, nil
}

// jsonValue reads a value; what is not text becomes "".
func jsonValue(d *json.Decoder) (string, error) {
	token, err := d.Token()
	if err != nil {
		return "", err
	}
	text, _ := token.(string)
	open, _ := token.(json.Delim)
	for (open == '{' || open == '[') && d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return "", err
			}
			if slices.Contains(nestedNames, plainName(name.(string))) {
				return "", fmt.Errorf("%q deep in the body", name)
			}
		}
		if _, err := jsonValue(d); err != nil {
			return "", err
		}
	}
	if open != 0 {
		_, err = d.Token()
	}
	return text, err
}

func formFields(text string) (fields []wireField, err error) {
	for pair := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		f := wireField{}
		if f.name, err = url.QueryUnescape(name); err != nil {
			return nil, err
		}
		if f.value, err = url.QueryUnescape(value); err != nil || strings.Contains(pair, ";") {
			return nil, fmt.Errorf("form field %q: %w", pair, err)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func multipartFields(body []byte, boundary string) (fields []wireField, err error) {
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return fields, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		fields = append(fields, wireField{part.FormName(), string(content)})
	}
}
