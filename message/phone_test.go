package message

import (
	"errors"
	"testing"
)

func TestParseRecipient(t *testing.T) {
	for _, test := range []struct{ text, region, want string }{
		// Indonesia
		{"0812-3456-789", "ID", "628123456789@s.whatsapp.net"},
		{"08123456789", "id", "628123456789@s.whatsapp.net"},
		{"+62 812-3456-789", "", "628123456789@s.whatsapp.net"},
		{"+62 (0)812 3456 789", "", "628123456789@s.whatsapp.net"},
		{"+62 0812 3456 789", "", "628123456789@s.whatsapp.net"},
		{"62812.3456.789", "", "628123456789@s.whatsapp.net"},
		{"628123456789", "US", "628123456789@s.whatsapp.net"},
		{"628123456789", "", "628123456789@s.whatsapp.net"},
		{"(0812) 345-678", "ID", "62812345678@s.whatsapp.net"},
		{"0062 812 3456 789", "", "628123456789@s.whatsapp.net"},
		{"0062 812 3456 789", "DE", "628123456789@s.whatsapp.net"},
		{"0011 62 812 3456 789", "AU", "628123456789@s.whatsapp.net"},
		{"(021) 555-0123", "ID", "62215550123@s.whatsapp.net"},
		// what tests and the sandbox use
		{"628120000", "", "628120000@s.whatsapp.net"},
		{"6281200000001", "", "6281200000001@s.whatsapp.net"},
		{"628000000000001", "", "628000000000001@s.whatsapp.net"},
		{"15550000001", "", "15550000001@s.whatsapp.net"},
		// Brazil: the ninth digit is the client's
		{"(11) 96123-4567", "BR", "5511961234567@s.whatsapp.net"},
		{"011 96123-4567", "BR", "5511961234567@s.whatsapp.net"},
		{"+55 11 96123-4567", "", "5511961234567@s.whatsapp.net"},
		{"551161234567", "", "551161234567@s.whatsapp.net"},
		// Mexico: the old 1 stays where it is
		{"+52 1 222 123 4567", "", "5212221234567@s.whatsapp.net"},
		{"5212221234567", "", "5212221234567@s.whatsapp.net"},
		{"+52 222 123 4567", "", "522221234567@s.whatsapp.net"},
		{"222 123 4567", "MX", "522221234567@s.whatsapp.net"},
		// Argentina: 15 becomes 9
		{"011 15-2345-6789", "AR", "5491123456789@s.whatsapp.net"},
		{"+54 9 11 2345 6789", "", "5491123456789@s.whatsapp.net"},
		{"5491123456789", "", "5491123456789@s.whatsapp.net"},
		// USA and Germany
		{"(201) 555-0123", "US", "12015550123@s.whatsapp.net"},
		{"1-201-555-0123", "US", "12015550123@s.whatsapp.net"},
		{"+1 201 555 0123", "", "12015550123@s.whatsapp.net"},
		{"01512 3456789", "DE", "4915123456789@s.whatsapp.net"},
		{"+49 (0) 1512 / 3456789", "", "4915123456789@s.whatsapp.net"},
		{"0044 20 7946 0958", "DE", "442079460958@s.whatsapp.net"},
		{"+39 06 1234 5678", "", "390612345678@s.whatsapp.net"},
		// what is copied along
		{"\u202a+62\u00a0812‑3456‑789\u202c", "", "628123456789@s.whatsapp.net"},
		{"＋６２８１２３４５６７８９", "", "628123456789@s.whatsapp.net"},
		{"٠٨١٢٣٤٥٦٧٨٩", "ID", "628123456789@s.whatsapp.net"},
		{" 628123456789\t", "", "628123456789@s.whatsapp.net"},
		// ids
		{"628123456789@s.whatsapp.net", "", "628123456789@s.whatsapp.net"},
		{"628123456789:12@s.whatsapp.net", "", "628123456789@s.whatsapp.net"},
		{"628123456789@c.us", "", "628123456789@s.whatsapp.net"},
		{"08123456789@c.us", "ID", "628123456789@s.whatsapp.net"},
		{"120363012345678901@g.us", "", "120363012345678901@g.us"},
		{"120363012345678901", "ID", "120363012345678901@g.us"},
		{"628123456789-1412345678", "", "628123456789-1412345678@g.us"},
		{"628123456789-1412345678@g.us", "", "628123456789-1412345678@g.us"},
		{"1203630@g.us", "", "1203630@g.us"},
		{"123456789012345@lid", "", "123456789012345@lid"},
		{"120363012345678901@newsletter", "", "120363012345678901@newsletter"},
	} {
		got, err := ParseRecipient(test.text, test.region)
		if err != nil || got.JID() != test.want {
			t.Errorf("%q in %q: %s, %v", test.text, test.region, got.JID(), err)
		}
	}
}

func TestNoRecipient(t *testing.T) {
	for _, text := range []string{
		"", " ", "x", "+", "0", "00", "-", "()", "hello", "+62", "12345", "628", "0812", "62812x3456789", "62812345678901234",
		"++628123456789", "62+8123456789", "+628123456789,+628123456780", "1-800-FLOWERS", "628123456789;ext=1", "628123456789#1",
		"+999 1234 5678", "1203630123456789", "status@broadcast", "628123456789@", "@s.whatsapp.net", "628123456789@example.com",
		"62812 3456789@s.whatsapp.net", "abc@g.us", "-@g.us", "1-@g.us", "1-2-3@g.us", "123@c.us", "1234567890123456789012345678901234567890",
		"12345678901234567890123456789012345@g.us", "６２８１２\x00３４５６７８９", "\xff628123456789", "628123456789@s.whatsapp.net@g.us",
	} {
		got, err := ParseRecipient(text, "ID")
		bad, is := errors.AsType[*FieldError](err)
		if !is || bad.Field != "to" || got != (Recipient{}) {
			t.Errorf("%q: %s, %v", text, got.JID(), err)
		}
	}
	if got, err := ParseRecipient("0812-3456-789", ""); err == nil {
		t.Errorf("%s of no country", got.JID())
	}
}

func FuzzParseRecipient(f *testing.F) {
	for _, seed := range []string{
		"0812-3456-789", "+62 812", "(0812) 345-678", "0062812", "1203630123456789@g.us", "628-14", "1@lid", "+52 1 222 123 4567",
		"٠٨١", "\u202a+62", "001 62", "628123456789@s.whatsapp.net", "+", "+1 (0) 0",
	} {
		f.Add(seed, "ID")
		f.Add(seed, "")
		f.Add(seed, "MX")
	}
	f.Fuzz(func(t *testing.T, text, region string) {
		r, err := ParseRecipient(text, region)
		if err != nil {
			if _, is := errors.AsType[*FieldError](err); !is || r != (Recipient{}) {
				t.Fatalf("%v, %T", r, err)
			}
			return
		}
		if r.IsPerson() && (!allDigits(r.User) || len(r.User) < minPhone || len(r.User) > maxPhone) {
			t.Fatalf("%q becomes %s", text, r.JID())
		}
		again, err := ParseRecipient(r.JID(), region)
		if err != nil || again != r {
			t.Fatalf("%q becomes %s, and that %s, %v", text, r.JID(), again.JID(), err)
		}
	})
}
