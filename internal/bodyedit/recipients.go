package bodyedit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/url"
	"strings"
)

// recipientLists are the normalized names under which a broadcast may name its recipients. They
// are all that some server is known to read, so that none goes uncounted beside another.
var recipientLists = map[string]bool{
	"recipients": true, "to": true, "numbers": true, "phones": true, "contacts": true,
	"receivers": true, "targets": true, "phonenumbers": true, "chatids": true, "jids": true,
	"recipient": true, "receiver": true, "target": true, "number": true, "phone": true,
	"phonenumber": true, "chatid": true, "jid": true, "tolist": true, "mobile": true,
	"mobiles": true, "msisdn": true, "msisdns": true, "groups": true, "groupids": true, "list": true,
}

// RecipientsError is the error for a broadcast whose recipients cannot be counted for certain.
type RecipientsError struct {
	Reason string // for the client
}

// Error implements error.
func (e *RecipientsError) Error() string { return e.Reason }

// Recipients tells how many recipients a broadcast names: one or more, or an error. They stand in
// exactly one member: recipients, to, numbers, phones, contacts and the like, in any spelling: in JSON as an
// array of texts, numbers or objects, or as one text with commas; in a form or multipart body as
// repeated fields, which may have commas too. The count is never lower than what a server may
// make of it: semicolons and line breaks separate like commas. Errors are a *RecipientsError or
// those of EditBytes, whose limits apply.
func Recipients(contentType string, body []byte) (int, error) {
	only := Rules{Drop: func(normalized string) bool { return !recipientLists[normalized] }}
	lists, contentType, err := EditBytes(contentType, body, only)
	if err != nil {
		return 0, err
	}
	kind, boundary, err := kindOf(contentType)
	if err != nil {
		return 0, err
	}
	var count recipientCount
	switch kind {
	case kindForm:
		err = count.form(lists)
	case kindMultipart:
		err = count.multipart(lists, boundary)
	case kindJSON:
		err = count.json(lists)
	}
	if err == nil && count.total == 0 {
		err = &RecipientsError{Reason: "the broadcast names no recipients"}
	}
	if err != nil {
		return 0, err
	}
	return count.total, nil
}

// recipientCount adds recipients up. It reads what EditBytes has written, which is well-formed
// and has nothing but recipient lists at the top.
type recipientCount struct {
	list  string // the normalized name in use
	total int
}

// in tells which field comes next.
func (c *recipientCount) in(name string) error {
	normal := NormalizeName(name)
	if !recipientLists[normal] {
		return &RecipientsError{Reason: "the name of a recipient list cannot be read"}
	}
	if c.list != "" && c.list != normal {
		return &RecipientsError{Reason: fmt.Sprintf("the broadcast names recipients in both %q and %q", c.list, normal)}
	}
	c.list = normal
	return nil
}

// text counts the recipients in a text.
func (c *recipientCount) text(text []byte) {
	for len(text) > 0 {
		end := bytes.IndexAny(text, separators)
		one := text
		if text = nil; end >= 0 {
			one, text = one[:end], one[end+1:]
		}
		if len(bytes.TrimSpace(one)) > 0 {
			c.total++
		}
	}
}

func (c *recipientCount) json(lists []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(lists))
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("counting recipients: %w", err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("counting recipients: %w", err)
		}
		if c.list != "" {
			return &RecipientsError{Reason: "the broadcast names recipients more than once"}
		}
		if err := c.in(fmt.Sprint(name)); err != nil {
			return err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("counting recipients: %w", err)
		}
		if err := c.jsonList(value); err != nil {
			return err
		}
	}
	return nil
}

// jsonList counts the recipients in a member's value.
func (c *recipientCount) jsonList(value json.RawMessage) error {
	if value[0] != '[' {
		return c.jsonOne(value, false)
	}
	var elements []json.RawMessage
	if err := json.Unmarshal(value, &elements); err != nil {
		return fmt.Errorf("counting recipients: %w", err)
	}
	for _, element := range elements {
		before := c.total
		if err := c.jsonOne(element, true); err != nil {
			return err
		}
		if c.total != before+1 {
			return &RecipientsError{Reason: "each element of a recipient list must name one recipient"}
		}
	}
	return nil
}

// jsonOne counts the recipients in a value that is not an array.
func (c *recipientCount) jsonOne(value json.RawMessage, element bool) error {
	switch first := value[0]; {
	case first == '"':
		text, _ := appendUnescaped(nil, value[1:len(value)-1])
		c.text(text)
		return nil
	case first == '-' || '0' <= first && first <= '9':
		c.total++
		return nil
	case first == '{' && element && !hasArray(value):
		c.total++
		return nil
	}
	return &RecipientsError{Reason: "recipients must be an array of texts or objects, or one text with commas"}
}

// hasArray tells whether there is a list somewhere in a recipient, which could name several. It
// looks at the text, because a decoder shows only one of two members with the same name.
func hasArray(value []byte) bool {
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '[':
			return true
		case '"':
			end, _ := scanText(value, i+1)
			i = end
		}
	}
	return false
}

func (c *recipientCount) form(lists []byte) error {
	for pair := range strings.SplitSeq(string(lists), "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			return fmt.Errorf("counting recipients: %w", err)
		}
		if err := c.in(name); err != nil {
			return err
		}
		c.text([]byte(value))
	}
	return nil
}

func (c *recipientCount) multipart(lists []byte, boundary string) error {
	parts := multipart.NewReader(bytes.NewReader(lists), boundary)
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("counting recipients: %w", err)
		}
		if strings.Contains(part.Header.Get("Content-Disposition"), `"; filename="`) {
			return &RecipientsError{Reason: "recipients may not come as a file"}
		}
		if err := c.in(part.FormName()); err != nil {
			return err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return fmt.Errorf("counting recipients: %w", err)
		}
		c.text(value)
	}
}
