package message

import (
	"mime"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// octets is the type of what nobody knows the type of.
const octets = "application/octet-stream"

// extensions are the types of files that people send, the usual extension of a type
// first. The system's own table differs from one to the next.
var extensions = []struct{ extension, kind string }{
	{".jpg", "image/jpeg"}, {".jpeg", "image/jpeg"}, {".png", "image/png"}, {".gif", "image/gif"},
	{".webp", "image/webp"}, {".heic", "image/heic"}, {".bmp", "image/bmp"}, {".svg", "image/svg+xml"},
	{".mp4", "video/mp4"}, {".3gp", "video/3gpp"}, {".mov", "video/quicktime"}, {".webm", "video/webm"},
	{".mkv", "video/x-matroska"}, {".avi", "video/avi"},
	{".ogg", "audio/ogg"}, {".oga", "audio/ogg"}, {".opus", "audio/ogg"}, {".mp3", "audio/mpeg"},
	{".m4a", "audio/mp4"}, {".aac", "audio/aac"}, {".amr", "audio/amr"}, {".wav", "audio/wave"},
	{".wav", "audio/wav"}, {".flac", "audio/flac"}, {".webm", "audio/webm"},
	{".pdf", "application/pdf"}, {".zip", "application/zip"}, {".gz", "application/x-gzip"},
	{".doc", "application/msword"}, {".xls", "application/vnd.ms-excel"}, {".ppt", "application/vnd.ms-powerpoint"},
	{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
	{".odt", "application/vnd.oasis.opendocument.text"}, {".ods", "application/vnd.oasis.opendocument.spreadsheet"},
	{".txt", "text/plain"}, {".csv", "text/csv"}, {".html", "text/html"}, {".vcf", "text/vcard"},
	{".json", "application/json"}, {".xml", "application/xml"}, {".xml", "text/xml"},
	{".apk", "application/vnd.android.package-archive"}, {".epub", "application/epub+zip"},
}

// typeOfName is the type that a file name tells, "" if none.
func typeOfName(name string) string {
	extension := strings.ToLower(path.Ext(name))
	for _, known := range extensions {
		if extension != "" && known.extension == extension {
			return known.kind
		}
	}
	return ""
}

// extensionOf is the extension that goes with a type; ".bin" for one that is not known.
func extensionOf(kind string) string {
	base, _, _ := strings.Cut(kind, ";")
	for _, known := range extensions {
		if known.kind == base {
			return known.extension
		}
	}
	return ".bin"
}

// cleanType brings a MIME type to one form; "" for what is none.
func cleanType(text string) string {
	kind, params, err := mime.ParseMediaType(text)
	family, rest, _ := strings.Cut(kind, "/")
	if err != nil || family == "" || rest == "" || strings.Contains(rest, "/") {
		return ""
	}
	return mime.FormatMediaType(kind, params)
}

// vague tells types that say nothing of what the content is: those that clients and
// servers use for anything, and those that content is detected to have which may be
// something in particular (a spreadsheet is a zip file).
func vague(kind string) bool {
	kind, _, _ = strings.Cut(kind, ";")
	if strings.IndexByte(kind, '*') >= 0 {
		return true
	}
	switch kind {
	case "", octets, "binary/octet-stream", "application/binary", "application/zip", "text/plain",
		"application/x-www-form-urlencoded":
		return true
	}
	return false
}

// kindOfType is the kind of message that content of a type is sent as.
func kindOfType(kind string) Kind {
	base, _, _ := strings.Cut(kind, ";")
	family, _, _ := strings.Cut(base, "/")
	switch {
	case base == "image/svg+xml": // WhatsApp shows none
		return KindDocument
	case family == "image":
		return KindImage
	case family == "video":
		return KindVideo
	case family == "audio", base == "application/ogg":
		return KindAudio
	}
	return KindDocument
}

// fits tells whether a message of a kind can have content of a type.
func fits(kind Kind, of string) bool {
	base, _, _ := strings.Cut(of, ";")
	switch is := kindOfType(of); kind {
	case KindImage:
		return is == KindImage
	case KindSticker: // there are servers that make an animated one of a video
		return is == KindImage || is == KindVideo
	case KindVideo:
		return is == KindVideo || base == "application/ogg"
	case KindAudio:
		return is == KindAudio || base == "video/mp4" || base == "video/webm" || base == "video/ogg" || base == "video/3gpp"
	}
	return true
}

// typeFor is the type under which content is sent: containers that hold sound or
// pictures are called by what they are sent as.
func typeFor(kind Kind, of string) string {
	base, params, found := strings.Cut(of, ";")
	switch family, rest, _ := strings.Cut(base, "/"); {
	case kind == KindAudio && (family == "video" || base == "application/ogg"):
		base = "audio/" + rest
	case kind == KindVideo && base == "application/ogg":
		base = "video/ogg"
	}
	if found {
		return base + ";" + params
	}
	return base
}

// cleanFilename takes a name without its folders and control characters, and what is
// too long of it out of its middle. It is "" where nothing of use is left.
func cleanFilename(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Map(func(r rune) rune {
		// Marks that turn the direction of text make exe.pdf of fdp.exe.
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	if strings.Trim(name, ".") == "" {
		return ""
	}
	if len(name) > maxFilename {
		extension := path.Ext(name)
		if len(extension) > 16 {
			extension = ""
		}
		name = cutText(name, maxFilename-len(extension)) + extension
	}
	return name
}

// cutText is what of a text fits in limit bytes, without half a character.
func cutText(text string, limit int) string {
	for !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
