package wuzapi

import (
	"mime"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// mediaMessage is the body for a message with media, which is a data URL in all
// generations; that the newer ones would fetch a URL is left to them alone.
func mediaMessage(fields map[string]any, m *message.Message) (*waserver.Body, error) {
	if m.Media == nil || m.Media.File == nil {
		return nil, &waserver.UnsupportedError{Reason: "the message's media is not there"}
	}
	full := m.Media.MIMEType
	plain, _, _ := mime.ParseMediaType(full)
	embed := &waserver.Embed{File: m.Media.File}
	switch m.Kind {
	case message.KindImage:
		// The server looks at how the data URL starts.
		embed.DataURL = within(plain, "image/", "image/jpeg")
		fields["Image"], fields["Caption"], fields["MimeType"] = embed, m.Caption, embed.DataURL
	case message.KindVideo:
		embed.DataURL = within(plain, "video/", "video/mp4")
		fields["Video"], fields["Caption"], fields["MimeType"] = embed, m.Caption, embed.DataURL
	case message.KindAudio:
		if plain == "audio/opus" {
			plain, full = "audio/ogg", "audio/ogg; codecs=opus"
		}
		embed.DataURL = within(plain, "audio/", "audio/mpeg")
		if embed.DataURL != plain {
			full = embed.DataURL
		}
		// Without ptt everything would be a voice note.
		fields["Audio"], fields["mimetype"], fields["ptt"] = embed, full, m.Voice
	case message.KindDocument:
		// The only type that the older generations take in the data URL. What the document
		// is, MimeType tells the newer ones; the first looks at the content.
		embed.DataURL = "application/octet-stream"
		name := m.Media.Filename
		if name == "" {
			name = "document" // the server takes none without
		}
		fields["Document"], fields["FileName"], fields["Caption"] = embed, name, m.Caption
		if plain != "" {
			fields["MimeType"] = plain
		}
	case message.KindSticker:
		embed.DataURL = within(plain, "image/", "image/webp")
		if strings.HasPrefix(plain, "video/") { // animated; the newer ones convert it
			embed.DataURL = plain
		}
		fields["Sticker"] = embed
	}
	return waserver.JSONMediaBody(fields, embed)
}

// within is a MIME type of a family, else what stands in for it.
func within(mimeType, family, otherwise string) string {
	if strings.HasPrefix(mimeType, family) {
		return mimeType
	}
	return otherwise
}
