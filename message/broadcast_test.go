package message

import (
	"errors"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/internal/bodyedit"
)

func TestParseBroadcast(t *testing.T) {
	for _, test := range []struct {
		contentType, body string
		kind              Kind
		recipients        string
	}{
		{jsonType, `{"recipients":["08123456780","+62 812 3456 781"],"message":"a,b"}`, KindText, "628123456780 628123456781"},
		{jsonType, `{"to":"08123456780, 08123456781;08123456780","text":"x"}`, KindText, "628123456780 628123456781 628123456780"},
		{jsonType, `{"numbers":[628123456780],"text":"x","session_id":"y"}`, KindText, "628123456780"},
		{jsonType, `{"contacts":[{"name":"a, b","phone":"08123456780"},{"jid":"1203@g.us"},"08123456781"],"text":"x"}`, KindText, "628123456780 1203 628123456781"},
		{jsonType, `{"phones":["08123456780","08123456781"],"image":"aGVsbG8=","caption":"c"}`, KindImage, "628123456780 628123456781"},
		{jsonType, `{"phones":["08123456780"],"media":"JVBERi0=","message":"c"}`, KindDocument, "628123456780"},
		{jsonType, `{"phones":["08123456780"],"url":"https://example.com/"}`, KindMedia, "628123456780"},
		{jsonType, `{"to":["08123456780"],"latitude":1,"longitude":2}`, KindLocation, "628123456780"},
		{jsonType, `{"to":["08123456780"],"poll":{"name":"x","options":["a","b"]}}`, KindPoll, "628123456780"},
		{jsonType, `{"to":["08123456780"],"sections":[{"rows":["a"]}],"title":"x"}`, KindList, "628123456780"},
		{jsonType, `{"to":["08123456780"],"message":"x","buttons":["a"]}`, KindButtons, "628123456780"},
		{jsonType, `{"to":["08123456780"],"contact":{"name":"x","phone":"08123456781"}}`, KindContact, "628123456780"},
		{jsonType, `{"to":["08123456780"],"type":"Text","message":"x","media":"aGVsbG8="}`, KindText, "628123456780"},
		{jsonType, `{"to":["08123456780"],"type":"document","media":"aGVsbG8="}`, KindDocument, "628123456780"},
		{formType, `to=08123456780&to=08123456781&message=x`, KindText, "628123456780 628123456781"},
		{formType, `to[]=08123456780&to[1]=08123456781,08123456782&message=x`, KindText, "628123456780 628123456781 628123456782"},
		{formType, `recipients=["08123456780","08123456781"]&message=x`, KindText, "628123456780 628123456781"},
		{multipartType, part("to", "", "08123456780\r\n08123456781") + part("media", "; filename=a.pdf", "x") + final, KindDocument, "628123456780 628123456781"},
	} {
		messages, err := ParseBroadcast(test.contentType, []byte(test.body), Options{Region: "ID", Dir: t.TempDir()})
		if err != nil {
			t.Errorf("%s: %v", test.body, err)
			continue
		}
		var got []string
		for _, m := range messages {
			got = append(got, m.To.User)
			if m.Kind != test.kind {
				t.Errorf("%s: it is %s", test.body, m.Kind)
			}
		}
		if strings.Join(got, " ") != test.recipients {
			t.Errorf("%s: %s", test.body, got)
		}
		// Each has the content until it is closed itself.
		for i, m := range messages {
			if m.Media != nil && m.Media.File != nil && content(t, m.Media.File) == "" {
				t.Errorf("%s: nothing left for message %d", test.body, i)
			}
			m.Close()
		}
	}
}

func TestBroadcastRefused(t *testing.T) {
	for _, test := range [][3]string{
		{`{"to":["08123456780","x"],"message":"x"}`, "to[1]", "phone number"},
		{`{"contacts":[{"name":"x"}],"message":"x"}`, "contacts[0]", "phone number"},
		{`{"contacts":[{"phone":"1","PHONE":"2"}],"message":"x"}`, "contacts[0].phone", "more than once"},
		{`{"targets":["08123456780"],"message":"x"}`, "recipients", "one list"},
		{`{"to":["08123456780"]}`, "message", "missing"},
		{`{"to":["08123456780"],"type":"x","message":"x"}`, "type", "kind"},
		{`{"to":["08123456780"],"type":"image","message":"x"}`, "media", "missing"},
	} {
		_, err := ParseBroadcast(jsonType, []byte(test[0]), Options{Region: "ID"})
		bad, is := errors.AsType[*FieldError](err)
		if !is || bad.Field != test[1] || !strings.Contains(bad.Reason, test[2]) {
			t.Errorf("%s: %v", test[0], err)
		}
	}
	for _, body := range []string{`{}`, `{"to":[]}`, `{"to":["1"],"numbers":["2"]}`, `{"to":[["1","2"]]}`, `{"to":{"a":1}}`} {
		_, err := ParseBroadcast(jsonType, []byte(body), Options{})
		if _, is := errors.AsType[*RecipientsError](err); !is {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// As many messages are made as recipients were counted for the limit.
func FuzzParseBroadcast(f *testing.F) {
	for _, seed := range []string{
		`{"to":["08123456780"],"message":"x"}`, `{"to":"08123456780;08123456781","message":"x"}`,
		`{"contacts":[{"phone":"08123456780"}],"message":"x"}`, `{"T.O":628123456780,"message":"x"}`,
	} {
		f.Add(jsonType, []byte(seed))
	}
	f.Add(formType, []byte(`to=08123456780&to[]=08123456781&message=x`))
	f.Add(formType, []byte(`recipients=["08123456780",628123456780]&message=x`))
	f.Add(multipartType, []byte(part("to", "", "08123456780")+part("message", "", "x")+final))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		messages, err := ParseBroadcast(contentType, body, Options{Region: "ID", Dir: dir})
		if err != nil {
			return
		}
		if count, err := bodyedit.Recipients(contentType, body); count != len(messages) || err != nil {
			t.Fatalf("%d messages, %d recipients, %v", len(messages), count, err)
		}
		for _, m := range messages {
			m.Close()
		}
	})
}
