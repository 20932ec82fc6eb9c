package message

import "strings"

// cardText escapes a value (RFC 2426 §4).
var cardText = strings.NewReplacer(`\`, `\\`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`, ";", `\;`, ",", `\,`)

// card makes a vCard 3.0 of the other parts. WhatsApp finds the account by waid.
func (c *Contact) card() string {
	var card strings.Builder
	name := cardText.Replace(c.Name)
	card.WriteString("BEGIN:VCARD\r\nVERSION:3.0\r\nN:;" + name + ";;;\r\nFN:" + name + "\r\n")
	if c.Organization != "" {
		card.WriteString("ORG:" + cardText.Replace(c.Organization) + "\r\n")
	}
	if c.Phone != "" {
		card.WriteString("TEL;type=CELL;waid=" + c.Phone + ":+" + c.Phone + "\r\n")
	}
	if c.Email != "" {
		card.WriteString("EMAIL:" + cardText.Replace(c.Email) + "\r\n")
	}
	card.WriteString("END:VCARD")
	return card.String()
}

// ParseVCard finds the name and the number (digits, with country code) in a vCard of
// any version; what it does not hold, or not in a form that can be read, is empty. What
// is no vCard, or more than one, is not ok.
func ParseVCard(card, region string) (name, phone string, ok bool) {
	var begins, ends int
	var structured string
	for line := range cardLines(card) {
		property, value, found := cutProperty(line)
		if !found {
			continue
		}
		head, params, _ := strings.Cut(property, ";")
		if i := strings.LastIndexByte(head, '.'); i >= 0 { // item1.TEL
			head = head[i+1:]
		}
		switch strings.ToUpper(head) {
		case "BEGIN":
			begins++
		case "END":
			ends++
		case "FN":
			if name == "" {
				name = unescapeCard(value)
			}
		case "N":
			structured = structuredName(value)
		case "TEL":
			if phone == "" {
				phone = cardPhone(params, value, region)
			}
		}
	}
	if name == "" {
		name = structured
	}
	return cutLabel(name), phone, begins == 1 && ends == 1
}

func cutLabel(name string) string {
	if name = strings.TrimSpace(name); len(name) > maxLabel {
		name = cutText(name, maxLabel)
	}
	return name
}

// cardLines are the lines of a card, folded ones put together.
func cardLines(card string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var line strings.Builder
		for one := range strings.SplitSeq(strings.ReplaceAll(card, "\r\n", "\n"), "\n") {
			if one != "" && (one[0] == ' ' || one[0] == '\t') {
				line.WriteString(one[1:])
				continue
			}
			if !yield(line.String()) {
				return
			}
			line.Reset()
			line.WriteString(one)
		}
		yield(line.String())
	}
}

// cutProperty splits a line at the colon that no quotes are around.
func cutProperty(line string) (property, value string, found bool) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"':
			quoted = !quoted
		case line[i] == ':' && !quoted:
			return strings.TrimSpace(line[:i]), line[i+1:], true
		}
	}
	return "", "", false
}

// cardPhone reads a number: that of WhatsApp where the card tells it.
func cardPhone(params, value, region string) string {
	for param := range strings.SplitSeq(params, ";") {
		name, id, _ := strings.Cut(param, "=")
		if strings.EqualFold(name, "waid") && allDigits(id) && len(id) >= minPhone && len(id) <= maxPhone {
			return id
		}
	}
	value = strings.TrimSpace(value)
	if len(value) > 4 && strings.EqualFold(value[:4], "tel:") { // RFC 6350
		value, _, _ = strings.Cut(value[4:], ";")
	}
	to, err := ParseRecipient(value, region)
	if err != nil || !to.IsPerson() {
		return ""
	}
	return to.User
}

// structuredName puts family;given;additional;prefixes;suffixes in the order of speech.
func structuredName(value string) string {
	parts := append(splitCard(value), "", "", "", "", "")
	var words []string
	for _, part := range []string{parts[3], parts[1], parts[2], parts[0], parts[4]} {
		if part = strings.TrimSpace(part); part != "" {
			words = append(words, part)
		}
	}
	return strings.Join(words, " ")
}

// splitCard splits at semicolons that are not escaped, and undoes the escapes.
func splitCard(value string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case ';':
			parts = append(parts, unescapeCard(value[start:i]))
			start = i + 1
		}
	}
	return append(parts, unescapeCard(value[start:]))
}

func unescapeCard(value string) string {
	if strings.IndexByte(value, '\\') < 0 {
		return value
	}
	var text strings.Builder
	for i := 0; i < len(value); i++ {
		c := value[i]
		if c == '\\' && i+1 < len(value) {
			i++
			if c = value[i]; c == 'n' || c == 'N' {
				c = '\n'
			}
		}
		text.WriteByte(c)
	}
	return text.String()
}
