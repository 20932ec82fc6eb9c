package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// event is one line of go test -json (see go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
}

// tally counts finished tests.
type tally struct {
	passed, failed, skipped int
}

// pkg is what a package has said so far. The output of a test is kept until it is
// known whether it passed, as go test without -v does.
type pkg struct {
	own   []string // output outside of any test
	order []string // tests, as they started
	tests map[string]*strings.Builder
}

// report prints to w what go test without -v would print of the events in r.
func report(r io.Reader, w io.Writer) (tally, error) {
	var counts tally
	packages := map[string]*pkg{}
	dec := json.NewDecoder(r)
	for {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return counts, nil
		} else if err != nil {
			return counts, err
		}
		if e.Action == "build-output" {
			fmt.Fprint(w, e.Output)
			continue
		}
		p := packages[e.Package]
		if p == nil {
			p = &pkg{tests: map[string]*strings.Builder{}}
			packages[e.Package] = p
		}
		if e.Test != "" {
			p.test(e, &counts)
			continue
		}
		switch e.Action {
		case "output":
			p.own = append(p.own, e.Output)
		case "pass", "skip", "fail":
			p.print(w, e.Action == "fail")
			delete(packages, e.Package)
		}
	}
}

// test takes the event of a test.
func (p *pkg) test(e event, counts *tally) {
	switch e.Action {
	case "run":
		p.order = append(p.order, e.Test)
		p.tests[e.Test] = &strings.Builder{}
	case "output":
		if t := p.tests[e.Test]; t != nil && !strings.HasPrefix(e.Output, "=== ") {
			t.WriteString(e.Output)
		}
	case "pass":
		counts.passed++
		delete(p.tests, e.Test)
	case "skip":
		counts.skipped++
		delete(p.tests, e.Test)
	case "fail":
		counts.failed++
	}
}

// print closes a package. When it failed, everything is shown of the tests that
// failed or never came to an end.
func (p *pkg) print(w io.Writer, failed bool) {
	if failed {
		for _, name := range p.order {
			if t := p.tests[name]; t != nil {
				fmt.Fprint(w, t.String())
			}
		}
	}
	for _, line := range p.own {
		if failed || strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "?   \t") {
			fmt.Fprint(w, line)
		}
	}
}
