package routes

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/genfity/wa-gateway/waserver"
)

// Rule allows calls outside the table by method and path, in the operator's
// words: `POST /groups/*`.
type Rule struct {
	Method   string
	scopes   []Scope
	segments []string
	rest     bool // the pattern ends in /*
}

// For makes the rule's calls open to API keys with one of these scopes, too.
// Without any, only keys without scopes may make them.
func (r Rule) For(scopes ...Scope) (Rule, error) {
	for _, scope := range scopes {
		if scope != ScopeSend && scope != ScopeSessions && scope != ScopeRead {
			return Rule{}, fmt.Errorf("allow: %q is not a scope; use send, sessions or read", scope)
		}
	}
	r.scopes = slices.Clone(scopes)
	return r, nil
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
}

// ParseRule reads a rule. The path begins with a slash and is relative to
// Prefix; a "*" stands for one segment, as the last one for one or more.
func ParseRule(method, path string) (Rule, error) {
	if !slices.Contains(methods, method) {
		return Rule{}, fmt.Errorf("allow: %q is not a method; use one of %s", method, strings.Join(methods, ", "))
	}
	segments, err := Segments(path, "/")
	if err != nil {
		return Rule{}, fmt.Errorf("allow: %q is not a path in its normal form, such as /groups/*", path)
	}
	rule := Rule{Method: method, segments: segments}
	if last := len(segments) - 1; segments[last] == "*" {
		rule.rest, rule.segments = true, segments[:last]
		if last == 0 {
			return Rule{}, errors.New("allow: name at least the first segment of the path; everything cannot be allowed")
		}
	}
	if segments[0] == "*" {
		return Rule{}, errors.New("allow: the first segment of the path must be named")
	}
	if isAdmin(segments) {
		return Rule{}, errors.New("allow: the admin paths of a WA server can never be reached through the gateway")
	}
	return rule, nil
}

func (r Rule) matches(segments []string) bool {
	if len(segments) < len(r.segments) || (r.rest && len(segments) == len(r.segments)) ||
		(!r.rest && len(segments) != len(r.segments)) {
		return false
	}
	for i, segment := range segments {
		switch {
		case i < len(r.segments) && r.segments[i] != "*":
			if r.segments[i] != segment {
				return false
			}
		case !isPlain(segment):
			return false
		}
	}
	return true
}

// isPlain tells whether what a * stands for is printable ASCII without spaces, so
// that no server reads another word in it ("admin " or one in wide letters).
func isPlain(segment string) bool {
	for i := range len(segment) {
		if segment[i] <= ' ' || segment[i] > '~' {
			return false
		}
	}
	return true
}

// isAdmin tells whether a path leads to a WA server's administration. It is
// looked for in every segment and in every case, since a server may match its
// routes without regard to case or mount them below a base path.
func isAdmin(segments []string) bool {
	return slices.ContainsFunc(segments, func(s string) bool { return strings.EqualFold(s, "admin") })
}

// MatchAllowed finds a call outside the table among the operator's rules. Such
// calls need a subscription and a session; they count against no limit. The
// error is ErrNotFound or a *MethodError.
func MatchAllowed(rules []Rule, method string, segments []string) (*Match, error) {
	if isAdmin(segments) {
		return nil, ErrNotFound
	}
	var allow []string
	for _, rule := range rules {
		if !rule.matches(segments) {
			continue
		}
		if rule.Method == method {
			return &Match{Route: &Route{
				Method: method, Pattern: segments, Endpoint: waserver.Other,
				Class: ClassOther, Subscription: true, Session: true, Scopes: rule.scopes,
			}, Segments: segments}, nil
		}
		allow = append(allow, rule.Method)
	}
	if len(allow) == 0 {
		return nil, ErrNotFound
	}
	slices.Sort(allow)
	return nil, &MethodError{Allow: slices.Compact(allow)}
}
