package message

import (
	"strings"
	"testing"
)

func TestCard(t *testing.T) {
	c := Contact{Name: "Lovelace; Ada, \\ x\nEND:VCARD", Phone: "628123456789", Organization: "A;B", Email: "a@example.com"}
	card := c.card()
	want := strings.Join([]string{
		"BEGIN:VCARD", "VERSION:3.0", `N:;Lovelace\; Ada\, \\ x\nEND:VCARD;;;`, `FN:Lovelace\; Ada\, \\ x\nEND:VCARD`, `ORG:A\;B`,
		"TEL;type=CELL;waid=628123456789:+628123456789", "EMAIL:a@example.com", "END:VCARD",
	}, "\r\n")
	if card != want {
		t.Error(card)
	}
	name, phone, ok := ParseVCard(card, "")
	if name != c.Name || phone != c.Phone || !ok {
		t.Error(name, phone, ok)
	}
}

func TestParseVCard(t *testing.T) {
	for _, test := range []struct{ card, name, phone string }{
		{"BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nTEL;type=CELL;type=VOICE;waid=628123456789:0812\nEND:VCARD", "Ada", "628123456789"},
		{"begin:vcard\r\nfn:Ada\r\nitem1.TEL:+62 812-3456-789\r\nend:vcard\r\n", "Ada", "628123456789"},
		{"BEGIN:VCARD\nVERSION:2.1\nN:Lovelace;Ada;King;Dr.;PhD\nTEL;CELL:0812 3456 789\nEND:VCARD", "Dr. Ada King Lovelace PhD", "628123456789"},
		{"BEGIN:VCARD\nVERSION:4.0\nFN;TYPE=\"a:b\":Ada\\, x\n y\nTEL;VALUE=uri:tel:+62-812-3456-789;ext=1\nEND:VCARD", "Ada, xy", "628123456789"},
		{"BEGIN:VCARD\nTEL:nothing\nTEL:+628123456789\nEND:VCARD", "", "628123456789"},
		{"BEGIN:VCARD\nFN:\nEND:VCARD", "", ""},
	} {
		name, phone, ok := ParseVCard(test.card, "ID")
		if name != test.name || phone != test.phone || !ok {
			t.Errorf("%q: %q, %q, %t", test.card, name, phone, ok)
		}
	}
	for _, card := range []string{"", "x", "BEGIN:VCARD", "END:VCARD", "BEGIN:VCARD\nEND:VCARD\nBEGIN:VCARD\nEND:VCARD"} {
		if _, _, ok := ParseVCard(card, "ID"); ok {
			t.Errorf("%q is no vCard", card)
		}
	}
}

func FuzzParseVCard(f *testing.F) {
	f.Add("Ada", "BEGIN:VCARD\nN:a\\;b;c\nTEL;waid=628123456789:1\nEND:VCARD")
	f.Add("a;b,c\\\n", "BEGIN:VCARD\nFN:a\\")
	f.Fuzz(func(t *testing.T, name, card string) {
		ParseVCard(card, "ID")
		if strings.TrimSpace(name) == "" || len(name) > maxLabel || strings.Contains(name, "\r") {
			return
		}
		c := Contact{Name: name, Phone: "628123456789"}
		got, phone, ok := ParseVCard(c.card(), "")
		if got != strings.TrimSpace(name) || phone != c.Phone || !ok {
			t.Fatalf("%q becomes %q, %q, %t", name, got, phone, ok)
		}
	})
}
