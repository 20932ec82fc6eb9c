package bodyedit

import (
	"bytes"
	"io"
	"mime/multipart"
	"slices"
	"strings"
	"testing"
)

func FuzzMultipart(f *testing.F) {
	seed(f, multipartKept)
	seed(f, multipartRefused)
	f.Fuzz(func(t *testing.T, body []byte) {
		out, _, err := edit(t, multipartB, body, identity())
		if err != nil {
			return
		}
		before, err := parts(body)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		after, err := parts(out)
		if err != nil {
			t.Fatalf("%q became %q: %v", body, out, err)
		}
		want := []member{{"session_id", "s1"}}
		for _, p := range before {
			base, _, _ := strings.Cut(p.name, "[")
			if !identity().Drop(NormalizeName(p.name)) && base != "_charset_" {
				want = append(want, p)
			}
		}
		if !slices.Equal(after, want) {
			t.Fatalf("%q became %q: %q, not %q", body, out, after, want)
		}
		for _, p := range after[1:] {
			if isIdentity(p.name) {
				t.Fatalf("%q became %q: %q got through", body, out, p.name)
			}
		}
		// However loosely a parser looks for boundaries, it finds these ones.
		if pieces := bytes.Split(out, []byte("--B0")); len(pieces) != len(after)+2 || len(pieces[0]) != 0 {
			t.Fatalf("%q became %q: %d boundaries for %d parts", body, out, len(pieces)-1, len(after))
		}
		if lines := bytes.Split(out, []byte("\r\n--B0")); len(lines) != len(after)+1 {
			t.Fatalf("%q became %q", body, out)
		}
		again(t, multipartB, out)
	})
}

// parts reads the parts of a body with the standard library.
func parts(body []byte) (all []member, err error) {
	reader := multipart.NewReader(bytes.NewReader(body), "B0")
	for {
		p, err := reader.NextRawPart()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		all = append(all, member{p.FormName(), string(content)})
	}
}
