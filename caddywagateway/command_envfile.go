package caddywagateway

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// envEntry is one variable of an environment file.
type envEntry struct {
	name, value string
	line        int
	// cut: a # that is no comment's ended the value.
	cut bool
}

// loadEnvFile sets the variables of a file that are not set yet.
//
// The rules are those of `caddy run --envfile`, whose reader Caddy keeps to
// itself: values are taken as they stand, up to the first #, quoted or not. A
// reader that is cleverer (with $ or escapes) would have this command and the
// gateway mean different databases.
func loadEnvFile(path string) ([]envEntry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the environment file: %w", err)
	}
	defer file.Close()
	entries, err := readEnv(file)
	if err != nil {
		return nil, fmt.Errorf("reading the environment file %s: %w", path, err)
	}
	// The last of several lines for one name wins.
	values := make(map[string]string, len(entries))
	for _, e := range entries {
		values[e.name] = e.value
	}
	for name, value := range values {
		if _, set := os.LookupEnv(name); set {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("setting the variables of %s: %w", path, err)
		}
	}
	return entries, nil
}

// readEnv reads NAME=value lines. Errors name the line and never its value.
func readEnv(r io.Reader) ([]envEntry, error) {
	var entries []envEntry
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		entry := envEntry{line: n}
		var ok bool
		if entry.name, entry.value, ok = strings.Cut(line, "="); !ok {
			return nil, fmt.Errorf("line %d is not NAME=value", n)
		}
		entry.name = strings.TrimPrefix(entry.name, "export ")
		switch {
		case entry.name == "":
			return nil, fmt.Errorf("line %d has no name before the =", n)
		case strings.Contains(entry.name, " "):
			return nil, fmt.Errorf("line %d: there is a space before the =", n)
		case strings.HasPrefix(entry.value, " ") || strings.HasPrefix(entry.value, "\t"):
			return nil, fmt.Errorf("line %d: there is a space after the =", n)
		}
		if before, _, found := strings.Cut(entry.value, "#"); found {
			// A comment stands apart from its value. After quotes it makes the
			// reader miss the closing one, which then ends some later line.
			entry.value = strings.TrimRight(before, " \t")
			entry.cut = entry.value == before || quoteOf(entry.value) != ""
		}
		if quote := quoteOf(entry.value); quote != "" {
			n += readQuoted(lines, line, quote, &entry)
		}
		entries = append(entries, entry)
	}
	return entries, lines.Err()
}

// quoteOf is the quote that a value begins with, if any.
func quoteOf(value string) string {
	if strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") {
		return value[:1]
	}
	return ""
}

// readQuoted takes the quotes off, and goes on over further lines until one ends
// with the quote; it returns how many those were.
func readQuoted(lines *bufio.Scanner, line, quote string, entry *envEntry) (more int) {
	escaped := `\` + quote
	for !strings.HasSuffix(line, quote) || strings.HasSuffix(line, escaped) {
		entry.value = strings.ReplaceAll(entry.value, escaped, quote)
		if !lines.Scan() {
			break
		}
		more++
		line = strings.ReplaceAll(lines.Text(), escaped, quote)
		entry.value += "\n" + line
	}
	entry.value = strings.TrimSuffix(strings.TrimPrefix(entry.value, quote), quote)
	return more
}
