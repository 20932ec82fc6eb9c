package media

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// random is content in which every byte occurs.
func random(size int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	all := make([]byte, size)
	for i := range all {
		all[i] = byte(r.Uint32())
	}
	return all
}

func TestBase64(t *testing.T) {
	for _, size := range []int{0, 1, 2, 3, 4, 100, base64Block - 1, base64Block, base64Block + 1, 2*base64Block + 5} {
		want := random(size)
		f := FromBytes(want)
		text, err := io.ReadAll(iotest.HalfReader(f.Base64()))
		if err != nil || string(text) != base64.StdEncoding.EncodeToString(want) || int64(len(text)) != f.Base64Len() {
			t.Errorf("%d bytes: %d characters, %v", size, len(text), err)
		}
		r, length := f.DataURL("audio/ogg; codecs=opus")
		text, err = io.ReadAll(r)
		if err != nil || int64(len(text)) != length || !strings.HasPrefix(string(text), "data:audio/ogg;codecs=opus;base64,") {
			t.Errorf("%d bytes: %d characters, %v", size, len(text), err)
		}
		for name, encoding := range map[string]*base64.Encoding{
			"standard": base64.StdEncoding, "raw": base64.RawStdEncoding,
			"URL": base64.URLEncoding, "raw URL": base64.RawURLEncoding,
		} {
			text := encoding.EncodeToString(want)
			for _, chunked := range []io.Reader{
				strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)),
				iotest.DataErrReader(iotest.HalfReader(strings.NewReader(text))), strings.NewReader(lines(text)),
			} {
				got, err := io.ReadAll(DecodeBase64(chunked))
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s, %d bytes: %d, %v", name, size, len(got), err)
				}
			}
		}
	}
}

// lines folds a text as MIME does.
func lines(text string) string {
	var folded strings.Builder
	for len(text) > 76 {
		folded.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return folded.String() + text + " \t\n"
}

func TestDataURLHead(t *testing.T) {
	for mime, want := range map[string]string{
		"image/png":                   "data:image/png;base64,",
		"audio/ogg; codecs=opus":      "data:audio/ogg;codecs=opus;base64,",
		`text/plain; charset="a b,c"`: "data:text/plain;base64,",
		"image/svg+xml":               "data:image/svg+xml;base64,",
		"":                            "data:application/octet-stream;base64,",
		"a\"b/c":                      "data:application/octet-stream;base64,",
		"image/png;base64":            "data:image/png;base64,",
	} {
		if got := DataURLHead(mime); got != want {
			t.Errorf("%q: %s", mime, got)
		}
	}
}

func TestReadText(t *testing.T) {
	for text, want := range map[string]Source{
		"https://example.com/a.png?x=1#y":                              {URL: "https://example.com/a.png?x=1"},
		"  HTTP://example.com/ \n":                                     {URL: "http://example.com/"},
		"aGVsbG8=":                                                     {},
		" aGVs\r\nbG8 ":                                                {},
		"data:;base64,aGVsbG8=":                                        {},
		"DATA:Image/PNG;BASE64,aGVsbG8":                                {MIMEType: "image/png"},
		"data:audio/ogg;codecs=opus;base64,aGVsbG8=":                   {MIMEType: "audio/ogg; codecs=opus"},
		"data:audio/ogg; codecs=opus;base64, aGVsbG8=":                 {MIMEType: "audio/ogg; codecs=opus"},
		"data:application/pdf;name=a%20b.pdf;base64,aGVsbG8=":          {MIMEType: "application/pdf", Filename: "a b.pdf"},
		`data:application/pdf;filename="x.pdf";base64,aGVsbG8=`:        {MIMEType: "application/pdf", Filename: "x.pdf"},
		"data:application/vnd.ms-excel;charset=utf-8;base64,aGVsbG8==": {MIMEType: "bad"},
	} {
		got, err := ReadText(strings.NewReader(text), 100, t.TempDir())
		if want.MIMEType == "bad" {
			if err == nil {
				t.Errorf("%s: %v", text, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got.URL != want.URL || got.MIMEType != want.MIMEType || got.Filename != want.Filename {
			t.Errorf("%s: %+v", text, got)
		}
		if got.File != nil && content(t, got.File) != "hello" || (got.File == nil) != (got.URL != "") {
			t.Errorf("%s: %q", text, content(t, got.File))
		}
	}
	for _, text := range []string{"", " \r\n\t"} {
		if got, err := ReadText(strings.NewReader(text), 100, ""); got != nil || err != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestReadTextRefused(t *testing.T) {
	for _, text := range []string{
		"x", "=", "====", "aGVsbG8===", "aGVsbG8=x", "aGVs=bG8=", "aGVsbG8=aGVsbG8=", "aGVsbG8!", "hello, world",
		"ftp://example.com/a", "file:///etc/passwd", "/etc/passwd.", "./a.png", "{}", "javascript:1",
		"http://", "https:///a", "http://user:secret@example.com/", "http://example.com/%zz", "http://a b/",
		"http://exa\x00mple.com/", "http:\\\\example.com", "https://" + strings.Repeat("a", maxURL),
		"data:", "data:,", "data:image/png", "data:image/png,aGVsbG8=", "data:image/png;base64", "data:image/png;base64,",
		"data:image/png;base64,!", "data:image;base64,aGVsbG8=", "data:image/png/x;base64,aGVsbG8=",
		"data:" + strings.Repeat("x", maxHead) + ";base64,aGVsbG8=", "data:image/png;x=y;base64x,aGVsbG8=",
	} {
		got, err := ReadText(strings.NewReader(text), 100, "")
		bad, is := errors.AsType[*TextError](err)
		if !is || strings.Contains(bad.Error(), "secret") {
			t.Errorf("%.40q: %v, %v", text, got, err)
		}
	}
	if _, err := ReadText(strings.NewReader("aGVsbG8="), 4, ""); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	broken := io.MultiReader(strings.NewReader("aGVs"), iotest.ErrReader(io.ErrClosedPipe))
	if _, err := ReadText(broken, 4, ""); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// pattern is a text of size characters that repeats.
type pattern struct {
	unit string
	at   int
	left int64
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	if int64(len(b)) > p.left {
		b = b[:p.left]
	}
	n := 0
	for n < len(b) {
		c := copy(b[n:], p.unit[p.at:])
		n += c
		p.at = (p.at + c) % len(p.unit)
	}
	p.left -= int64(n)
	return n, nil
}

// 64 MB go to disk and come back in base64 in constant memory. The race detector makes
// that slow.
func TestConstantMemory(t *testing.T) {
	size := int64(64 << 20)
	if raceEnabled {
		size /= 16
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	source, err := ReadText(&pattern{unit: strings.Repeat("QUJD", 4<<10), left: size}, 1<<62, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer source.File.Close()
	n, err := io.Copy(struct{ io.Writer }{io.Discard}, source.File.Base64())
	if err != nil || n != size || source.File.Size() != size/4*3 {
		t.Fatal(n, source.File.Size(), err)
	}
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 512<<10 {
		t.Errorf("%d bytes were allocated", bytes)
	}
}

func FuzzDataURL(f *testing.F) {
	for _, seed := range []string{
		"data:image/png;base64,aGVsbG8=", "data:;base64,", "aGVsbG8", "aGVs bG8=", "https://example.com/", "data:a/b;name=%41;base64,-_-_",
		"data:text/plain,hi", "http://[::1%25lo]/", "data:a/b;x=\"y,z\";base64,aaaa", "YQ==", "YQ=", "\xff",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		whole, err := ReadText(strings.NewReader(text), 1<<20, dir)
		pieces, err2 := ReadText(iotest.OneByteReader(strings.NewReader(text)), 1<<20, dir)
		if (err == nil) != (err2 == nil) || (whole == nil) != (pieces == nil) {
			t.Fatalf("%v and %v", err, err2)
		}
		if err != nil || whole == nil {
			return
		}
		if whole.URL != pieces.URL || whole.MIMEType != pieces.MIMEType || whole.Filename != pieces.Filename {
			t.Fatalf("%+v and %+v", whole, pieces)
		}
		if whole.File == nil {
			if again, err := CheckURL(whole.URL); err != nil || again != whole.URL {
				t.Fatalf("%q becomes %q, %v", whole.URL, again, err)
			}
			return
		}
		got := content(t, whole.File)
		if got != content(t, pieces.File) {
			t.Fatal("the pieces say something else")
		}
		// The reference reads what is left when white space, padding and the other
		// alphabet are out of the way.
		rest := text
		if i := strings.IndexByte(text, ','); i >= 0 {
			rest = text[i+1:]
		}
		rest = strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", "=", "", "-", "+", "_", "/").Replace(rest)
		want, err := base64.RawStdEncoding.DecodeString(rest)
		if err != nil || got != string(want) {
			t.Fatalf("%q and %q, %v", got, want, err)
		}
		whole.File.Close()
		pieces.File.Close()
	})
}
