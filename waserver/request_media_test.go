package waserver

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/genfity/wa-gateway/media"
)

// sent is what a body sends, which must be as long as it says.
func sent(t *testing.T, b *Body) []byte {
	t.Helper()
	var first []byte
	for range 2 { // an attempt and another
		all, err := io.ReadAll(iotest.HalfReader(b.Open()))
		if err != nil || int64(len(all)) != b.Length {
			t.Fatalf("%d bytes of %d, %v", len(all), b.Length, err)
		}
		if first != nil && !bytes.Equal(all, first) {
			t.Fatal("the second attempt sends something else")
		}
		first = all
	}
	return first
}

func TestJSONMediaBody(t *testing.T) {
	a := &Embed{File: media.FromBytes([]byte("hello")), DataURL: "audio/ogg; codecs=opus"}
	b := &Embed{File: media.FromBytes([]byte("a longer one"))}
	body, err := JSONMediaBody(map[string]any{"z": a, "a": []any{map[string]any{"b": b}}, "text": "<x>"}, a, b)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Z    string
		A    []struct{ B string }
		Text string
	}
	if err := json.Unmarshal(sent(t, body), &got); err != nil || body.ContentType != "application/json" {
		t.Fatal(err)
	}
	if got.Z != "data:audio/ogg;codecs=opus;base64,aGVsbG8=" || got.A[0].B != base64.StdEncoding.EncodeToString([]byte("a longer one")) || got.Text != "<x>" {
		t.Errorf("%+v", got)
	}
	plain, err := JSONMediaBody(map[string]any{"a": 1}, nil)
	if err != nil || string(sent(t, plain)) != `{"a":1}` {
		t.Error(err)
	}
	for name, v := range map[string]struct {
		value  any
		embeds []*Embed
	}{
		"missing": {1, []*Embed{{File: a.File}}}, "twice": {[]any{a, a}, []*Embed{a}}, "named twice": {a, []*Embed{a, a}}, "no JSON": {func() {}, nil},
	} {
		if _, err := JSONMediaBody(v.value, v.embeds...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMultipartBody(t *testing.T) {
	file := media.FromBytes([]byte("\r\n--x\x00hello"))
	body := MultipartBody([][2]string{{"phone", "628"}, {"cap\"tion", "a\r\nb"}}, "image", "a\"b\r\n.png", "image/png", file)
	_, params, err := mime.ParseMediaType(body.ContentType)
	if err != nil {
		t.Fatal(err)
	}
	form, err := multipart.NewReader(bytes.NewReader(sent(t, body)), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	if form.Value["phone"][0] != "628" || form.Value["cap%22tion"][0] != "a\r\nb" {
		t.Error(form.Value)
	}
	header := form.File["image"][0]
	if header.Filename != "a%22b%0D%0A.png" || header.Header.Get("Content-Type") != "image/png" || header.Size != file.Size() {
		t.Errorf("%+v", header)
	}
	for _, body := range []*Body{MultipartBody(nil, "", "", "", nil), MultipartBody([][2]string{{"a", "b"}}, "f", "", "x\r\ny", nil), MultipartBody(nil, "f", "n", "x\r\ny: z", file)} {
		_, params, _ := mime.ParseMediaType(body.ContentType)
		parts := multipart.NewReader(bytes.NewReader(sent(t, body)), params["boundary"])
		for {
			part, err := parts.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if kind := part.Header.Get("Content-Type"); kind != "" && kind != "application/octet-stream" {
				t.Error(kind)
			}
		}
	}
}

// 64 MB go out in constant memory.
func TestMediaBodyMemory(t *testing.T) {
	size := int64(64 << 20)
	if raceEnabled {
		size /= 16
	}
	source := io.LimitReader(repeating(strings.Repeat("some content\x00\xff", 4<<10)), size)
	file, err := media.Spool(source, size, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	embed := &Embed{File: file, DataURL: "video/mp4"}
	asJSON, err := JSONMediaBody(map[string]any{"video": embed, "to": "628"}, embed)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []*Body{asJSON, MultipartBody([][2]string{{"to", "628"}}, "video", "a.mp4", "video/mp4", file)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n, err := io.Copy(struct{ io.Writer }{io.Discard}, body.Open())
		runtime.ReadMemStats(&after)
		if err != nil || n != body.Length || n < size {
			t.Errorf("%d bytes of %d, %v", n, body.Length, err)
		}
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 256<<10 {
			t.Errorf("%d bytes were allocated", allocated)
		}
	}
}

// repeating is a text without end.
type repeating string

func (r repeating) Read(p []byte) (int, error) { return copy(p, r), nil }
