package message

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/genfity/wa-gateway/media"
)

const (
	jsonType      = "application/json"
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data; boundary=B0"
)

// png is enough of a picture to be told.
const png = "\x89PNG\r\n\x1a\n"

func parse(t testing.TB, kind Kind, contentType, body string) (*Message, error) {
	t.Helper()
	o := Options{Region: "ID", MaxBytes: 2 << 20, Dir: t.TempDir()}
	m, err := Parse(context.Background(), kind, contentType, strings.NewReader(body), o)
	if m != nil {
		t.Cleanup(func() { m.Close() })
	}
	return m, err
}

func content(t testing.TB, f *media.File) string {
	t.Helper()
	if f == nil {
		return ""
	}
	all, err := io.ReadAll(f.Open())
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// part is a part of multipartType; attributes stand behind its name.
func part(name, attributes, value string) string {
	return "--B0\r\nContent-Disposition: form-data; name=\"" + name + "\"" + attributes + "\r\n\r\n" + value + "\r\n"
}

const final = "--B0--\r\n"

var someone = Recipient{"628123456789", UserServer}

func TestParse(t *testing.T) {
	for _, test := range []struct {
		kind              Kind
		contentType, body string
		want              Message
	}{
		{KindText, jsonType, `{"to":"0812-3456-789","message":"h\u00e9y \ud83d\ude00\n\"","session_id":"x","token":{"a":[1]}}`,
			Message{Text: "héy 😀\n\""}},
		{KindText, "", ` {"To":628123456789,"text":"a","reply_to":"3EB0","replyToSender":"0812 3456 780","mentions":["0812 3456 780","+628123456780",628123456781]}`,
			Message{Text: "a", ReplyTo: "3EB0", ReplyToSender: "628123456780@s.whatsapp.net",
				Mentions: []Recipient{{"628123456780", UserServer}, {"628123456781", UserServer}}}},
		{KindText, formType, `to=%2B62+812-3456-789&message=a+b%2Bc&mentions=0812+3456+780,+1@lid&unknown=1`,
			Message{Text: "a b+c", Mentions: []Recipient{{"628123456780", UserServer}, {"1", HiddenServer}}}},
		{KindText, formType, `mentions[]=08123456780&mentions[]=08123456781&message=x&to=08123456789`,
			Message{Text: "x", Mentions: []Recipient{{"628123456780", UserServer}, {"628123456781", UserServer}}}},
		{KindText, multipartType, part("to", "", "08123456789") + part("message", "", "a\r\nb") + part("file", `; filename="x"`, "ignored") + final,
			Message{Text: "a\r\nb"}},
		{KindText, jsonType, `{"to":"08123456789","message":" ","text":"b","reply_to":null}`, Message{Text: "b"}},

		{KindLocation, jsonType, `{"to":"08123456789","latitude":-6.2,"longitude":106.8e0,"name":"Monas","address":"Jakarta"}`,
			Message{Location: &Location{-6.2, 106.8, "Monas", "Jakarta"}}},
		{KindLocation, formType, `to=08123456789&latitude=-6.2&longitude=106.8`, Message{Location: &Location{Latitude: -6.2, Longitude: 106.8}}},

		{KindContact, jsonType, `{"to":"08123456789","contact":{"name":"Ada","phone":"0812 3456 780"}}`,
			Message{Contact: &Contact{Name: "Ada", Phone: "628123456780", VCard: "BEGIN:VCARD\r\nVERSION:3.0\r\nN:;Ada;;;\r\nFN:Ada\r\nTEL;type=CELL;waid=628123456780:+628123456780\r\nEND:VCARD"}}},
		{KindContact, formType, `to=08123456789&contact_name=Ada&contact_phone=08123456780`,
			Message{Contact: &Contact{Name: "Ada", Phone: "628123456780", VCard: "BEGIN:VCARD\r\nVERSION:3.0\r\nN:;Ada;;;\r\nFN:Ada\r\nTEL;type=CELL;waid=628123456780:+628123456780\r\nEND:VCARD"}}},
		{KindContact, formType, `to=08123456789&contact[name]=Ada&contact[vcard]=BEGIN:VCARD%0AFN:Eve%0ATEL:%2B628123456780%0AEND:VCARD`,
			Message{Contact: &Contact{Name: "Ada", Phone: "628123456780", VCard: "BEGIN:VCARD\nFN:Eve\nTEL:+628123456780\nEND:VCARD"}}},
		{KindContact, jsonType, `{"to":"08123456789","contact":"BEGIN:VCARD\nFN:Eve\nTEL:+628123456780\nEND:VCARD"}`,
			Message{Contact: &Contact{Name: "Eve", Phone: "628123456780", VCard: "BEGIN:VCARD\nFN:Eve\nTEL:+628123456780\nEND:VCARD"}}},

		{KindPoll, jsonType, `{"to":"08123456789","poll":{"question":"When?","options":["now"," later "],"maxAnswers":2}}`,
			Message{Poll: &Poll{"When?", []string{"now", "later"}, 2}}},
		{KindPoll, formType, `to=08123456789&name=When?&options=now&options=later`, Message{Poll: &Poll{"When?", []string{"now", "later"}, 1}}},
		{KindPoll, formType, `to=08123456789&poll[name]=When?&poll[options][]=now&poll[options][1]=later&poll[max_answers]=2`,
			Message{Poll: &Poll{"When?", []string{"now", "later"}, 2}}},
		{KindPoll, multipartType, part("to", "", "08123456789") + part("poll", "", `{"name":"When?","options":["a","b"]}`) + final,
			Message{Poll: &Poll{"When?", []string{"a", "b"}, 1}}},

		{KindList, jsonType, `{"to":"08123456789","list":{"title":"T","description":"D","footer":"F","button":"B","sections":[{"title":"S","rows":[{"id":7,"title":"a","description":"d"},"b"]},{"rows":[{"row_id":"x","text":"c"},{"title":"d"}]}]}}`,
			Message{List: &List{"T", "D", "F", "B", []Section{{"S", []Row{{"7", "a", "d"}, {"2", "b", ""}}}, {"", []Row{{"x", "c", ""}, {"4", "d", ""}}}}}}},
		{KindList, formType, `to=08123456789&message=D&button_text=B&sections=[{"rows":["a"]}]`,
			Message{List: &List{Description: "D", Button: "B", Sections: []Section{{"", []Row{{"1", "a", ""}}}}}}},

		{KindButtons, jsonType, `{"to":"08123456789","message":"M","footer":"F","buttons":["a",{"id":"2x","title":"b"},{"text":"c","url":"https://example.com/"},{"type":"call","text":"d","phone":"+62 812 3456 780"}]}`,
			Message{Buttons: &Buttons{"", "M", "F", []Button{{Type: ButtonReply, ID: "1", Text: "a"}, {Type: ButtonReply, ID: "2x", Text: "b"},
				{Type: ButtonURL, ID: "3", Text: "c", URL: "https://example.com/"}, {Type: ButtonCall, ID: "4", Text: "d", Phone: "628123456780"}}}}},
		{KindButtons, formType, `to=08123456789&buttons={"title":"T","body":"M","buttons":[{"text":"c","code":"X1"}]}`,
			Message{Buttons: &Buttons{"T", "M", "", []Button{{Type: ButtonCopy, ID: "1", Text: "c", Code: "X1"}}}}},
		{KindButtons, formType, `to=08123456789&text=M&buttons=a&buttons=b`,
			Message{Buttons: &Buttons{"", "M", "", []Button{{Type: ButtonReply, ID: "1", Text: "a"}, {Type: ButtonReply, ID: "2", Text: "b"}}}}},
	} {
		test.want.Kind, test.want.To = test.kind, someone
		for name, body := range chunks(test.body) {
			got, err := Parse(context.Background(), test.kind, test.contentType, body, Options{Region: "ID"})
			if err != nil || !reflect.DeepEqual(*got, test.want) {
				t.Errorf("%s, %s: %+v, %v", test.body, name, got, err)
			}
		}
	}
}

// chunks is a body in pieces of all kinds.
func chunks(body string) map[string]io.Reader {
	return map[string]io.Reader{
		"whole": strings.NewReader(body), "bytes": iotest.OneByteReader(strings.NewReader(body)),
		"halves": iotest.HalfReader(strings.NewReader(body)), "data and end": iotest.DataErrReader(strings.NewReader(body)),
	}
}

func TestParseMedia(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(png))
	escaped := strings.ReplaceAll(strings.ReplaceAll(encoded, "=", `\u003d`), "/", `\/`)
	large := strings.Repeat(png, 20_000)
	type want struct {
		kind                         Kind
		content, url, filename, mime string
		caption                      string
	}
	for _, test := range []struct {
		kind              Kind
		contentType, body string
		want              want
	}{
		{KindMedia, jsonType, `{"to":"08123456789","media":"` + encoded + `","caption":"c"}`, want{KindImage, png, "", "image.png", "image/png", "c"}},
		{KindMedia, jsonType, `{"media":"` + escaped + `","filename":"../a/b\\c\u0007.png","message":"m","to":"08123456789"}`, want{KindImage, png, "", "c.png", "image/png", "m"}},
		{KindMedia, jsonType, `{"to":"08123456789","file":"data:application/pdf;name=x%2Fy.pdf;base64,` + encoded + `"}`, want{KindDocument, png, "", "y.pdf", "application/pdf", ""}},
		{KindMedia, jsonType, `{"to":"08123456789","sticker":"` + encoded + `","caption":"none"}`, want{KindSticker, png, "", "sticker.png", "image/png", ""}},
		{KindMedia, jsonType, `{"to":"08123456789","document":"` + encoded + `"}`, want{KindDocument, png, "", "document.png", "image/png", ""}},
		{KindMedia, jsonType, `{"to":"08123456789","media":"AAAA","filename":"x.DOCX"}`, want{KindDocument, "\x00\x00\x00", "", "x.DOCX", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ""}},
		{KindMedia, jsonType, `{"to":"08123456789","media":"AAAA","mimetype":"Audio/OGG; codecs=opus","voice":true,"caption":"none"}`, want{KindAudio, "\x00\x00\x00", "", "audio.ogg", "audio/ogg; codecs=opus", ""}},
		{KindMedia, jsonType, `{"to":"08123456789","media":"aGVsbG8="}`, want{KindDocument, "hello", "", "document.txt", "text/plain; charset=utf-8", ""}},
		{KindMedia, jsonType, `{"to":"08123456789","media":"https://example.com/a.png?b","file":""}`, want{KindMedia, "", "https://example.com/a.png?b", "", "", ""}},
		{KindMedia, jsonType, `{"to":"08123456789","url":"https://example.com/a","mime_type":"video/mp4"}`, want{KindVideo, "", "https://example.com/a", "", "video/mp4", ""}},
		{KindImage, jsonType, `{"to":"08123456789","image":"aGVsbG8","audio":1}`, want{KindImage, "hello", "", "image.jpg", "image/jpeg", ""}},
		{KindImage, jsonType, `{"to":"08123456789","image_url":"https://example.com/a"}`, want{KindImage, "", "https://example.com/a", "", "", ""}},
		{KindVideo, jsonType, `{"to":"08123456789","video":"aGVsbG8"}`, want{KindVideo, "hello", "", "video.mp4", "video/mp4", ""}},
		{KindAudio, jsonType, `{"to":"08123456789","audio":"T2dnUwA="}`, want{KindAudio, "OggS\x00", "", "audio.ogg", "audio/ogg", ""}},
		{KindAudio, jsonType, `{"to":"08123456789","audio":"aGVsbG8","filename":"a.mp3"}`, want{KindAudio, "hello", "", "a.mp3", "audio/mpeg", ""}},
		{KindSticker, jsonType, `{"to":"08123456789","media":"aGVsbG8"}`, want{KindSticker, "hello", "", "sticker.webp", "image/webp", ""}},
		{KindDocument, jsonType, `{"to":"08123456789","media":"JVBERi0="}`, want{KindDocument, "%PDF-", "", "document.pdf", "application/pdf", ""}},

		{KindMedia, formType, "to=08123456789&media=" + url.QueryEscape(encoded), want{KindImage, png, "", "image.png", "image/png", ""}},
		{KindImage, formType, "to=08123456789&image=+/+/&caption=a+b", want{KindImage, "\xfb\xff\xbf", "", "image.jpg", "image/jpeg", "a b"}},
		{KindImage, formType, "to=08123456789&image=data:image/png;base64," + encoded + "&media=", want{KindImage, png, "", "image.png", "image/png", ""}},

		{KindMedia, multipartType, part("to", "", "08123456789") + part("media", "; filename=\"a/b.png\"\r\nContent-Type: image/png", png) + part("caption", "", "c") + final,
			want{KindImage, png, "", "b.png", "image/png", "c"}},
		{KindMedia, multipartType, part("file", "; filename=x\r\nContent-Type: application/octet-stream", png) + part("to", "", "08123456789") + final,
			want{KindImage, png, "", "x", "image/png", ""}},
		{KindVideo, multipartType, part("video", "; filename=\"\"", "") + part("file", "\r\nContent-Type: video/mp4", large) + part("to", "", "08123456789") + final,
			want{KindVideo, large, "", "video.mp4", "video/mp4", ""}},
		{KindMedia, multipartType, part("media", "", encoded) + part("to", "", "08123456789") + part("filename", "", "x.png") + final,
			want{KindImage, png, "", "x.png", "image/png", ""}},
		{KindMedia, multipartType, part("url", "\r\nContent-Type: text/plain", "https://example.com/") + part("to", "", "08123456789") + final,
			want{KindMedia, "", "https://example.com/", "", "", ""}},
	} {
		for name, body := range chunks(test.body) {
			if name == "bytes" && len(test.body) > 10_000 {
				continue
			}
			m, err := Parse(context.Background(), test.kind, test.contentType, body, Options{Region: "ID", Dir: t.TempDir()})
			if err != nil {
				t.Errorf("%.200s, %s: %v", test.body, name, err)
				continue
			}
			got := want{m.Kind, content(t, m.Media.File), m.Media.URL, m.Media.Filename, m.Media.MIMEType, m.Caption}
			if got != test.want || m.To != someone {
				t.Errorf("%.200s, %s: %.300q", test.body, name, fmt.Sprint(got))
			}
			m.Close()
		}
	}
	if m, err := parse(t, KindMedia, jsonType, `{"to":"08123456789","media":"AAAA","mimetype":"audio/ogg","ptt":true}`); err != nil || !m.Voice {
		t.Error(m, err)
	}
}

func TestParseRefused(t *testing.T) {
	const to = `{"to":"08123456789",`
	for _, test := range []struct {
		kind              Kind
		contentType, body string
		field, reason     string
	}{
		{KindText, jsonType, `{}`, "to", "missing"},
		{KindText, "", ``, "to", "missing"},
		{KindText, jsonType, `{"to":"","message":"x"}`, "to", "missing"},
		{KindText, jsonType, `{"to":["08123456789"],"message":"x"}`, "to", "one recipient"},
		{KindText, jsonType, `{"to":"08123456789,08123456780","message":"x"}`, "to", "one recipient"},
		{KindText, jsonType, `{"to":"08123456789\n08123456780","message":"x"}`, "to", "one recipient"},
		{KindText, formType, `to=08123456789&to=08123456780&message=x`, "to", "one recipient"},
		{KindText, formType, `to[]=08123456789&message=x`, "to", "one recipient"},
		{KindText, jsonType, `{"to":true,"message":"x"}`, "to", "phone number"},
		{KindText, jsonType, `{"to":{"a":1},"message":"x"}`, "to", "phone number"},
		{KindText, jsonType, `{"to":6.28e11,"message":"x"}`, "to", "phone number"},
		{KindText, jsonType, `{"to":"hello","message":"x"}`, "to", "phone number"},
		{KindText, jsonType, to + `"TO":"08123456780","message":"x"}`, "to", "more than once"},
		{KindText, jsonType, to + `"message":"x","mess\u0061ge":"y"}`, "message", "more than once"},
		{KindText, formType, `to=08123456789&message=x&message=y`, "message", "more than once"},
		{KindText, jsonType, to + `"message":1}`, "message", "a text"},
		{KindText, jsonType, to + `"message":["x"]}`, "message", "a text"},
		{KindText, jsonType, to + `"message":"a\u0000"}`, "message", "NUL"},
		{KindText, jsonType, to + `"message":"` + strings.Repeat("x", maxText+1) + `"}`, "message", "longer"},
		{KindText, formType, `to=08123456789&message=` + strings.Repeat("x", maxText+1), "message", "long"},
		{KindText, jsonType, to + `"message":"x","mentions":["` + strings.Repeat("x", maxKept) + `"]}`, "mentions", "long"},
		{KindText, multipartType, part("to", "", "08123456789") + part("message", "", "\xff") + final, "message", "UTF-8"},
		{KindText, multipartType, part("to", "", "08123456789") + part("message", "; filename=a", "x") + final, "message", "file"},
		{KindText, jsonType, to + `"message":""}`, "message", "missing"},
		{KindText, jsonType, to + `"message":"x","reply_to":"a b"}`, "reply_to", "spaces"},
		{KindText, jsonType, to + `"message":"x","reply_to":{}}`, "reply_to", "a text"},
		{KindText, jsonType, to + `"message":"x","reply_to_sender":"x"}`, "reply_to_sender", "phone number"},
		{KindText, jsonType, to + `"message":"x","mentions":[{}]}`, "mentions[0]", "phone number"},
		{KindText, jsonType, to + `"message":"x","mentions":["08123456780","1203@g.us"]}`, "mentions[1]", "person"},
		{KindText, jsonType, to + `"message":"x","mentions":true}`, "mentions", "list"},

		{KindImage, jsonType, to + `"caption":"x"}`, "media", "missing"},
		{KindImage, jsonType, to + `"media":"AAAA","image":"AAAA"}`, "image", "beside media"},
		{KindImage, jsonType, to + `"media":"AAAA","media":"https://example.com"}`, "media", "more than once"},
		{KindImage, jsonType, to + `"media":{"url":"https://example.com"}}`, "media", "must be"},
		{KindImage, jsonType, to + `"image":12}`, "image", "must be"},
		{KindImage, jsonType, to + `"image":"hello, world"}`, "image", "base64"},
		{KindImage, jsonType, to + `"image":"ftp://example.com"}`, "image", "base64"},
		{KindImage, jsonType, to + `"image":"data:image/png,x"}`, "image", "base64"},
		{KindImage, jsonType, to + `"image":"data:text/html;base64,AAAA"}`, "image", "type"},
		{KindImage, jsonType, to + `"image":"AAAA","mimetype":"video/mp4"}`, "mimetype", "type"},
		{KindImage, jsonType, to + `"image":"AAAA","mimetype":"x"}`, "mimetype", "MIME"},
		{KindImage, jsonType, to + `"image":"https://example.com","mimetype":"audio/ogg"}`, "mimetype", "type"},
		{KindAudio, jsonType, to + `"media":"AAAA","voice":"true"}`, "voice", "true or false"},
		{KindImage, multipartType, part("to", "", "08123456789") + part("image", "; filename=a", "") + final, "image", "empty"},
		{KindImage, multipartType, part("to", "", "08123456789") + part("image", "; filename=a", "x") + part("image", "; filename=a", "x") + final, "image", "one file"},

		{KindLocation, jsonType, to + `"latitude":1}`, "longitude", "missing"},
		{KindLocation, jsonType, to + `"latitude":"1","longitude":1}`, "latitude", "number"},
		{KindLocation, jsonType, to + `"latitude":91,"longitude":1}`, "latitude", "from -90 to 90"},
		{KindLocation, jsonType, to + `"latitude":1e400,"longitude":1}`, "latitude", "number"},
		{KindLocation, formType, `to=08123456789&latitude=0x1p2&longitude=1`, "latitude", "number"},
		{KindLocation, formType, `to=08123456789&latitude=NaN&longitude=1`, "latitude", "number"},
		{KindLocation, jsonType, to + `"latitude":1,"longitude":1,"name":1}`, "name", "a text"},

		{KindContact, jsonType, to + `"contact":{}}`, "contact.name", "missing"},
		{KindContact, jsonType, to + `"contact":{"name":"x"}}`, "contact.phone", "missing"},
		{KindContact, jsonType, to + `"contact":{"name":"x","phone":"y"}}`, "contact.phone", "phone number"},
		{KindContact, jsonType, to + `"contact":{"name":"x","phone":"120363012345678901@g.us"}}`, "contact.phone", "phone number"},
		{KindContact, jsonType, to + `"contact":{"name":"x","name":"z","phone":"y"}}`, "contact.name", "more than once"},
		{KindContact, jsonType, to + `"contact":{"vcard":"x"}}`, "contact.vcard", "vCard"},
		{KindContact, jsonType, to + `"contact":"x"}`, "contact", "object"},
		{KindContact, formType, `to=08123456789&contact[a][b]=x`, "contact", "too deeply"},

		{KindPoll, jsonType, to + `"poll":{"name":"x"}}`, "poll.options", "2 to 12"},
		{KindPoll, jsonType, to + `"poll":{"name":"x","options":["a","a"]}}`, "poll.options[1]", "already"},
		{KindPoll, jsonType, to + `"poll":{"name":"x","options":["a",1]}}`, "poll.options[1]", "a text"},
		{KindPoll, jsonType, to + `"poll":{"name":"x","options":["a","b"],"max_answers":3}}`, "poll.max_answers", "whole"},
		{KindPoll, jsonType, to + `"poll":{"name":"x","options":["a","b"],"max_answers":1.5}}`, "poll.max_answers", "whole"},
		{KindPoll, jsonType, to + `"poll":{"options":["a","b"]}}`, "poll.name", "missing"},
		{KindPoll, jsonType, to + `"poll":[]}`, "poll", "object"},

		{KindList, jsonType, to + `"list":{"title":"x","sections":[]}}`, "list.sections", "1 to 10"},
		{KindList, jsonType, to + `"list":{"title":"x","sections":[{"rows":[]}]}}`, "list.sections[0].rows", "rows"},
		{KindList, jsonType, to + `"list":{"title":"x","sections":[{"rows":[{"id":"1"}]}]}}`, "list.sections[0].rows[0].title", "missing"},
		{KindList, jsonType, to + `"list":{"title":"x","sections":[{"rows":[{"title":1}]}]}}`, "list.sections[0].rows[0].title", "a text"},
		{KindList, jsonType, to + `"list":{"sections":[{"rows":["a"]}]}}`, "list.description", "missing"},
		{KindList, jsonType, to + `"title":"x","sections":["a"]}`, "sections[0]", "object"},

		{KindButtons, jsonType, to + `"message":"x"}`, "buttons", "1 to 4"},
		{KindButtons, jsonType, to + `"message":"x","buttons":["1","2","3","4","5"]}`, "buttons", "1 to 4"},
		{KindButtons, jsonType, to + `"buttons":["1"]}`, "message", "missing"},
		{KindButtons, jsonType, to + `"buttons":{"buttons":["1"]}}`, "buttons.body", "missing"},
		{KindButtons, jsonType, to + `"message":"x","buttons":[{"title":"a","type":"x"}]}`, "buttons[0].type", "reply"},
		{KindButtons, jsonType, to + `"message":"x","buttons":[{"title":"a","url":"javascript:1"}]}`, "buttons[0].url", "http"},
		{KindButtons, jsonType, to + `"message":"x","buttons":[{"title":"a","type":"call"}]}`, "buttons[0].phone", "missing"},
		{KindButtons, jsonType, to + `"message":"x","buttons":[1]}`, "buttons[0]", "title"},
		{KindButtons, jsonType, to + `"message":"x","buttons":7}`, "buttons", "list"},
	} {
		got, err := parse(t, test.kind, test.contentType, test.body)
		bad, is := errors.AsType[*FieldError](err)
		if !is || bad.Field != test.field || !strings.Contains(bad.Reason, test.reason) {
			t.Errorf("%s %.200s: %+v, %v", test.kind, test.body, got, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range [][2]string{
		{jsonType, `{"to":"1"`}, {jsonType, `[]`}, {jsonType, `{} x`}, {jsonType, `{"a":"\x"}`}, {jsonType, `{"message":"` + "\xff" + `"}`},
		{jsonType, strings.Repeat(`{"a":`, 65) + `1` + strings.Repeat(`}`, 65)},
		{jsonType, `{"media":"aGVs`}, {jsonType, `{"media":"aGVsbG8=","a":}`},
		{formType, `to=%`}, {multipartType, part("to", "", "1")}, {multipartType, part("media", "; filename=a", "1")},
	} {
		m, err := parse(t, KindMedia, test[0], test[1])
		if _, is := errors.AsType[*SyntaxError](err); !is {
			t.Errorf("%.100s: %v, %v", test[1], m, err)
		}
	}
	if _, err := parse(t, KindText, "image/png", "x"); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	if _, err := parse(t, KindText, jsonType, `{"a":"`+strings.Repeat("x", 2<<20)+`"}`); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := parse(t, KindMedia, jsonType, `{"media":"`+strings.Repeat("aaaa", 1<<19)+`"}`); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if _, err := parse(t, "x", jsonType, `{}`); err == nil {
		t.Error("there is a kind x")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Parse(ctx, KindText, jsonType, strings.NewReader(`{}`), Options{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	broken := io.MultiReader(strings.NewReader(`{"media":"aGVs`), iotest.ErrReader(io.ErrClosedPipe))
	if _, err := Parse(context.Background(), KindMedia, jsonType, broken, Options{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// Media of a message that is refused does not stay, however far it got.
func TestRefusedMediaGoes(t *testing.T) {
	large := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(png, 20_000)))
	file := strings.Repeat(png, 20_000)
	for _, test := range []struct {
		kind              Kind
		contentType, body string
	}{
		{KindImage, jsonType, `{"to":"x","media":"` + large + `"}`},
		{KindImage, jsonType, `{"to":"08123456789","media":"` + large + `","caption":1}`},
		{KindImage, jsonType, `{"to":"08123456789","media":"` + large + `","image":"` + large + `"}`},
		{KindImage, jsonType, `{"to":"08123456789","media":"` + large + `","media":"` + large + `"}`},
		{KindImage, jsonType, `{"to":"08123456789","media":"` + large + `","media":"` + large + `","media":1}`},
		{KindImage, jsonType, `{"to":"08123456789","media":"` + large + `","mimetype":"video/mp4"}`},
		{KindImage, jsonType, `{"to":"08123456789","media":"` + large + `"} x`},
		{KindImage, jsonType, `{"to":"08123456789","media":"` + large + `!"}`},
		{KindImage, jsonType, `{"to":"08123456789","media":"` + large},
		{KindImage, formType, `to=08123456789&media=` + large + `&media=` + large},
		{KindImage, formType, `to=08123456789&media=` + large + `&media=` + large + `&media=` + large},
		{KindImage, multipartType, part("to", "", "08123456789") + part("media", "; filename=a", file) + part("image", "; filename=a", file) + final},
		{KindImage, multipartType, part("to", "", "08123456789") + part("media", "; filename=a", file)},
	} {
		if _, err := parse(t, test.kind, test.contentType, test.body); err == nil {
			t.Errorf("%.60s is taken", test.body)
		}
	}
	body := `{"to":["08123456789"],"media":"` + large + `","caption":1}`
	if _, err := ParseBroadcast(jsonType, []byte(body), Options{Region: "ID", Dir: t.TempDir()}); err == nil {
		t.Error("the broadcast is taken")
	}
	if left := openMedia(); left > 0 {
		t.Errorf("%d files are open", left)
	}
}

// openMedia counts the media that this process holds, where the system tells.
func openMedia() (count int) {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	for _, file := range files {
		if name, err := os.Readlink("/proc/self/fd/" + file.Name()); err == nil && strings.Contains(name, "wa-media-") {
			count++
		}
	}
	return count
}
