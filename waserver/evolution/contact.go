package evolution

import (
	"cmp"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

type contactBody struct {
	common
	Contact []contact `json:"contact"`
}

// contact is a card's content: the server writes the card itself, line by line.
type contact struct {
	FullName     string `json:"fullName"`
	WUID         string `json:"wuid,omitempty"` // digits; at least 10, as phoneNumber
	PhoneNumber  string `json:"phoneNumber"`
	Organization string `json:"organization,omitempty"`
	Email        string `json:"email,omitempty"`
}

// minDigits is how many digits the server wants of a contact's number.
const minDigits = 10

func contactOf(b common, m *message.Contact) (outgoing, error) {
	if m.Phone == "" {
		return outgoing{}, &waserver.UnsupportedError{Reason: "contacts without a phone number"}
	}
	who := contact{
		FullName: oneLine(cmp.Or(m.Name, m.Phone)), PhoneNumber: "+" + m.Phone,
		Organization: oneLine(m.Organization), Email: oneLine(m.Email),
	}
	if len(m.Phone) >= minDigits {
		who.WUID = m.Phone
	}
	return outgoing{call: "sendContact", body: contactBody{b, []contact{who}}}, nil
}

// oneLine keeps a value from adding lines to the card that is made of it.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
