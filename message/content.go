package message

import (
	"fmt"
	"math"
	"strings"
)

func (f *fields) location() (*Location, error) {
	var l Location
	var err error
	if l.Latitude, err = f.degrees("latitude", 90); err != nil {
		return nil, err
	}
	if l.Longitude, err = f.degrees("longitude", 180); err != nil {
		return nil, err
	}
	if l.Name, err = f.label("name"); err != nil {
		return nil, err
	}
	l.Address, err = f.label("address")
	return &l, err
}

func (f *fields) degrees(name string, limit float64) (float64, error) {
	n, there, err := f.number(name)
	if err != nil {
		return 0, err
	}
	if !there {
		return 0, missing(f.path+name, "a number of degrees")
	}
	if math.Abs(n) > limit {
		return 0, wrong(f.path+name, "must be from -%g to %g", limit, limit)
	}
	return n, nil
}

// contact reads the member contact, which may also be a vCard in a text, or the flat
// members, with contact_ before their names or without.
func (f *fields) contact(region string) (*Contact, error) {
	from, prefix := f, "contact_"
	_, value, err := f.find("contact")
	if err != nil {
		return nil, err
	}
	card, isText := value.(string)
	switch {
	case isText && strings.HasPrefix(strings.ToUpper(strings.TrimSpace(card)), "BEGIN:VCARD"):
		from, prefix = newFields("contact.", false), ""
		from.put("vcard", card)
	case value != nil:
		prefix = ""
		if from, err = f.object("contact"); err != nil {
			return nil, err
		}
	}
	var c Contact
	for _, part := range []struct {
		into  *string
		limit int
		names []string
	}{
		{&c.Name, maxLabel, []string{"name", "full_name", "display_name"}},
		{&c.Organization, maxLabel, []string{"organization", "company"}},
		{&c.Email, maxLabel, []string{"email"}},
		{&c.VCard, maxText, []string{"vcard"}},
	} {
		names := append([]string{prefix + part.names[0]}, part.names...)
		text, err := from.text(part.limit, names...)
		if err != nil {
			return nil, err
		}
		*part.into = strings.TrimSpace(text)
	}
	name, value, err := from.find(prefix+"phone", "phone", "number")
	if err != nil {
		return nil, err
	}
	if value != nil {
		to, err := recipientOf(value, region, from.path+name)
		if err != nil {
			return nil, err
		}
		if !to.IsPerson() {
			return nil, wrong(from.path+name, "must be a phone number")
		}
		c.Phone = to.User
	}
	return c.complete(region)
}

// complete fills in what the card says, or makes the card.
func (c *Contact) complete(region string) (*Contact, error) {
	if c.VCard != "" {
		name, phone, ok := ParseVCard(c.VCard, region)
		if !ok {
			return nil, wrong("contact.vcard", "must be one vCard")
		}
		if c.Name == "" {
			c.Name = name
		}
		if c.Phone == "" {
			c.Phone = phone
		}
		if c.Name == "" && c.Phone != "" {
			c.Name = "+" + c.Phone
		}
		return c, nil
	}
	switch {
	case c.Name == "":
		return nil, missing("contact.name", "the contact's name, or a vcard")
	case c.Phone == "":
		return nil, missing("contact.phone", "the contact's number, or a vcard")
	}
	c.VCard = c.card()
	return c, nil
}

func (f *fields) poll() (*Poll, error) {
	from, err := f.object("poll")
	if err != nil {
		return nil, err
	}
	if from == nil {
		from = f
	}
	var p Poll
	if p.Name, err = from.label("name", "question"); err != nil {
		return nil, err
	}
	if p.Name == "" {
		return nil, missing(from.path+"name", "what the poll asks")
	}
	options, err := from.list("options")
	if err != nil {
		return nil, err
	}
	if len(options) < minPollOptions || len(options) > maxPollOptions {
		return nil, wrong(from.path+"options", "must be %d to %d texts", minPollOptions, maxPollOptions)
	}
	for i, option := range options {
		field := fmt.Sprintf("%soptions[%d]", from.path, i)
		text, isText := option.(string)
		if text = strings.TrimSpace(text); !isText || text == "" {
			return nil, wrong(field, "must be a text")
		}
		if err := checkText(field, text, maxLabel); err != nil {
			return nil, err
		}
		for _, other := range p.Options {
			if other == text {
				return nil, wrong(field, "is there already")
			}
		}
		p.Options = append(p.Options, text)
	}
	answers, there, err := from.number("max_answers", "selectable_count")
	if err != nil {
		return nil, err
	}
	if p.MaxAnswers = 1; there {
		if answers != math.Trunc(answers) || answers < 1 || answers > float64(len(options)) {
			return nil, wrong(from.path+"max_answers", "must be a whole number from 1 to that of the options")
		}
		p.MaxAnswers = int(answers)
	}
	return &p, nil
}
