package message

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

var fuzzKinds = []Kind{
	KindText, KindMedia, KindImage, KindAudio, KindSticker, KindLocation, KindContact, KindPoll, KindList, KindButtons,
}

// FuzzParseJSON holds texts to what encoding/json makes of them, and every kind to
// saying the same however the body comes.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{
		`{"to":"08123456789","message":"a\u00e9\ud83d\ude00\ud83d\n\/"}`, `{"to":628123456789,"text":"x","reply_to":"y","mentions":["08123456780"]}`,
		`{"to":"08123456789","media":"aGVsbG8=","caption":"x"}`, `{"media":"data:a/b;base64,\u0061GVsbG8="}`, `{"image":"https:\/\/example.com\/a"}`,
		`{"to":"08123456789","latitude":1,"longitude":-1.5e1}`, `{"contact":{"name":"x","phone":"08123456789"},"to":"08123456789"}`,
		`{"to":"08123456789","poll":{"name":"x","options":["a","b"]}}`, `{"to":"08123456789","title":"x","sections":[{"rows":["a",{"title":"b","id":1}]}]}`,
		`{"to":"08123456789","message":"x","buttons":["a",{"title":"b","url":"http:\/\/a"}]}`, `{"a":[{}],"message":null}`, `{"message":"\ud800\u0041"}`,
	} {
		for kind := range fuzzKinds {
			f.Add(seed, uint8(kind))
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, body string, which uint8) {
		kind := fuzzKinds[int(which)%len(fuzzKinds)]
		o := Options{Region: "ID", Dir: dir, MaxBytes: 1 << 20}
		whole, err := Parse(context.Background(), kind, jsonType, strings.NewReader(body), o)
		pieces, err2 := Parse(context.Background(), kind, jsonType, iotest.OneByteReader(strings.NewReader(body)), o)
		if (err == nil) != (err2 == nil) { // of two mistakes, either may be told
			t.Fatalf("%v and %v", err, err2)
		}
		if err != nil {
			_, field := errors.AsType[*FieldError](err)
			_, syntax := errors.AsType[*SyntaxError](err)
			if !field && !syntax {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		defer whole.Close()
		defer pieces.Close()
		if whole.Media != nil {
			if content(t, whole.Media.File) != content(t, pieces.Media.File) {
				t.Fatal("the pieces hold something else")
			}
			a, b := *whole.Media, *pieces.Media
			if a.Filename != cleanFilename(a.Filename) || len(a.Filename) > maxFilename || !utf8.ValidString(a.Filename) {
				t.Fatalf("a file called %q", a.Filename)
			}
			whole.Media.File, pieces.Media.File = nil, nil
			defer func() { whole.Media.File, pieces.Media.File = a.File, b.File }()
		}
		if !reflect.DeepEqual(whole, pieces) {
			t.Fatalf("%+v and %+v", whole, pieces)
		}
		if kind == KindText {
			checkTexts(t, body, whole)
		}
	})
}

// checkTexts compares with what encoding/json reads, where the members are called just
// as they should be.
func checkTexts(t *testing.T, body string, m *Message) {
	var members map[string]any
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatalf("encoding/json does not read it: %v", err)
	}
	text, is := members["message"].(string)
	if is && strings.TrimSpace(text) != "" && m.Text != text {
		t.Fatalf("%q and %q", m.Text, text)
	}
	reply, is := members["reply_to"].(string)
	if is && strings.TrimSpace(reply) != m.ReplyTo {
		t.Fatalf("%q and %q", m.ReplyTo, reply)
	}
}

func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{
		"to=08123456789&message=x", "to=08123456789&media=aGVsbG8+&caption=%C3%A9", "to=08123456789&poll[name]=x&poll[options][]=a&poll[options][]=b",
		"to=08123456789&contact={\"name\":\"x\",\"phone\":\"08123456789\"}", "to=08123456789&buttons=a&message=b&buttons=c",
		"to=08123456789&sections=[{\"rows\":[\"a\"]}]&title=x", "to[]=1", "latitude=1&longitude=2&to=08123456789",
	} {
		for kind := range fuzzKinds {
			f.Add(formType, seed, uint8(kind))
		}
	}
	f.Add(multipartType, part("to", "", "08123456789")+part("media", "; filename=a.png", png)+final, uint8(1))
	f.Add(multipartType, part("to", "", "08123456789")+part("message", "", "x")+final, uint8(0))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, contentType, body string, which uint8) {
		kind := fuzzKinds[int(which)%len(fuzzKinds)]
		o := Options{Region: "ID", Dir: dir, MaxBytes: 1 << 20}
		whole, err := Parse(context.Background(), kind, contentType, strings.NewReader(body), o)
		pieces, err2 := Parse(context.Background(), kind, contentType, iotest.OneByteReader(strings.NewReader(body)), o)
		if (err == nil) != (err2 == nil) { // of two mistakes, either may be told
			t.Fatalf("%v and %v", err, err2)
		}
		if err != nil {
			return
		}
		if whole.To != pieces.To || whole.Text != pieces.Text || whole.Kind != pieces.Kind || !reflect.DeepEqual(whole.Poll, pieces.Poll) ||
			!reflect.DeepEqual(whole.Contact, pieces.Contact) || !reflect.DeepEqual(whole.Buttons, pieces.Buttons) {
			t.Fatalf("%+v and %+v", whole, pieces)
		}
		whole.Close()
		pieces.Close()
	})
}
