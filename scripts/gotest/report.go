package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
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
	// leaks names the tests and packages in whose output a secret stood.
	leaks []string
}

func (t tally) none() bool { return t.passed+t.failed+t.skipped == 0 }

// secretMark is in every secret that tests make up (caddywagateway's secretMark),
// so that it shows where one is printed: by a test or by the code under it.
const secretMark = "hush" + "-"

// leak notes output that holds a secret, each test and package once. before is
// the end of what the same one printed last, for output comes in pieces.
func (t *tally) leak(e event, before string) (end string) {
	text := before + e.Output
	if strings.Contains(text, secretMark) {
		name := strings.TrimSpace(e.Package + e.ImportPath + " " + e.Test)
		if !slices.Contains(t.leaks, name) {
			t.leaks = append(t.leaks, name)
		}
	}
	return text[max(0, len(text)-len(secretMark)+1):]
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
	ends := map[[2]string]string{}
	dec := json.NewDecoder(r)
	for {
		var e event
		if err := dec.Decode(&e); errors.Is(err, io.EOF) {
			return counts, nil
		} else if err != nil {
			return counts, err
		}
		if e.Output != "" {
			source := [2]string{e.Package + e.ImportPath, e.Test}
			ends[source] = counts.leak(e, ends[source])
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
