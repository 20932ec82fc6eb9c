package bodyedit

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const mega = 1 << 20

// upload is a body with one long value in it, made while it is read.
type upload struct {
	head, tail string
	unit       string // repeated over and over
	left       int    // bytes of the long value
	at         int
}

func (u *upload) Read(p []byte) (n int, err error) {
	for n < len(p) {
		var c int
		switch {
		case u.head != "":
			c = copy(p[n:], u.head)
			u.head = u.head[c:]
		case u.left > 0:
			rest := u.unit[u.at:]
			c = copy(p[n:], rest[:min(len(rest), u.left)])
			u.left -= c
			u.at = (u.at + c) % len(u.unit)
		case u.tail != "":
			c = copy(p[n:], u.tail)
			u.tail = u.tail[c:]
		default:
			return n, io.EOF
		}
		n += c
	}
	return n, nil
}

const base64Unit = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkrLw0K"

// uploads are the long bodies of every kind, with what each costs the scanner most.
var uploads = map[string]struct {
	contentType      string
	head, unit, tail string
}{
	"JSON base64":       {"application/json", `{"to":"628","image":"`, strings.Repeat(base64Unit, 100), `","user":1}`},
	"JSON escapes":      {"application/json", `{"to":"628","image":"`, `\u00e9\n`, `","user":1}`},
	"JSON text":         {"application/json", `{"to":"628","image":"`, "日本語 🙂", `","user":1}`},
	"JSON numbers":      {"application/json", `{"a":[0`, `,12345,-1.5e3`, `]}`},
	"JSON objects":      {"application/json", `{"a":[0`, `,{"b":{"c":[true,null]},"d":"e"}`, `]}`},
	"JSON space":        {"application/json", `{"a":`, " \n", `1}`},
	"JSON dropped":      {"application/json", `{"user":"`, strings.Repeat(base64Unit, 100), `","to":1}`},
	"form base64":       {typeForm, "to=628&image=", strings.Repeat(base64Unit, 100), "&user=1"},
	"form escapes":      {typeForm, "to=628&image=", "%C3%A9", "&user=1"},
	"form expanding":    {typeForm, "to=628&image=", "=;", "&user=1"},
	"form nothing":      {typeForm, "to=628", "&", "&user=1"},
	"multipart file":    {multipartB, part("to", "628") + fileHead, "\x00\x01binary\xff\xfe" + base64Unit, fileTail},
	"multipart lines":   {multipartB, part("to", "628") + fileHead, "\r\n--B\r\n", fileTail},
	"multipart dashes":  {dashesType, strings.ReplaceAll(fileHead, "B0", dashes), "-", strings.ReplaceAll(fileTail, "B0", dashes)},
	"multipart dropped": {multipartB, strings.ReplaceAll(fileHead, `"image"`, `"user"`), base64Unit, fileTail},
}

const (
	fileHead   = "--B0\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n"
	fileTail   = "\r\n--B0--\r\n"
	dashes     = "--------------------------------------------------------x"
	dashesType = "multipart/form-data; boundary=" + dashes
)

func uploadOf(name string, size int) (contentType string, body io.Reader) {
	u := uploads[name]
	size -= size % len(u.unit)
	many := strings.Repeat(u.unit, 1+4096/len(u.unit)) // so that making the body costs little
	return u.contentType, &upload{head: u.head, unit: many, tail: u.tail, left: size}
}

// A value of 64 MB passes through in constant memory: a few buffers are allocated for it, and none
// grows with it. What it consists of does not matter; kinds that take the scanner long are tried
// with 8 MB. The race detector makes all of them slow.
func TestConstantMemory(t *testing.T) {
	const (
		maxBytes     = 256 << 10
		maxAllocated = 200
	)
	scratch := make([]byte, 32<<10)
	for name := range uploads {
		t.Run(name, func(t *testing.T) {
			size := 8 * mega
			if name == "JSON base64" || name == "multipart file" {
				size = 64 * mega
			}
			if raceEnabled {
				size /= 16
			}
			contentType, body := uploadOf(name, size)
			rules := identity()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r, _, err := Edit(contentType, body, rules)
			if err != nil {
				t.Fatal(err)
			}
			read := int64(0)
			for err == nil {
				var n int
				n, err = r.Read(scratch)
				read += int64(n)
			}
			runtime.ReadMemStats(&after)
			if err != io.EOF {
				t.Fatalf("after %d bytes: %v", read, err)
			}
			bytes, count := after.TotalAlloc-before.TotalAlloc, after.Mallocs-before.Mallocs
			if bytes > maxBytes || count > maxAllocated {
				t.Errorf("%d bytes in %d allocations for %d bytes", bytes, count, read)
			}
		})
	}
}

// The buffers of one body stay below 64 KiB, also where escapes make it three times as long.
func TestBufferSize(t *testing.T) {
	for name := range uploads {
		contentType, body := uploadOf(name, mega)
		r, _, err := Edit(contentType, body, identity())
		if err != nil {
			t.Fatal(err)
		}
		largest := 0
		for err == nil {
			_, err = r.Read(make([]byte, 1000))
			if buf := r.(*reader).buf; buf != nil {
				largest = max(largest, len(buf.in)+cap(buf.out))
			}
		}
		if largest > 80<<10 {
			t.Errorf("%s: %d bytes of buffers", name, largest)
		}
	}
}

func BenchmarkUpload(b *testing.B) {
	for _, size := range []int{mega, 64 * mega} {
		for _, name := range slices.Sorted(maps.Keys(uploads)) {
			b.Run(fmt.Sprintf("%s/%dMB", name, size/mega), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				rules := identity()
				scratch := make([]byte, 32<<10)
				for b.Loop() {
					contentType, body := uploadOf(name, size)
					r, _, err := Edit(contentType, body, rules)
					if err != nil {
						b.Fatal(err)
					}
					for err == nil {
						_, err = r.Read(scratch)
					}
					if err != io.EOF {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// small are bodies as most calls have them.
var small = []struct{ name, contentType, body string }{
	{"JSON", "application/json", `{"to":"628123456789","message":"Hello there, this is a message","session_id":"session123","kind":"x"}`},
	{"form", typeForm, "to=628123456789&message=Hello+there%2C+this+is+a+message&session_id=session123&kind=x"},
	{"multipart", multipartB, part("to", "628123456789") + part("session_id", "session123") + part("message", "Hello there") + final},
}

func BenchmarkSmall(b *testing.B) {
	for _, s := range small {
		body, rules := []byte(s.body), identity()
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, _, err := EditBytes(s.contentType, body, rules); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(s.name+" stream", func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			scratch, source := make([]byte, 512), bytes.NewReader(nil)
			for b.Loop() {
				source.Reset(body)
				r, _, err := Edit(s.contentType, source, rules)
				for err == nil {
					_, err = r.Read(scratch)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

// Names below the top cost something only where they matter.
func BenchmarkNested(b *testing.B) {
	for _, name := range []string{"JSON objects", "JSON base64"} {
		b.Run(name, func(b *testing.B) {
			const size = mega
			b.ReportAllocs()
			b.SetBytes(size)
			rules := identity()
			rules.Nested = rules.Drop
			scratch := make([]byte, 32<<10)
			for b.Loop() {
				contentType, body := uploadOf(name, size)
				r, _, err := Edit(contentType, body, rules)
				for err == nil {
					_, err = r.Read(scratch)
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRecipients(b *testing.B) {
	body := []byte(`{"message":"Hello","recipients":["628123456789"` + strings.Repeat(`,"628123456789"`, 99) + `]}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if n, err := Recipients("application/json", body); n != 100 || err != nil {
			b.Fatal(n, err)
		}
	}
}

// The common case costs one allocation, its result.
func TestSmallAllocations(t *testing.T) {
	rules := identity()
	for _, s := range small[:2] {
		body := []byte(s.body)
		n := testing.AllocsPerRun(200, func() {
			if _, _, err := EditBytes(s.contentType, body, rules); err != nil {
				t.Fatal(err)
			}
		})
		if n > 2 && !raceEnabled { // the race detector empties pools at random
			t.Errorf("%s: %v allocations", s.name, n)
		}
	}
}
