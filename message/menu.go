package message

import (
	"fmt"
	"net/url"
	"strconv"
)

// listMessage reads the member list, or the flat members.
func (f *fields) listMessage() (*List, error) {
	from, err := f.object("list")
	if err != nil {
		return nil, err
	}
	if from == nil {
		from = f
	}
	var l List
	for _, part := range []struct {
		into  *string
		names []string
	}{
		{&l.Title, []string{"title"}},
		{&l.Footer, []string{"footer"}},
		{&l.Button, []string{"button", "button_text"}},
	} {
		if *part.into, err = from.label(part.names...); err != nil {
			return nil, err
		}
	}
	if l.Description, err = from.text(maxText, "description", "message", "text"); err != nil {
		return nil, err
	}
	if l.Title == "" && l.Description == "" {
		return nil, missing(from.path+"description", "the text above the list")
	}
	sections, err := from.list("sections")
	if err != nil {
		return nil, err
	}
	if len(sections) == 0 || len(sections) > maxSections {
		return nil, wrong(from.path+"sections", "must be 1 to %d sections", maxSections)
	}
	rows := 0
	for i, item := range sections {
		section, err := readSection(item, fmt.Sprintf("%ssections[%d]", from.path, i), rows)
		if err != nil {
			return nil, err
		}
		if rows += len(section.Rows); rows > maxRows {
			return nil, wrong(from.path+"sections", "must have at most %d rows", maxRows)
		}
		l.Sections = append(l.Sections, section)
	}
	return &l, nil
}

// readSection reads a section, before which there are rows already.
func readSection(item any, path string, before int) (s Section, err error) {
	from, isObject := item.(*fields)
	if !isObject {
		return s, wrong(path, "must be an object")
	}
	if s.Title, err = from.label("title"); err != nil {
		return s, err
	}
	rows, err := from.list("rows")
	if err != nil {
		return s, err
	}
	if len(rows) == 0 || len(rows) > maxRows {
		return s, wrong(path+".rows", "must be 1 to %d rows", maxRows)
	}
	for i, item := range rows {
		row := Row{ID: strconv.Itoa(before + i + 1)}
		field := fmt.Sprintf("%s.rows[%d]", path, i)
		if row.Title, err = titleOf(item, field); err != nil {
			return s, err
		}
		if from, isObject := item.(*fields); isObject {
			id, err := idOf(from, "id", "row_id")
			if err != nil {
				return s, err
			}
			if id != "" {
				row.ID = id
			}
			if row.Description, err = from.label("description"); err != nil {
				return s, err
			}
		}
		s.Rows = append(s.Rows, row)
	}
	return s, nil
}

// titleOf reads the title of a row or button, which may be nothing but a text.
func titleOf(item any, field string) (title string, err error) {
	switch item := item.(type) {
	case string:
		title, err = item, checkText(field, item, maxLabel)
	case *fields:
		field += ".title"
		title, err = item.label("title", "text")
	default:
		return "", wrong(field, "must be a text, or an object with a title")
	}
	if err == nil && title == "" {
		err = missing(field, "what it says")
	}
	return title, err
}

// idOf reads an id, which may be a number.
func idOf(f *fields, names ...string) (string, error) {
	_, value, err := f.find(names...)
	if err != nil {
		return "", err
	}
	if number, is := value.(interface{ String() string }); is {
		return number.String(), nil
	}
	return f.label(names...)
}

// buttonsMessage reads buttons as a list beside message, or as an object with all.
func (f *fields) buttonsMessage() (*Buttons, error) {
	from := f
	_, value, err := f.find("buttons")
	if err != nil {
		return nil, err
	}
	if _, isList := value.([]any); !isList && value != nil {
		// A form's text may be either.
		if object, err := f.object("buttons"); err == nil {
			from = object
		}
	}
	var b Buttons
	if b.Title, err = from.label("title"); err != nil {
		return nil, err
	}
	if b.Footer, err = from.label("footer"); err != nil {
		return nil, err
	}
	body := []string{"message", "text", "body"}
	if from != f {
		body = []string{"body", "message", "text"}
	}
	if b.Body, err = from.text(maxText, body...); err != nil {
		return nil, err
	}
	if b.Body == "" {
		return nil, missing(from.path+body[0], "the text above the buttons")
	}
	items, err := from.list("buttons")
	if err != nil {
		return nil, err
	}
	if len(items) == 0 || len(items) > maxButtons {
		return nil, wrong(from.path+"buttons", "must be 1 to %d buttons", maxButtons)
	}
	for i, item := range items {
		button, err := readButton(item, fmt.Sprintf("%sbuttons[%d]", from.path, i), i)
		if err != nil {
			return nil, err
		}
		b.Buttons = append(b.Buttons, button)
	}
	return &b, nil
}

// buttonTypes are the words for the types.
var buttonTypes = map[string]ButtonType{
	"reply": ButtonReply, "quick_reply": ButtonReply, "url": ButtonURL, "call": ButtonCall,
	"copy": ButtonCopy,
}

func readButton(item any, path string, index int) (b Button, err error) {
	b = Button{Type: ButtonReply, ID: strconv.Itoa(index + 1)}
	if b.Text, err = titleOf(item, path); err != nil {
		return b, err
	}
	from, isObject := item.(*fields)
	if !isObject {
		return b, nil
	}
	id, err := idOf(from, "id")
	if err != nil {
		return b, err
	}
	if id != "" {
		b.ID = id
	}
	word, err := from.label("type")
	if err != nil {
		return b, err
	}
	switch {
	case word != "":
		var known bool
		if b.Type, known = buttonTypes[word]; !known {
			return b, wrong(path+".type", "must be reply, url, call or copy")
		}
	case from.has("url"):
		b.Type = ButtonURL
	case from.has("phone"):
		b.Type = ButtonCall
	case from.has("code"):
		b.Type = ButtonCopy
	}
	return b, b.target(from, path)
}

// target reads what a button leads to.
func (b *Button) target(from *fields, path string) (err error) {
	switch b.Type {
	case ButtonURL:
		b.URL, err = from.text(2<<10, "url")
		if err == nil && !webURL(b.URL) {
			err = wrong(path+".url", "must be an http or https URL")
		}
	case ButtonCall:
		_, value, bad := from.find("phone")
		if bad != nil {
			return bad
		}
		if value == nil {
			return missing(path+".phone", "the number to call")
		}
		var to Recipient
		to, err = recipientOf(value, "", path+".phone")
		b.Phone = to.User
	case ButtonCopy:
		b.Code, err = from.label("code")
		if err == nil && b.Code == "" {
			err = missing(path+".code", "the text to copy")
		}
	}
	return err
}

func webURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https")
}
