package wuzapi

import (
	"cmp"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// listButton is what opens a list whose sender does not say.
const listButton = "Menu"

// list fills in a list under the names of all generations: Title and Description
// in the first, TopText and Desc since. What they do not know they leave. Most of them
// take none without a title, a description and a button.
func list(fields map[string]any, l *message.List) {
	button := cmp.Or(l.Button, listButton)
	title, description := cmp.Or(l.Title, button), cmp.Or(l.Description, l.Title)
	fields["Title"], fields["TopText"] = title, title
	fields["Description"], fields["Desc"] = description, description
	fields["ButtonText"], fields["FooterText"] = button, l.Footer
	sections := make([]any, len(l.Sections))
	for i, section := range l.Sections {
		rows := make([]any, len(section.Rows))
		for j, row := range section.Rows {
			rows[j] = map[string]any{
				"RowId": row.ID, "title": row.Title, "desc": row.Description, "Description": row.Description,
			}
		}
		sections[i] = map[string]any{"title": section.Title, "rows": rows}
	}
	fields["Sections"] = sections
}

// newerButtons is the body for buttons in the newest form. The title stands in the text:
// the versions before have no text besides the title, and would leave that out without a
// word. Where there is no title they refuse, by which they are known.
func newerButtons(m *message.Message) map[string]any {
	b := m.Buttons
	types := map[message.ButtonType]string{
		message.ButtonReply: "reply", message.ButtonURL: "cta_url", message.ButtonCall: "cta_call", message.ButtonCopy: "copy",
	}
	all := make([]any, len(b.Buttons))
	for i, button := range b.Buttons {
		one := map[string]any{"type": types[button.Type], "title": button.Text, "id": button.ID}
		switch button.Type {
		case message.ButtonURL:
			one["url"] = button.URL
		case message.ButtonCall:
			one["phone_number"] = button.Phone
		case message.ButtonCopy:
			one["copy_code"] = button.Code
		}
		all[i] = one
	}
	fields := map[string]any{"Phone": phone(m.To), "Body": paragraphs(b.Title, b.Body), "Buttons": all}
	if b.Footer != "" {
		fields["Footer"] = b.Footer
	}
	return fields
}

// olderButtons is the body for buttons in the form of the versions before, where the title
// is all the text that there is, and a button can only be answered with.
func olderButtons(m *message.Message) (map[string]any, error) {
	b := m.Buttons
	all := make([]any, len(b.Buttons))
	for i, button := range b.Buttons {
		if button.Type != message.ButtonReply {
			return nil, &waserver.UnsupportedError{Reason: "this version of wuzapi has buttons for replies only"}
		}
		all[i] = map[string]any{"ButtonId": button.ID, "ButtonText": button.Text}
	}
	return map[string]any{"Phone": phone(m.To), "Title": paragraphs(b.Title, b.Body, b.Footer), "Buttons": all}, nil
}

// paragraphs puts together those of the texts that are there.
func paragraphs(texts ...string) string {
	var there []string
	for _, text := range texts {
		if text != "" {
			there = append(there, text)
		}
	}
	return strings.Join(there, "\n\n")
}
