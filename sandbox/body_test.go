package sandbox

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http/httptest"
	"net/textproto"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

const megabyte = 1 << 20

// endless gives one byte for ever.
type endless byte

var blocks = func() (all [256][]byte) {
	for _, b := range []byte("xA[ ") {
		all[b] = bytes.Repeat([]byte{b}, blockSize)
	}
	return all
}()

func (e endless) Read(p []byte) (int, error) { return copy(p, blocks[e]), nil }

// upload streams a multipart body with one file of a size.
func upload(size int64, mimetype string, head string) (io.ReadCloser, string) {
	pr, pw := io.Pipe()
	mw := multipart.NewWriter(pw)
	go func() {
		err := mw.WriteField("to", "628123456789")
		if err == nil {
			var part io.Writer
			part, err = mw.CreatePart(textproto.MIMEHeader{
				"Content-Disposition": {`form-data; name="media"; filename="film.mp4"`}, "Content-Type": {mimetype},
			})
			if err == nil {
				_, err = io.Copy(part, io.MultiReader(strings.NewReader(head), io.LimitReader(endless('x'), size-int64(len(head)))))
			}
		}
		if err == nil {
			err = mw.WriteField("caption", "after the file")
		}
		if err == nil {
			err = mw.Close()
		}
		pw.CloseWithError(err)
	}()
	return pr, mw.FormDataContentType()
}

// allocated tells how much memory something took altogether, caller and server together.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestUploadStreams(t *testing.T) {
	s := newServer(t, Options{})
	s.do("GET", "/health", "").ok(200) // the connection's own buffers
	const size = 64 * megabyte
	used := allocated(func() {
		body, contentType := upload(size, "video/mp4", "")
		data := s.stream("POST", "/send-video", body, "Content-Type", contentType).ok(200)
		file := data["media"].(map[string]any)
		if file["size"] != float64(size) || file["filename"] != "film.mp4" || file["mimetype"] != "video/mp4" || file["source"] != "file" {
			t.Error(file)
		}
	})
	if used > 4*megabyte {
		t.Errorf("%d bytes allocated for an upload of %d", used, size)
	}
	chats := s.do("GET", "/sessions/session123/messages/628123456789", "").ok(200)
	if text := rows(chats, "messages")[0]["text"]; text != "after the file" {
		t.Error(text)
	}
}

func TestInlineMediaStreams(t *testing.T) {
	s := newServer(t, Options{})
	const size = 64 * megabyte
	for contentType, around := range map[string][2]string{
		"application/json":                  {`{"media":"data:video/mp4;base64,`, `","to":"628123456789","caption":"c"}`},
		"application/x-www-form-urlencoded": {"media=", "&to=628123456789"},
		"multipart/form-data; boundary=B": {
			"--B\r\nContent-Disposition: form-data; name=\"media\"\r\n\r\n",
			"\r\n--B\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n628123456789\r\n--B--\r\n",
		},
	} {
		t.Run(contentType, func(t *testing.T) {
			used := allocated(func() {
				body := io.MultiReader(strings.NewReader(around[0]), io.LimitReader(endless('A'), size), strings.NewReader(around[1]))
				s.stream("POST", "/send-video", body, "Content-Type", contentType).ok(200)
			})
			if used > 4*megabyte {
				t.Errorf("%d bytes allocated for a body of %d", used, size)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	post := func(contentType string, body io.Reader) int {
		r := httptest.NewRequest("POST", "/send-media", body)
		r.Header.Set(sessionHeader, "x")
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	big, contentType := upload(maxBody+1, "video/mp4", "")
	if got := post(contentType, big); got != 413 {
		t.Error("file:", got)
	}
	big.Close()
	if got := post("application/json", io.MultiReader(strings.NewReader(`{"media":"`), endless('A'))); got != 413 {
		t.Error("JSON string:", got)
	}
	if got := post("application/json", io.MultiReader(strings.NewReader(`{"to":[`), endless('['))); got != 413 && got != 400 {
		t.Error("JSON nesting:", got)
	}
	if got := post("application/json", io.MultiReader(strings.NewReader(`{}`), endless(' '))); got != 413 {
		t.Error("JSON tail:", got)
	}
	if got := post("application/json", strings.NewReader(`{"to":[`+strings.Repeat(`"62811",`, maxKept/8)+`1]}`)); got != 413 {
		t.Error("JSON kept:", got)
	}
	if got := post("application/x-www-form-urlencoded", strings.NewReader(strings.Repeat("a=&", 30_000))); got != 413 {
		t.Error("form fields:", got)
	}
	if got := post("application/x-www-form-urlencoded", strings.NewReader(strings.Repeat("a", 2000)+"=")); got != 400 {
		t.Error("form name:", got)
	}
}

func TestContentTypes(t *testing.T) {
	s := newServer(t, Options{})
	const body = `{"to":"628123456789","message":"x"}`
	for _, contentType := range []string{"", "text/plain;charset=UTF-8", "application/json; charset=utf-8"} {
		s.do("POST", "/send-message", body, "Content-Type", contentType).ok(200)
	}
	for _, contentType := range []string{"application/xml", "image/png", "multipart/mixed; boundary=x", "/"} {
		s.do("POST", "/send-message", body, "Content-Type", contentType).refused(415, "unsupported_media_type", "application/json")
	}
	const form = "application/x-www-form-urlencoded"
	s.do("POST", "/send-message", "%zz=1", "Content-Type", form).refused(400, "invalid_request", "badly escaped")
	s.do("POST", "/send-message", "to=%zz", "Content-Type", form).refused(400, "invalid_request", `"to" is badly escaped`)
	s.do("POST", "/send-message", "&&a&to=628123456789&message=a=b", "Content-Type", form).ok(200)
	long := "to=628123456789&media=" + strings.Repeat("%41", maxValue)
	s.do("POST", "/send-media", long, "Content-Type", form).ok(200)

	const multi = "multipart/form-data; boundary=B"
	s.do("POST", "/send-message", "", "Content-Type", "multipart/form-data").refused(400, "invalid_request", "boundary")
	for body, mention := range map[string]string{
		"": "too early", "no boundary": "too early",
		"--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--":                                  "without a name",
		"--B\r\nContent-Disposition: form-data; name=to\r\n\r\n62812":                              "too early",
		"--B\r\nContent-Disposition: form-data; name=media; filename=f\r\n\r\n62812":               "too early",
		"--B\r\nContent-Disposition: form-data; name=media; filename=f\r\n\r\n\r\n--B--":           "to is missing",
		"--B\r\nContent-Disposition: form-data; name=to; filename=f\r\n\r\n628123456\r\n--B--\r\n": "to must be",
	} {
		a := s.do("POST", "/send-media", body, "Content-Type", multi)
		if a.status != 400 || !strings.Contains(a.body.Error.Message, mention) {
			t.Errorf("%q: %s, want %q", body, a.raw, mention)
		}
	}
	empty := "--B\r\nContent-Disposition: form-data; name=to\r\n\r\n628123456789\r\n--B\r\nContent-Disposition: form-data; name=media; filename=f\r\n\r\n\r\n--B--"
	s.do("POST", "/send-media", empty, "Content-Type", multi).refused(400, "invalid_request", "empty file")
}

func TestFileTypeIsFound(t *testing.T) {
	s := newServer(t, Options{})
	for given, want := range map[string]string{"application/octet-stream": "image/png", "": "image/png", "image/webp": "image/webp"} {
		body, contentType := upload(2000, given, "\x89PNG\x0D\x0A\x1A\x0A")
		data := s.stream("POST", "/send-image", body, "Content-Type", contentType).ok(200)
		if got := data["media"].(map[string]any)["mimetype"]; got != want {
			t.Errorf("%q: %v", given, got)
		}
	}
}

// TestShortStrings: whatever the blocks, cut JSON is JSON exactly when the whole is, with the
// same structure and the beginnings of its texts.
func TestShortStrings(t *testing.T) {
	const limit = 8
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", "é", "😀", `\"`, `\\`, `\/`, `\u0041`, `\ud83d\ude00`, `\n`, "[", ",", "{"})
		text := rapid.Map(rapid.SliceOfN(piece, 0, 20), func(p []string) string { return `"` + strings.Join(p, "") + `"` })
		other := rapid.SampledFrom([]string{"1", "null", "-0.5e3", `{"k":"v"}`, `[ "x" , [] ]`, `"`, "]", `{"a":\"}`})
		items := rapid.SliceOf(rapid.OneOf(text, text, other)).Draw(t, "items")
		in := "[" + strings.Join(items, ",") + "]"

		out, err := io.ReadAll(&shortStrings{r: strings.NewReader(in), limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		slow, _ := io.ReadAll(&shortStrings{r: iotest.OneByteReader(strings.NewReader(in)), limit: limit})
		if !bytes.Equal(out, slow) {
			t.Fatalf("%s: %s in one block, %s byte by byte", in, out, slow)
		}
		var want, got []any
		if json.Unmarshal([]byte(in), &want) != nil {
			return // the decoder behind refuses what it sees, cut or not
		}
		if err := json.Unmarshal(out, &got); err != nil || len(got) != len(want) {
			t.Fatalf("%s became %s: %v", in, out, err)
		}
		for i := range want {
			text, isText := want[i].(string)
			if !isText {
				continue
			}
			// The last character may have been cut in two.
			if cut := strings.TrimRight(got[i].(string), "\uFFFD"); !strings.HasPrefix(text, cut) || len(text) <= limit/6 && text != cut {
				t.Fatalf("%q became %q", text, got[i])
			}
		}
	})
}

func FuzzReadBody(f *testing.F) {
	f.Add("application/json", []byte(`{"to":"1","a":["\u00e9\"",1.5,null]}`))
	f.Add("application/x-www-form-urlencoded", []byte("a=%41&b[]=1&b[]=2&c"))
	f.Add("multipart/form-data; boundary=B", []byte("--B\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\nx\r\n--B--"))
	f.Fuzz(func(t *testing.T, contentType string, in []byte) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(in))
		r.Header.Set("Content-Type", contentType)
		b, err := readBody(r)
		if (b == nil) == (err == nil) {
			t.Fatal(b, err)
		}
		if err == nil {
			_, _ = many(b)
			for _, rt := range []check{checkText, checkMedia("image"), checkLocation, checkContact, checkPoll, checkList, checkButtons} {
				_, _ = rt(b)
			}
		}
	})
}
