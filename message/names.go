package message

import "strings"

// nameSet are the members that are read for a kind of message: their names as
// docs/api.md has them, by the normalized ones.
type nameSet struct {
	all   map[string]string
	media map[string]bool
}

// The members that are read for every kind, and for each. Further names of a member
// stand behind it.
var (
	commonNames   = []string{"to", "reply_to", "reply_to_sender", "mentions"}
	textNames     = []string{"message", "text"}
	captionNames  = []string{"caption", "message", "text"}
	filenameNames = []string{"filename", "file_name"}
	mimeNames     = []string{"mimetype", "mime_type"}
	voiceNames    = []string{"voice", "ptt"}
	contactNames  = []string{
		"contact", "contact_name", "contact_phone", "contact_organization", "contact_email", "contact_vcard",
		"name", "full_name", "display_name", "phone", "number", "organization", "company", "email", "vcard",
	}
	pollNames    = []string{"poll", "name", "question", "options", "max_answers", "selectable_count"}
	listNames    = []string{"list", "title", "description", "message", "text", "footer", "button", "button_text", "sections"}
	buttonsNames = []string{"buttons", "title", "message", "text", "body", "footer"}
	placeNames   = []string{"latitude", "longitude", "name", "address"}

	// recipientNames are the lists that a broadcast may name its recipients in.
	recipientNames = []string{"recipients", "to", "numbers", "phones", "contacts"}
)

// anyMedia are the members that hold media of any kind.
var anyMedia = []string{"media", "media_url", "file", "file_url", "url"}

// mediaKinds are the kinds whose name may stand for media.
var mediaKinds = []Kind{KindImage, KindVideo, KindAudio, KindDocument, KindSticker}

// mediaNames are the members that may hold the media of a kind.
func mediaNames(kind Kind) []string {
	names := anyMedia
	for _, one := range mediaKinds {
		if kind == one || kind == KindMedia {
			names = append(names[:len(names):len(names)], string(one), string(one)+"_url")
		}
	}
	return names
}

// kindOfName is the kind that a member for media is called after, if it is.
func kindOfName(name string) (Kind, bool) {
	name = strings.TrimSuffix(name, "_url")
	for _, kind := range mediaKinds {
		if name == string(kind) {
			return kind, true
		}
	}
	return "", false
}

// names are the members that are read for each kind.
var names = map[Kind]*nameSet{
	KindText:     newNames(nil, commonNames, textNames),
	KindMedia:    newMediaNames(KindMedia),
	KindImage:    newMediaNames(KindImage),
	KindVideo:    newMediaNames(KindVideo),
	KindAudio:    newMediaNames(KindAudio),
	KindDocument: newMediaNames(KindDocument),
	KindSticker:  newMediaNames(KindSticker),
	KindLocation: newNames(nil, commonNames, placeNames),
	KindContact:  newNames(nil, commonNames, contactNames),
	KindPoll:     newNames(nil, commonNames, pollNames),
	KindList:     newNames(nil, commonNames, listNames),
	KindButtons:  newNames(nil, commonNames, buttonsNames),
}

// broadcastNames are the members that are read of a broadcast.
var broadcastNames = newNames(mediaNames(KindMedia), recipientNames, []string{"type"},
	[]string{"reply_to", "reply_to_sender", "mentions"}, captionNames, filenameNames, mimeNames,
	voiceNames, placeNames, contactNames, pollNames, listNames, buttonsNames)

func newMediaNames(kind Kind) *nameSet {
	return newNames(mediaNames(kind), commonNames, captionNames, filenameNames, mimeNames, voiceNames)
}

func newNames(media []string, lists ...[]string) *nameSet {
	set := &nameSet{all: make(map[string]string), media: make(map[string]bool)}
	for _, name := range media {
		set.media[normal(name)] = true
	}
	for _, list := range append(lists, media) {
		for _, name := range list {
			set.all[normal(name)] = name
		}
	}
	return set
}
