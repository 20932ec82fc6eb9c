package bodyedit

import (
	"errors"
	"strings"
	"testing"
)

func TestRecipients(t *testing.T) {
	for _, test := range []struct {
		contentType, body string
		want              int
	}{
		{"application/json", `{"recipients":["1","2","3"],"message":"a,b"}`, 3},
		{"application/json", `{"to":"1"}`, 1},
		{"application/json", `{"to":"1,2 , 3,,"}`, 3},
		{"application/json", `{"to":"1\u002c2"}`, 2},
		{"application/json", `{"to":"1;2\n3"}`, 3},
		{"application/json", `{"Num\u0062ers":["1"]}`, 1},
		{"application/json", `{"PHONES":[628,629]}`, 2},
		{"application/json", `{"to":628}`, 1},
		{"application/json", `{"contacts":[{"name":"a, b","phone":"1"},"2",{"x":{"y":"["}}]}`, 3},
		{"", ` {"to":["1"]}`, 1},
		{typeForm, "to=1&to=2", 2},
		{typeForm, "to[]=1&to[]=2&to=3", 3},
		{typeForm, "to[0]=1&to[1]=2", 2},
		{typeForm, "recipients=1%2C2,3&message=a,b", 3},
		{typeForm, `recipients=["1","2"]`, 2},
		{typeForm, "phones=+62 8&phones=", 1},
		{multipartB, part("to", "1,2") + part("To[]", "3") + part("a", "x,y") + final, 3},
		{multipartB, "--B0\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n,,\r\n" + part("numbers", "1") + final, 1},
		{multipartB, part("t\u200bo", "1") + final, 1},
	} {
		if got, err := Recipients(test.contentType, []byte(test.body)); err != nil || got != test.want {
			t.Errorf("%s: %d, %v", test.body, got, err)
		}
	}
}

func TestRecipientsRefused(t *testing.T) {
	for _, test := range [][3]string{
		{"application/json", `{}`, "no recipients"},
		{"application/json", `{"message":"x"}`, "no recipients"},
		{"application/json", `{"to":[]}`, "no recipients"},
		{"application/json", `{"to":""}`, "no recipients"},
		{"application/json", `{"to":" , "}`, "no recipients"},
		{"application/json", `{"to":["1"],"recipients":["2"]}`, "more than once"},
		{"application/json", `{"to":["1"],"to":["2"]}`, "more than once"},
		{"application/json", `{"to":[],"TO":["2"]}`, "more than once"},
		{"application/json", `{"to":["1",["2","3"]]}`, "must be an array"},
		{"application/json", `{"to":[{"a":["1","2"]}]}`, "must be an array"},
		{"application/json", `{"to":[{"a":["1","2"],"a":"1"}]}`, "must be an array"},
		{"application/json", `{"to":["1",null]}`, "must be an array"},
		{"application/json", `{"to":[true]}`, "must be an array"},
		{"application/json", `{"to":{"0":"1","1":"2"}}`, "must be an array"},
		{"application/json", `{"to":null}`, "must be an array"},
		{"application/json", `{"to":["1,2"]}`, "each element"},
		{"application/json", `{"to":["1",""]}`, "each element"},
		{typeForm, "a=1", "no recipients"},
		{typeForm, "", "no recipients"},
		{typeForm, "to=&to=,", "no recipients"},
		{typeForm, "to=1&numbers=2", `both "to" and "numbers"`},
		{multipartB, part("to", "1") + part("phones", "2") + final, `both "to" and "phones"`},
		{multipartB, part("a", "1") + final, "no recipients"},
		{multipartB, "--B0\r\nContent-Disposition: form-data; name=to; filename=b\r\n\r\n1\r\n" + final, "file"},
		{multipartB, "--B0\r\nContent-Disposition: form-data; name=to; filename=\"\"\r\n\r\n1\r\n" + final, "file"},
		{"", "", "no recipients"},
	} {
		got, err := Recipients(test[0], []byte(test[1]))
		var refusal *RecipientsError
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Reason, test[2]) || got != 0 {
			t.Errorf("%s: %d, %v", test[1], got, err)
		}
	}
	for _, test := range [][2]string{
		{"application/json", `{"to":["1"]`},
		{"application/json", `{"to":["1"]} x`},
		{typeForm, "to=%"},
		{multipartB, part("to", "1")},
	} {
		var syntax *SyntaxError
		if got, err := Recipients(test[0], []byte(test[1])); !errors.As(err, &syntax) || got != 0 {
			t.Errorf("%s: %d, %v", test[1], got, err)
		}
	}
	if _, err := Recipients("image/png", []byte("x")); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}
