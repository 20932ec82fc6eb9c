package bodyedit

import (
	"testing"
	"unicode"
)

func TestNormalizeName(t *testing.T) {
	for name, want := range map[string]string{
		"sessionid":             "sessionid",
		"session_id":            "sessionid",
		"sessionId":             "sessionid",
		"SessionID":             "sessionid",
		"SESSION-ID":            "sessionid",
		"session.id":            "sessionid",
		" session id ":          "sessionid",
		"session_id[]":          "sessionid",
		"session_id[0][x]":      "sessionid",
		"[session_id]":          "sessionid",
		"session_id]":           "sessionid",
		"[][session_id]":        "sessionid",
		"ſeſſion_id":            "sessionid",
		"ſEſſION_İD":            "sessionid",
		"sessıon_ıd":            "sessionid",
		"toKen":                 "token",
		"session\u00a0id":       "sessionid",
		"session\u200bid":       "sessionid",
		"session\u2011id":       "sessionid",
		"session\u203fid":       "sessionid",
		"\ufeffsession_id":      "sessionid",
		"session\x00_id":        "sessionid",
		"":                      "",
		"_":                     "",
		"to":                    "to",
		"ΣΊΣΥΦΟΣ":               "σίσυφοσ",
		"Σίσυφος":               "σίσυφοσ",
		"\xff":                  "\ufffd",
		"a/b":                   "a/b",
		"Ausgangs-Straße_Nr. 5": "ausgangsstraßenr5",
	} {
		if got := NormalizeName(name); got != want {
			t.Errorf("NormalizeName(%q) = %q, want %q", name, got, want)
		}
	}
}

// Every pair of runes that some server takes for the same letter must fold to one.
func TestFoldRune(t *testing.T) {
	for r := rune(0); r < 0x20000; r++ { // no letter beyond has case
		folded := foldRune(r)
		if foldRune(folded) != folded {
			t.Fatalf("%U folds to %U, which folds to %U", r, folded, foldRune(folded))
		}
		for _, other := range []rune{unicode.SimpleFold(r), unicode.ToLower(r), unicode.ToUpper(r), unicode.ToTitle(r)} {
			if foldRune(other) != folded {
				t.Errorf("%U folds to %U, but %U to %U", r, folded, other, foldRune(other))
			}
		}
	}
}

func TestNormalizeNameAllocatesNothingForNormalNames(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { NormalizeName("sessionid") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestInside(t *testing.T) {
	selects := identity().Drop
	for name, want := range map[string]bool{
		"a[session_id]": true, "a[b][USER]": true, "a.session_id": true, "session_id[a]": true, "user.a": true, "a[b.sessionId]": true,
		"[user]": true, "a[user": true, "a]user": false, "a..user": true,
		"session_id": false, "a": false, "": false, ".": false, "[][": false, "a.b[c]": false, "auser.b": false,
	} {
		if got := Inside(name, selects); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
