package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// dialect is what differs between the servers that can be pretended: their paths and the
// shapes of what they say. What they do (sessions, messages, courses, callbacks) is common.
type dialect struct {
	name   string
	routes []route
	answer func(http.ResponseWriter, *reply)
	refuse func(http.ResponseWriter, *refusal)
	event  func(event) any // the JSON body of a callback
}

// dialects by the name that Options.Dialect gives.
var dialects = map[string]*dialect{"": generic, "generic": generic}

// route is one endpoint of a dialect. Pattern segments in braces match any one segment.
type route struct {
	method  string
	pattern string
	open    bool // needs no token
	handle  func(*Sandbox, *call) (*reply, error)
}

// match finds the route of a request and the values of its pattern. It splits the path as it
// was sent, so that an escaped slash stays inside its segment.
func (d *dialect) match(r *http.Request) (route, map[string]string, error) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	var allowed []string
	for _, rt := range d.routes {
		params, ok := rt.matches(segments)
		if !ok {
			continue
		}
		if rt.method == method {
			return rt, params, nil
		}
		allowed = append(allowed, rt.method)
	}
	if len(allowed) == 0 {
		return route{}, nil, &refusal{status: http.StatusNotFound, code: "not_found", message: "There is no such endpoint"}
	}
	slices.Sort(allowed)
	return route{}, nil, &refusal{
		status: http.StatusMethodNotAllowed, code: "method_not_allowed",
		message: "This endpoint takes " + strings.Join(allowed, ", "), allow: allowed,
	}
}

func (rt route) matches(segments []string) (map[string]string, bool) {
	pattern := strings.Split(strings.TrimPrefix(rt.pattern, "/"), "/")
	if len(pattern) != len(segments) {
		return nil, false
	}
	var params map[string]string
	for i, p := range pattern {
		value, err := url.PathUnescape(segments[i])
		if err != nil || value == "" {
			return nil, false
		}
		if name, ok := strings.CutPrefix(p, "{"); ok {
			if params == nil {
				params = make(map[string]string, 2)
			}
			params[strings.TrimSuffix(name, "}")] = value
		} else if p != value {
			return nil, false
		}
	}
	return params, true
}
