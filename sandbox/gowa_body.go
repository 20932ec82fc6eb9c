package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// gowaBody has the fields of all sends, by the names that they have in every kind of body.
type gowaBody struct {
	Phone     string   `json:"phone"`
	Duration  *int     `json:"duration"`
	Forwarded bool     `json:"is_forwarded"`
	Reply     *string  `json:"reply_message_id"`
	Message   string   `json:"message"`
	Mentions  []string `json:"mentions"`
	Caption   string   `json:"caption"`
	Link      string   `json:"link"`
	ImageURL  *string  `json:"image_url"`
	VideoURL  *string  `json:"video_url"`
	AudioURL  *string  `json:"audio_url"`
	FileURL   *string  `json:"file_url"`
	Sticker   *string  `json:"sticker_url"`
	ViewOnce  bool     `json:"view_once"`
	Compress  bool     `json:"compress"`
	HD        bool     `json:"hd"`
	Gif       bool     `json:"gif_playback"`
	PTT       bool     `json:"ptt"`
	Latitude  string   `json:"latitude"`
	Longitude string   `json:"longitude"`
	Name      string   `json:"contact_name"`
	Contact   string   `json:"contact_phone"`
	Question  string   `json:"question"`
	Options   []string `json:"options"`
	MaxAnswer int      `json:"max_answer"`

	// Files come as parts of a form only: in JSON anything but null is a wrong type.
	NoImage   *struct{} `json:"image"`
	NoVideo   *struct{} `json:"video"`
	NoAudio   *struct{} `json:"audio"`
	NoFile    *struct{} `json:"file"`
	NoSticker *struct{} `json:"sticker"`

	files map[string]*attachment
}

var errNoBody = errors.New("Unprocessable Entity") //nolint:staticcheck // the server's own words

// readGowa reads JSON, a form or a multipart form, by the Content-Type.
func readGowa(r *http.Request) (*gowaBody, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return nil, errNoBody
	}
	b := &gowaBody{files: map[string]*attachment{}}
	switch kind {
	case jsonType:
		return b, json.NewDecoder(r.Body).Decode(b)
	case "application/x-www-form-urlencoded":
		raw, err := io.ReadAll(io.LimitReader(r.Body, maxKept+1))
		if err != nil || len(raw) > maxKept {
			return nil, errTooMuch
		}
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, errNoBody
		}
		return b, b.fill(form)
	case "multipart/form-data":
		form, err := b.readParts(multipart.NewReader(r.Body, params["boundary"]))
		if err != nil {
			return nil, err
		}
		return b, b.fill(form)
	default:
		return nil, errNoBody
	}
}

// readParts reads files to their ends, and keeps the texts.
func (b *gowaBody) readParts(mr *multipart.Reader) (url.Values, error) {
	form := url.Values{}
	kept := 0
	for {
		part, err := mr.NextPart()
		if err == io.EOF { //nolint:errorlint // wrapped, it means that the last boundary never came
			return form, nil
		}
		if err != nil {
			return nil, err
		}
		if part.FileName() != "" {
			a, err := attach("file", part.FileName(), part.Header.Get("Content-Type"), part)
			if err != nil {
				return nil, err
			}
			if a.declared = part.Header.Get("Content-Type"); b.files[part.FormName()] == nil {
				b.files[part.FormName()] = a
			}
			continue
		}
		text, err := io.ReadAll(io.LimitReader(part, maxValue+1))
		if kept += len(text) + len(part.FormName()) + maxKept/maxFields; err != nil || len(text) > maxValue || kept > maxKept {
			return nil, errTooMuch
		}
		form.Add(part.FormName(), string(text))
	}
}

// fill puts the texts of a form into the fields, turned into their types.
func (b *gowaBody) fill(form url.Values) error {
	v := reflect.ValueOf(b).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("json")
		texts := form[name]
		if len(texts) == 0 {
			texts = form[name+"[]"]
		}
		if name == "" || len(texts) == 0 {
			continue
		}
		text := texts[0]
		switch p := v.Field(i).Addr().Interface().(type) {
		case *string:
			*p = text
		case **string:
			*p = &text
		case *[]string:
			if len(texts) == 1 && strings.Contains(text, ",") {
				texts = strings.Split(text, ",")
			}
			*p = texts
		case *bool:
			on, err := strconv.ParseBool(text)
			if err != nil {
				return errors.New("schema: error converting value for " + name)
			}
			*p = on
		case *int:
			n, err := strconv.Atoi(text)
			if err != nil {
				return errors.New("schema: error converting value for " + name)
			}
			*p = n
		case **int:
			n, err := strconv.Atoi(text)
			if err != nil {
				return errors.New("schema: error converting value for " + name)
			}
			*p = &n
		}
	}
	return nil
}
