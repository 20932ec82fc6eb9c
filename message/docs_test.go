package message

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentation holds the examples of docs/api.md to what is read.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	endpoints, _, _ := strings.Cut(string(text), "\n## Answers")
	seen := 0
	for _, section := range strings.Split(endpoints, "\n### POST /api/wa/")[1:] {
		endpoint, _, _ := strings.Cut(section, "\n")
		examples := strings.Split(section, "```json\n")[1:]
		if len(examples) == 0 {
			t.Errorf("%s has no example", endpoint)
		}
		seen++
		for _, example := range examples {
			body, _, _ := strings.Cut(example, "```")
			if endpoint == "broadcast" {
				_, err = ParseBroadcast(jsonType, []byte(body), Options{Region: "ID"})
			} else {
				_, err = parse(t, Kind(strings.TrimPrefix(endpoint, "send-")), jsonType, body)
			}
			if err != nil {
				t.Errorf("%s: %s: %v", endpoint, body, err)
			}
		}
	}
	if seen != len(names)+1 {
		t.Errorf("%d endpoints are described", seen)
	}
}
