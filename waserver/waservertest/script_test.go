package waservertest_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
	"github.com/genfity/wa-gateway/waserver/waservertest"
)

func TestScript(t *testing.T) {
	script := waservertest.NewScript(t, waservertest.JSON(201, `{"id":1}`))
	client := script.Client("admin", &waserver.Link{})
	body, err := waserver.JSONBody(map[string]any{"to": "62"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(t.Context(), &waserver.Request{
		Method: "POST", Path: []string{"a b", "c/d"}, Query: url.Values{"x": {"1"}},
		Header: map[string][]string{"Token": {"t"}}, Body: body,
	})
	if err != nil || answer.Status != 201 || string(answer.Body) != `{"id":1}` || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %+v, %v", answer, err)
	}
	script.Done()
	want := strings.Join([]string{
		`> POST /a%20b/c%2Fd?x=1`,
		`> Content-Type: application/json`,
		`> Token: t`,
		`>`,
		`> {`,
		`>   "to": "62"`,
		`> }`,
		``,
		`< 201 application/json`,
		`<`,
		`< {`,
		`<   "id": 1`,
		`< }`,
		``, ``,
	}, "\n")
	if got := script.Log(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMessagesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range waservertest.Messages() {
		if m.Name == "" || seen[m.Name] {
			t.Errorf("%q names no message, or several", m.Name)
		}
		seen[m.Name] = true
	}
}
