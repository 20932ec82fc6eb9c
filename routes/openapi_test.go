package routes

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestOpenAPI holds docs/openapi.yaml to the tables: the same paths and methods,
// and no reference that leads nowhere.
func TestOpenAPI(t *testing.T) {
	text, err := os.ReadFile("../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths      map[string]map[string]map[string]any
		Components map[string]map[string]any
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for path, methods := range document.Paths {
		for method, operation := range methods {
			documented[strings.ToUpper(method)+" "+path] = true
			if operation["operationId"] == nil || operation["responses"] == nil {
				t.Errorf("%s %s is not described", method, path)
			}
		}
	}
	for prefix, table := range map[string]*Table{Prefix: API, EventsPrefix: Events} {
		for _, route := range table.Routes() {
			name := route.Method + " " + prefix + strings.Join(route.Pattern, "/")
			if !documented[name] {
				t.Errorf("%s is not documented", name)
			}
			delete(documented, name)
		}
	}
	for name := range documented {
		t.Errorf("%s is documented, but there is no such route", name)
	}
	for _, part := range strings.Split(string(text), "$ref: '#/components/")[1:] {
		reference, _, _ := strings.Cut(part, "'")
		kind, name, _ := strings.Cut(reference, "/")
		if document.Components[kind][name] == nil {
			t.Errorf("nothing is at #/components/%s", reference)
		}
	}
}
