package message

import (
	"context"
	"io"
	"runtime"
	"strings"
	"testing"
)

// repeated is a unit of text, over and over, size bytes long.
type repeated struct {
	unit string
	at   int
	left int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.left)], r.unit[r.at:])
	r.at = (r.at + n) % len(r.unit)
	r.left -= n
	return n, nil
}

// 64 MB of media reach the disk in constant memory, whatever they come in. JSON is what
// most clients send; the others have to do with less, and all with the race detector.
func TestConstantMemory(t *testing.T) {
	base64 := strings.Repeat("QUJD", 8<<10)
	for name, test := range map[string]struct{ contentType, head, unit, tail string }{
		"JSON":      {jsonType, `{"to":"08123456789","image":"data:image/png;base64,`, base64, `","caption":"x"}`},
		"form":      {formType, "to=08123456789&image=", base64, "&caption=x"},
		"multipart": {multipartType, part("to", "", "08123456789") + strings.TrimSuffix(part("image", "; filename=a.png", ""), "\r\n"), base64, "\r\n" + final},
	} {
		t.Run(name, func(t *testing.T) {
			size := 64 << 20
			if name != "JSON" {
				size /= 4
			}
			if raceEnabled {
				size /= 16
			}
			body := io.MultiReader(strings.NewReader(test.head), &repeated{unit: test.unit, left: size}, strings.NewReader(test.tail))
			o := Options{Region: "ID", Dir: t.TempDir(), MaxBytes: 100 << 20}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			m, err := Parse(context.Background(), KindImage, test.contentType, body, o)
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			want := int64(size / 4 * 3)
			if name == "multipart" {
				want = int64(size)
			}
			if m.Media.File.Size() != want {
				t.Errorf("%d bytes of %d", m.Media.File.Size(), want)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 2<<20 {
				t.Errorf("%d bytes were allocated", allocated)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	o := Options{Region: "ID", MaxBytes: 1 << 20}
	for _, test := range [][3]string{
		{"JSON", jsonType, `{"to":"08123456789","message":"Hello there, this is a message","session_id":"session123"}`},
		{"form", formType, "to=08123456789&message=Hello+there%2C+this+is+a+message&session_id=session123"},
	} {
		b.Run(test[0], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(context.Background(), KindText, test[1], strings.NewReader(test[2]), o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
