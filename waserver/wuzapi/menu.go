package wuzapi

import (
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// list fills in a list under the names of all generations: Title and Description
// in the first, TopText and Desc since. What they do not know they leave.
func list(fields map[string]any, l *message.List) {
	fields["Title"], fields["TopText"] = l.Title, l.Title
	fields["Description"], fields["Desc"] = l.Description, l.Description
	fields["ButtonText"], fields["FooterText"] = l.Button, l.Footer
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

// buttons fills in buttons in the newest form, and what the older ones read of them
// where that is something else.
func buttons(fields map[string]any, link *waserver.Link, b *message.Buttons) {
	fields["Body"] = b.Body
	if b.Title != "" {
		fields["Title"] = b.Title
	}
	if b.Footer != "" {
		fields["Footer"] = b.Footer
	}
	if first(link) {
		// There the title is all the text that there is.
		var parts []string
		for _, part := range []string{b.Title, b.Body, b.Footer} {
			if part != "" {
				parts = append(parts, part)
			}
		}
		fields["Title"] = strings.Join(parts, "\n\n")
	}
	types := map[message.ButtonType]string{
		message.ButtonReply: "reply", message.ButtonURL: "cta_url", message.ButtonCall: "cta_call", message.ButtonCopy: "copy",
	}
	all := make([]any, len(b.Buttons))
	for i, button := range b.Buttons {
		one := map[string]any{
			"type": types[button.Type], "title": button.Text, "id": button.ID,
			"ButtonId": button.ID, "ButtonText": button.Text,
		}
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
	fields["Buttons"] = all
}
