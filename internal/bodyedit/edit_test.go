package bodyedit

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestEditPicksByContentType(t *testing.T) {
	const object, objectWant = `{"a":1}`, `{"session_id":"s1","a":1}`
	multi, multiWant := part("a", "1")+final, verified+part("a", "1")+final
	for _, test := range []struct{ contentType, body, want, newContentType string }{
		{"application/json", object, objectWant, "application/json"},
		{"application/json; charset=utf-8", object, objectWant, "application/json"},
		{"application/json;charset=UTF-8;", object, objectWant, "application/json"},
		{` Application/JSON ; charset="utf8" ; x=y`, object, objectWant, "application/json"},
		{"application/vnd.api+json", object, objectWant, "application/json"},
		{"text/json", object, objectWant, "application/json"},
		{"", object, objectWant, "application/json"},
		{"", " \r\n\t" + object, objectWant, "application/json"},
		{"", strings.Repeat(" ", 3*pieceSize) + object, objectWant, "application/json"},
		{"text/plain", object, objectWant, "application/json"},
		{"text/plain;charset=UTF-8", object, objectWant, "application/json"},
		{"application/octet-stream", object, objectWant, "application/json"},
		{"", "", "", ""},
		{"text/plain", " \n", "", "text/plain"},
		{"application/x-www-form-urlencoded", "a=1", "session_id=s1&a=1", "application/x-www-form-urlencoded"},
		{"application/x-www-form-urlencoded; charset=utf-8", "a=1", "session_id=s1&a=1", "application/x-www-form-urlencoded"},
		{"multipart/form-data; boundary=B0", multi, multiWant, "multipart/form-data; boundary=B0"},
		{`Multipart/Form-Data; charset=utf-8; BOUNDARY="B0"`, multi, multiWant, "multipart/form-data; boundary=B0"},
	} {
		out, newContentType, err := edit(t, test.contentType, []byte(test.body), identity())
		if err != nil || string(out) != test.want || newContentType != test.newContentType {
			t.Errorf("%q: %q, %q, %v", test.contentType, out, newContentType, err)
		}
	}
	refused(t, "", strings.Repeat(" ", 3*pieceSize)+"{x", "name in double quotes", identity())
}

func TestEditUnsupported(t *testing.T) {
	for _, test := range [][2]string{
		{"", "a=1"},
		{"", "\ufeff{}"},
		{"", "[1]"},
		{"text/plain", "hello"},
		{"application/octet-stream", "\x00"},
		{"image/png", "{}"},
		{"application/xml", "<a/>"},
		{"application/msgpack", "{}"},
		{"application/graphql", "{}"},
		{"application/json; charset=utf-16", "{}"},
		{"application/json; charset=iso-8859-1", "{}"},
		{"application/x-www-form-urlencoded; charset=latin1", "a=1"},
		{"application/json, text/plain", "{}"},
		{"application/json; charset", "{}"},
		{"application/json; charset=utf-8; charset=utf-8", "{}"},
		{"application/json charset=utf-8", "{}"},
		{"application/json\r\nx: y", "{}"},
		{"application/json\x00", "{}"},
		{";", "{}"},
		{"/", "{}"},
		{"multipart/form-data", "--B0--"},
		{"multipart/form-data; boundary=", "--B0--"},
		{`multipart/form-data; boundary=""`, "--B0--"},
		{"multipart/form-data; boundary=B0; boundary=B1", "--B0--"},
		{"multipart/form-data; boundary=B0; Boundary=B0", "--B0--"},
		{"multipart/form-data; boundary=B0, boundary=B1", "--B0--"},
		{"multipart/form-data; boundary*=UTF-8''B0", "--B0--"},
		{"multipart/form-data; boundary*0=B; boundary*1=0", "--B0--"},
		{`multipart/form-data; boundary="B\0"`, "--B0--"},
		{`multipart/form-data; boundary="B0`, "--B0--"},
		{`multipart/form-data; boundary="B0 "`, "--B0 --"},
		{"application/json; x=\"a\\\nb\"", "{}"},
		{`multipart/form-data; boundary="B0"x`, "--B0--"},
		{"multipart/form-data; boundary= B0", "--B0--"},
		{"multipart/form-data; boundary=B:0", "--B:0--"},
		{"multipart/form-data; boundary=B0; charset=utf-16", "--B0--"},
		{"multipart/mixed; boundary=B0", "--B0--"},
		{"multipart/related; boundary=B0", "--B0--"},
	} {
		if out, _, err := edit(t, test[0], []byte(test[1]), Rules{}); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: %q, %v", test, out, err)
		}
	}
}

func TestMaxBytes(t *testing.T) {
	body := `{"a":"` + strings.Repeat("x", 3*pieceSize) + `"}`
	for _, contentType := range []string{"application/json", ""} {
		if _, _, err := edit(t, contentType, []byte(body), Rules{MaxBytes: int64(len(body))}); err != nil {
			t.Error(err)
		}
		if _, _, err := edit(t, contentType, []byte(body), Rules{MaxBytes: int64(len(body)) - 1}); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
		if _, _, err := edit(t, contentType, []byte(body), Rules{MaxBytes: 3}); !errors.Is(err, ErrTooLarge) {
			t.Error(err)
		}
	}
	// It is the body's length that counts, also where little of it goes on.
	blank := `{"a":1` + strings.Repeat(" ", 100) + "}"
	if _, _, err := edit(t, "", []byte(blank), Rules{MaxBytes: 100}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// What the source fails with must reach whoever reads, after what was read before.
func TestSourceErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, read := range map[string]func(io.Reader) (io.Reader, error){
		"JSON": func(r io.Reader) (io.Reader, error) { return JSON(r, Rules{}), nil },
		"Edit": func(r io.Reader) (io.Reader, error) {
			out, _, err := Edit("", r, Rules{})
			return out, err
		},
	} {
		r, err := read(io.MultiReader(strings.NewReader(`{"a":"bc`), iotest.ErrReader(broken)))
		if err != nil {
			t.Fatal(err)
		}
		out, err := io.ReadAll(r)
		if string(out) != `{"a":"bc` || !errors.Is(err, broken) {
			t.Errorf("%s: %q, %v", name, out, err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, broken) {
			t.Errorf("%s: then %v", name, err)
		}
	}
	for _, contentType := range []string{"application/json", ""} {
		r, _, err := Edit(contentType, idleReader{}, Rules{})
		if err == nil {
			_, err = r.Read(make([]byte, 1))
		}
		if !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%q: %v", contentType, err)
		}
	}
	if _, _, err := Edit("", iotest.ErrReader(broken), Rules{}); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

// A piece with a mistake in it must not go on, not even the part before the mistake.
func TestMistakeHoldsPieceBack(t *testing.T) {
	r := JSON(strings.NewReader(`{"a":1,"b":x}`), Rules{})
	if out, err := io.ReadAll(r); len(out) != 0 || err == nil {
		t.Errorf("%q, %v", out, err)
	}
}

func TestReadNothing(t *testing.T) {
	r := JSON(strings.NewReader(`{}`), Rules{})
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if out, err := io.ReadAll(r); string(out) != `{}` || err != nil {
		t.Errorf("%q, %v", out, err)
	}
}

// Errors go to clients and logs: they must not quote what may be secret.
func TestErrorsQuoteNoValue(t *testing.T) {
	const secret = "hunter2"
	rules := identity()
	for _, test := range [][2]string{
		{"application/json", `{"a":"` + secret + "\n"},
		{"application/json", `{"` + secret + `":x}`},
		{"application/json", `{"to":"` + secret + `,"}`},
		{typeForm, secret + ";=1"},
		{typeForm, "a=" + secret + "%"},
		{multipartB, part(secret+"%", secret) + final},
		{"text/" + secret, ""},
		{"multipart/form-data; boundary=" + secret + "@", ""},
	} {
		if _, _, err := edit(t, test[0], []byte(test[1]), rules); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", test, err)
		}
	}
}

// One scanner's leftovers must not show in the body that uses it next, nor in a concurrent one.
func TestReuse(t *testing.T) {
	bad := [][2]string{
		{"application/json", `{"to":"x","a":[[{"session_id":{"b`},
		{typeForm, "to=x&session_id=%c3"},
		{multipartB, part("to", "1") + part("user", "x")},
	}
	good := [][3]string{
		{"application/json", `{"to":"x"}`, `{"session_id":"s1","to":"x"}`},
		{typeForm, "to=x", "session_id=s1&to=x"},
		{multipartB, part("to", "1") + final, verified + part("to", "1") + final},
	}
	done := make(chan bool)
	for range 4 {
		go func() {
			defer func() { done <- true }()
			for range 50 {
				for _, b := range bad {
					if _, _, err := EditBytes(b[0], []byte(b[1]), identity()); err == nil {
						t.Errorf("%q was accepted", b)
					}
				}
				for _, g := range good {
					out, _, err := EditBytes(g[0], []byte(g[1]), identity())
					if err != nil || string(out) != g[2] {
						t.Errorf("%q: %q, %v", g, out, err)
					}
					r, _, err := Edit(g[0], strings.NewReader(g[1]), identity())
					if err != nil {
						t.Error(err)
						return
					}
					if out, err = io.ReadAll(r); err != nil || !bytes.Equal(out, []byte(g[2])) {
						t.Errorf("%q: %q, %v", g, out, err)
					}
				}
			}
		}()
	}
	for range 4 {
		<-done
	}
}

// However many different names clients send, little of them is remembered.
func TestNamesAreForgotten(t *testing.T) {
	var f filter
	for i := range 10 * internNames {
		f.reset(Rules{})
		f.normalize([]byte(strings.Repeat("x", i%200) + string(rune('a'+i%26)) + strings.Repeat("y", i/26)))
	}
	total := 0
	for name := range f.names {
		total += len(name)
	}
	if len(f.names) > internNames || total > internNames*internLength {
		t.Errorf("%d names, %d bytes", len(f.names), total)
	}
}
