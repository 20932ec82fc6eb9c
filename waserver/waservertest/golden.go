package waservertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/waserver"
)

var update = flag.Bool("update-golden", false, "write the golden files anew")

// Case is one call of a translator, and what the server answers to it.
type Case struct {
	// Name is that of the golden file, without its .txt.
	Name    string
	Token   string // the server's admin token
	Link    *waserver.Link
	Answers []Answer
	Run     func(ctx context.Context, c *waserver.Client) (any, error)
}

// Golden runs cases, each as a test of its own, and compares what the server was asked
// and what came of it with the case's file in dir. `go test -update-golden` writes the files.
// No error may hold a secret of the case.
func Golden(t *testing.T, dir string, cases []Case) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			script := NewScript(t, c.Answers...)
			result, err := c.Run(t.Context(), script.Client(c.Token, c.Link))
			script.Done()
			if err != nil {
				noSecrets(t, err.Error(), c)
			}
			text := script.Log() + resultText(t, result, err)
			Compare(t, filepath.Join(dir, c.Name+".txt"), []byte(text))
		})
	}
}

func noSecrets(t *testing.T, text string, c Case) {
	t.Helper()
	secrets := []string{c.Token}
	if c.Link != nil {
		secrets = append(secrets, c.Link.Credential, c.Link.WebhookSecret)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			t.Errorf("the error holds a secret: %s", text)
		}
	}
}

// resultText writes down what a call returned.
func resultText(t *testing.T, result any, err error) string {
	t.Helper()
	if err != nil {
		return quote("! ", errorText(err))
	}
	raw, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return quote("= ", string(raw))
}

var kinds = map[waserver.Kind]string{
	waserver.KindUnknown: "unknown", waserver.KindInvalid: "invalid", waserver.KindNotConnected: "not connected",
	waserver.KindAlreadyPaired: "already paired", waserver.KindNotReady: "not ready", waserver.KindNotFound: "not found",
	waserver.KindExists: "exists", waserver.KindUnknownNumber: "unknown number", waserver.KindLimited: "limited",
	waserver.KindCredential: "credential", waserver.KindTooLarge: "too large",
}

func errorText(err error) string {
	if e, is := errors.AsType[*waserver.ServerError](err); is {
		return fmt.Sprintf("server error, %s: %d %q %s", kinds[e.Kind], e.Status, e.Code, e.Message)
	}
	if e, is := errors.AsType[*waserver.UnsupportedError](err); is {
		return "unsupported: " + e.Reason
	}
	return "error: " + err.Error()
}

// Compare compares got with a file, or writes it there with -update.
func Compare(t testing.TB, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update-golden writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is another (go test -update-golden writes it anew):\n--- got\n%s\n--- want\n%s", file, got, want)
	}
}
