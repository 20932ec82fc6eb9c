package bodyedit

import "fmt"

const (
	internNames  = 128 // how many normalized names a filter remembers
	internLength = 64  // and how long each may be
)

// verdict is what the rules say about a field.
type verdict uint8

const (
	keep   verdict = iota
	drop           // it must not get through
	scalar         // it must hold one value
	single         // it must hold one value, and its text must name one thing
)

// filter applies rules to the names of one body. Its zero value is not ready: see reset.
type filter struct {
	rules  Rules
	set    []string // normalized names of rules.Set
	seen   []string // scalar names met so far
	fields int
	normal []byte            // scratch space of normalize
	names  map[string]string // so that usual names cost no allocation
}

// reset makes the filter ready for another body.
func (f *filter) reset(rules Rules) {
	if rules.MaxDepth <= 0 {
		rules.MaxDepth = DefaultMaxDepth
	}
	if rules.MaxFields <= 0 {
		rules.MaxFields = DefaultMaxFields
	}
	if f.names == nil {
		f.names = make(map[string]string)
	}
	f.rules, f.fields = rules, 0
	f.set, f.seen = f.set[:0], f.seen[:0]
	for _, field := range rules.Set {
		f.set = append(f.set, f.normalize([]byte(field.Name)))
	}
}

// forget lets go of what belongs to the body's caller before the filter is kept for reuse.
func (f *filter) forget() {
	f.rules = Rules{}
}

// normalize is NormalizeName without an allocation for names that were met before.
func (f *filter) normalize(name []byte) string {
	f.normal = appendNormal(f.normal[:0], name)
	if known, ok := f.names[string(f.normal)]; ok {
		return known
	}
	s := string(f.normal)
	if len(s) <= internLength {
		if len(f.names) >= internNames {
			clear(f.names)
		}
		f.names[s] = s
	}
	return s
}

// field judges the next top-level name, which has been decoded. list tells that it is written as
// a list's, with brackets, or stands for a file. The error text is for a SyntaxError.
func (f *filter) field(name []byte, list bool) (verdict, string) {
	f.fields++
	if f.fields > f.rules.MaxFields {
		return drop, fmt.Sprintf("more than %d fields", f.rules.MaxFields)
	}
	normal := f.normalize(name)
	for _, set := range f.set {
		if set == normal {
			return drop, ""
		}
	}
	if f.rules.Drop != nil && f.rules.Drop(normal) {
		return drop, ""
	}
	var v verdict
	switch {
	case f.rules.Single != nil && f.rules.Single(normal):
		v = single
	case f.rules.Scalar != nil && f.rules.Scalar(normal):
		v = scalar
	default:
		return keep, ""
	}
	if list {
		return drop, notScalar
	}
	for _, seen := range f.seen {
		if seen == normal {
			return drop, fmt.Sprintf("the field %q is given more than once", normal)
		}
	}
	f.seen = append(f.seen, normal)
	return v, ""
}

const (
	notScalar = "a list, an object or a file where one value must be"
	notSingle = "a comma, semicolon or line break in a field that must name one thing"
)

// nested tells whether a name below the top level is dropped.
func (f *filter) nested(name []byte) bool {
	return f.rules.Nested != nil && (f.rules.Nested(f.normalize(name)) || f.inside(name))
}

// inside tells whether a name is dropped for what it is put together of: servers exist that read
// a[b] and a.b as b inside a.
func (f *filter) inside(name []byte) bool {
	return f.rules.Nested != nil && anySegment(name, func(segment []byte) bool {
		return f.rules.Nested(f.normalize(segment))
	})
}

// bracketed judges the decoded name of a form field or part: all of name[a][b].
func (f *filter) bracketed(name []byte, file bool) (verdict, string) {
	base, rest := cutBracket(name)
	v, reason := f.field(name, file || len(rest) > 0)
	if string(base) == "_charset_" || v != drop && f.inside(name) {
		v = drop
	}
	return v, reason
}
