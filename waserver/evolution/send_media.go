package evolution

import (
	"mime"
	"path"
	"strings"

	"github.com/genfity/wa-gateway/message"
	"github.com/genfity/wa-gateway/waserver"
)

// mediaBody is an image, a video, a document or a plain audio file.
//
// The server takes the media's type from the ending of a file's name where there is
// one, and knows no type for a name without: so only documents, which need one, have a
// name.
type mediaBody struct {
	common
	MediaType string          `json:"mediatype"`
	MIMEType  string          `json:"mimetype,omitempty"`
	Caption   string          `json:"caption,omitempty"`
	FileName  string          `json:"fileName,omitempty"`
	Media     *waserver.Embed `json:"media"` // plain base64
}

// voiceBody is a voice note, which the server makes of any audio.
type voiceBody struct {
	common
	Encoding bool            `json:"encoding"`
	Audio    *waserver.Embed `json:"audio"`
}

// stickerBody is a sticker. The server makes WebP of anything else; WebP stays as it
// is, since by being made anew it would lose its movement.
type stickerBody struct {
	common
	NotConvertSticker bool            `json:"notConvertSticker"`
	Sticker           *waserver.Embed `json:"sticker"`
}

func mediaOf(b common, m *message.Message) (outgoing, error) {
	content := &waserver.Embed{File: m.Media.File}
	switch {
	case m.Kind == message.KindSticker:
		return outgoing{"sendSticker", stickerBody{b, baseType(m.Media.MIMEType) == "image/webp", content}, content}, nil
	case m.Kind == message.KindAudio && m.Voice:
		return outgoing{"sendWhatsAppAudio", voiceBody{b, true, content}, content}, nil
	}
	body := mediaBody{common: b, MediaType: string(m.Kind), MIMEType: m.Media.MIMEType, Caption: m.Caption, Media: content}
	if m.Kind == message.KindDocument {
		body.FileName = documentName(m.Media)
	}
	return outgoing{"sendMedia", body, content}, nil
}

func bodyOf(out outgoing) (*waserver.Body, error) {
	if out.content == nil {
		return waserver.JSONBody(out.body)
	}
	return waserver.JSONMediaBody(out.body, out.content)
}

func baseType(mimeType string) string {
	base, _, _ := mime.ParseMediaType(mimeType)
	return base
}

// endings are those of common documents' names.
var endings = map[string]string{
	"application/pdf": ".pdf", "application/zip": ".zip", "application/json": ".json", "application/xml": ".xml", "text/xml": ".xml",
	"application/msword": ".doc", "application/vnd.ms-excel": ".xls", "application/vnd.ms-powerpoint": ".ppt", "application/rtf": ".rtf",
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   ".docx",
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         ".xlsx",
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
	"text/plain": ".txt", "text/csv": ".csv", "text/html": ".html", "image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp",
	"image/gif": ".gif", "video/mp4": ".mp4", "audio/mpeg": ".mp3", "audio/mp4": ".m4a", "audio/ogg": ".ogg",
}

// documentName is a name for a document, with an ending: the server needs both.
func documentName(m *message.Media) string {
	name := m.Filename
	if name == "" {
		name = "file"
	}
	if ending := path.Ext(name); len(ending) > 1 && !strings.ContainsAny(ending, " ") {
		return name
	}
	ending := endings[baseType(m.MIMEType)]
	if ending == "" {
		ending = ".bin"
	}
	return strings.TrimRight(name, ".") + ending
}
