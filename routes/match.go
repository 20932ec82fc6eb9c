package routes

import (
	"errors"
	"slices"
	"sort"
	"strings"
)

// ErrNotFound is answered with 404: the path is not in the table, or it is
// spelled in a way that no endpoint is.
var ErrNotFound = errors.New("no such endpoint")

// MethodError is answered with 405: the path is known, the method is not.
type MethodError struct{ Allow []string }

func (*MethodError) Error() string { return "method not allowed" }

// Match is a request that was found in a table.
type Match struct {
	Route *Route
	// Segments is the normal form of the path below the prefix, decoded.
	Segments []string
}

// Param returns the value of a parameter of the route's pattern, empty when the
// pattern does not hold it.
func (m *Match) Param(name string) string {
	for i, segment := range m.Route.Pattern {
		if segment == name && i < len(m.Segments) {
			return m.Segments[i]
		}
	}
	return ""
}

// Table is a set of routes, indexed for matching.
type Table struct {
	// by the number of segments; a table has a few dozen rows.
	exact map[int][]Route
}

// NewTable indexes rows.
func NewTable(rows []Route) *Table {
	t := &Table{exact: make(map[int][]Route)}
	for _, row := range rows {
		t.exact[len(row.Pattern)] = append(t.exact[len(row.Pattern)], row)
	}
	return t
}

// Routes lists all rows, ordered by pattern and method.
func (t *Table) Routes() []Route {
	var rows []Route
	for _, some := range t.exact {
		rows = append(rows, some...)
	}
	sort.Slice(rows, func(i, j int) bool {
		a, b := strings.Join(rows[i].Pattern, "/"), strings.Join(rows[j].Pattern, "/")
		if a != b {
			return a < b
		}
		return rows[i].Method < rows[j].Method
	})
	return rows
}

// Match finds the route of a method and of segments in their normal form. The
// error is ErrNotFound or a *MethodError.
func (t *Table) Match(method string, segments []string) (*Match, error) {
	var allow []string
	rows := t.exact[len(segments)]
	for i := range rows {
		route := &rows[i]
		if !matches(route.Pattern, segments) {
			continue
		}
		if route.Method == method {
			return &Match{Route: route, Segments: segments}, nil
		}
		allow = append(allow, route.Method)
	}
	if len(allow) == 0 {
		return nil, ErrNotFound
	}
	slices.Sort(allow)
	return nil, &MethodError{Allow: slices.Compact(allow)}
}

func matches(pattern, segments []string) bool {
	for i, want := range pattern {
		switch want {
		case ParamSession, ParamUser, ParamLetter:
			if !ValidID(segments[i]) {
				return false
			}
		case ParamChat, ParamServer, ParamToken:
		default:
			if segments[i] != want {
				return false
			}
		}
	}
	return true
}
