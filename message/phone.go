package message

import (
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// How many digits there are in a number with its country code (E.164), and in ids.
const (
	minPhone = 7
	maxPhone = 15
	minGroup = 18 // of a bare group id: more than any number has
	maxID    = 32
)

// ParseRecipient reads whom a message is for, as people write it: a number in
// national form of the region ("0812…", "(0812) 345-678"), with its country code
// ("+62 812-…", "0062812…", "62812…"), a JID in any server's spelling, or the bare id of
// a group. Digits without "+" that do not start with 0 start with a country code; where
// no number is like that, or an area code stands first in parentheses, they are read as
// the region's. A number that is not valid by the library's book is good enough when it
// has a country code that exists and 7 to 15 digits: whether somebody has it, WhatsApp
// knows best. The error is a *FieldError on "to".
func ParseRecipient(s, region string) (Recipient, error) {
	if len(s) > 4*maxID {
		return Recipient{}, errNotRecipient
	}
	s = visible(s)
	if strings.IndexByte(s, '@') >= 0 {
		return parseJID(s, region)
	}
	if id, ok := bareGroup(s); ok {
		return Recipient{id, GroupServer}, nil
	}
	digits, form, ok := phoneDigits(s)
	if !ok {
		return Recipient{}, errNotRecipient
	}
	number, ok := e164(digits, form, strings.ToUpper(region))
	if !ok {
		return Recipient{}, errNotRecipient
	}
	return Recipient{number, UserServer}, nil
}

var errNotRecipient = &FieldError{
	Field: "to", Reason: "must be one phone number with its country code, or the id of a chat",
}

// visible leaves out what a copied number brings along unseen (direction marks, soft
// hyphens), and brings the many kinds of spaces, hyphens and digits to one.
func visible(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII:
			return r
		case unicode.Is(unicode.Cf, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.Is(unicode.Pd, r) || r == '−':
			return '-'
		case '\uff10' <= r && r <= '\uff19': // full width
			return '0' + r - '\uff10'
		case '\u0660' <= r && r <= '\u0669': // Arabic
			return '0' + r - '\u0660'
		case '\u06f0' <= r && r <= '\u06f9': // Persian
			return '0' + r - '\u06f0'
		case r == '＋':
			return '+'
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// parseJID reads what has an @.
func parseJID(s, region string) (Recipient, error) {
	r, ok := ParseJID(s)
	if !ok || len(r.User) > maxID {
		return Recipient{}, errNotRecipient
	}
	switch r.Server {
	case UserServer:
		if r.User[0] == '0' { // a national number before c.us
			number, ok := e164(r.User, plain, strings.ToUpper(region))
			if !ok {
				return Recipient{}, errNotRecipient
			}
			r.User = number
		}
		ok = len(r.User) >= minPhone && len(r.User) <= maxPhone
	case GroupServer:
		ok = groupID(r.User)
	}
	if !ok {
		return Recipient{}, errNotRecipient
	}
	return r, nil
}

// groupID tells whether s is the id of a group: digits, or in the old form the
// number of whoever made it, and when.
func groupID(s string) bool {
	creator, made, old := strings.Cut(s, "-")
	return allDigits(creator) && (!old || allDigits(made))
}

// bareGroup reads a group's id without its server, which no number is as long as.
func bareGroup(s string) (id string, ok bool) {
	count := len(s) - strings.Count(s, "-")
	return s, count >= minGroup && len(s) <= maxID && groupID(s)
}

// numberForm is how a number was written.
type numberForm int

const (
	plain         numberForm = iota
	international            // with a plus
	areaCode                 // with something in parentheses first
)

// phoneDigits takes the digits out of a written number.
func phoneDigits(s string) (digits string, form numberForm, ok bool) {
	var all strings.Builder
	for i, r := range s {
		switch {
		case '0' <= r && r <= '9':
			all.WriteRune(r)
		case r == '+' && all.Len() == 0 && form != international && (i == 0 || s[:i] == "("):
			form = international
		case r == '(' && i == 0:
			form = areaCode
		case r == ' ' || r == '-' || r == '(' || r == ')' || r == '.' || r == '/':
		default:
			return "", form, false
		}
	}
	return all.String(), form, all.Len() > 0
}

// e164 brings digits to those of the number with its country code. form says how they
// were written.
func e164(digits string, form numberForm, region string) (number string, ok bool) {
	if len(digits) > 2*maxPhone {
		return "", false
	}
	world := digits
	if strings.HasPrefix(digits, "00") {
		world = digits[2:]
	}
	withCountry := func() (string, bool, bool) { return withCountry(world) }
	inRegion := func() (string, bool, bool) { return inRegion(digits, region) }
	switch {
	case form == international:
		return firstValid(withCountry)
	case strings.HasPrefix(digits, "00"):
		// Some countries' own prefix for calls abroad only starts like this (001, 009).
		return firstValid(withCountry, inRegion)
	case digits[0] == '0':
		return firstValid(inRegion)
	case form == areaCode:
		return firstValid(inRegion, withCountry)
	}
	return firstValid(withCountry, inRegion)
}

// firstValid is the first reading that is valid; where none is, the first reading
// when it is possible.
func firstValid(readings ...func() (number string, valid, ok bool)) (number string, ok bool) {
	for i, reading := range readings {
		one, valid, possible := reading()
		if valid {
			return one, true
		}
		if i == 0 && possible {
			number, ok = one, true
		}
	}
	return number, ok
}

// withCountry reads digits that begin with a country code.
func withCountry(digits string) (number string, valid, ok bool) {
	parsed, err := phonenumbers.Parse("+"+digits, "")
	if err != nil {
		return "", false, false
	}
	number, valid, ok = written(parsed)
	// WhatsApp's own ids of older Mexican numbers keep the 1 that is not dialled any
	// more, so it stays where it was given.
	const oldMexican = "521"
	if valid && len(digits) == 13 && strings.HasPrefix(digits, oldMexican) {
		number = digits
	}
	return number, valid, ok
}

// inRegion reads digits as they are dialled in a country.
func inRegion(digits, region string) (number string, valid, ok bool) {
	if region == "" {
		return "", false, false
	}
	parsed, err := phonenumbers.Parse(digits, region)
	if err != nil {
		return "", false, false
	}
	number, valid, ok = written(parsed)
	// A prefix for dialling that is still there has not been understood.
	kept := parsed.GetNationalNumber() == 0 || parsed.GetItalianLeadingZero()
	return number, valid, ok && (valid || !kept && phonenumbers.IsPossibleNumber(parsed))
}

// written is the number in digits.
func written(parsed *phonenumbers.PhoneNumber) (number string, valid, ok bool) {
	number = strings.TrimPrefix(phonenumbers.Format(parsed, phonenumbers.E164), "+")
	ok = allDigits(number) && len(number) >= minPhone && len(number) <= maxPhone
	return number, ok && phonenumbers.IsValidNumber(parsed), ok
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
