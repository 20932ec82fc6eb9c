package stats_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/genfity/wa-gateway/stats"
)

func TestParseBatch(t *testing.T) {
	bad := with("status", `"queued"`)
	large := with("extra", `"`+strings.Repeat("x", 70<<10)+`"`)
	tests := []struct {
		name, body string
		index      []int
		rejected   []stats.Rejected
	}{
		{"empty array", " [ ] ", nil, nil},
		{"array", "[" + good + "," + good + "]", []int{0, 1}, nil},
		{"object", `{"events": [` + good + "\n,\n" + good + `]}`, []int{0, 1}, nil},
		{"object with more", `{"a":{"events":[1]},"events":[` + good + `],"b":[1,2],"c":null}`, []int{0}, nil},
		{"name in another spelling", `{"\u0065vents":[` + good + `]}`, []int{0}, nil},
		{"some bad", "[" + bad + "," + good + `,7,"x{[",null,[],{}]`, []int{1}, []stats.Rejected{
			{Index: 0, Reason: "status: must be one of sent, failed, delivered, read"},
			{Index: 2, Reason: "an event must be a JSON object"},
			{Index: 3, Reason: "an event must be a JSON object"},
			{Index: 4, Reason: "an event must be a JSON object"},
			{Index: 5, Reason: "an event must be a JSON object"},
			{Index: 6, Reason: "user_id: is missing"},
		}},
		{"one too large", "[" + large + "," + good + "]", []int{1}, []stats.Rejected{{Index: 0, Reason: "is larger than 65536 bytes"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.body), iotest.OneByteReader(strings.NewReader(tt.body)), iotest.DataErrReader(strings.NewReader(tt.body))} {
				b, err := stats.ParseBatch(r, now)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(b.Index, tt.index) || len(b.Events) != len(b.Index) || !slices.Equal(b.Rejected, tt.rejected) {
					t.Errorf("got %+v", b)
				}
			}
		})
	}
}

func TestParseBatchRefuses(t *testing.T) {
	for _, body := range []string{
		"", " ", "[", "{", `{"events":[`, "[" + good, "[" + good + ",]", "[," + good + "]", "[" + good + good + "]", "[" + good + "] x", "[" + good + "}",
		"7", `"events"`, "null", `{"events":[` + good + "]", `{events:[]}`, `{"events"[]}`, `{"events":[],}`, `{"a":,"events":[]}`, `{"a":01,"events":[]}`,
		"[01]", "[{]", "[{]}]", `[{"a":}]`, `["a` + "\n" + `"]`, "[nul]", "[1", `["a`, "\ufeff[]",
		`{"a":"` + strings.Repeat("x", 70<<10) + `","events":[]}`,
	} {
		_, err := stats.ParseBatch(strings.NewReader(body), now)
		var syntax *stats.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%.80q: %v", body, err)
		} else if syntax.Offset < 0 || syntax.Offset > int64(len(body)) {
			t.Errorf("%.80q: offset %d", body, syntax.Offset)
		}
	}
	for body, reason := range map[string]string{
		"{}":                        "is missing",
		`{"Events":[]}`:             "is missing",
		`{"events":{}}`:             "must be an array",
		`{"events":null}`:           "must be an array",
		`{"events":[],"events":[]}`: "is given more than once",
	} {
		_, err := stats.ParseBatch(strings.NewReader(body), now)
		var field *stats.FieldError
		if !errors.As(err, &field) || field.Field != "events" || field.Reason != reason {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestParseBatchTellsWhereItBreaks(t *testing.T) {
	_, err := stats.ParseBatch(strings.NewReader(`[{"a":1}, {"a":?}]`), now)
	var syntax *stats.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset != 15 {
		t.Errorf("got %v, want byte 15", err)
	}
}

func TestParseBatchIsBounded(t *testing.T) {
	body := func(n int) io.Reader {
		return strings.NewReader("[" + strings.TrimSuffix(strings.Repeat(good+",", n), ",") + "]")
	}
	if b, err := stats.ParseBatch(body(stats.MaxBatch), now); err != nil || len(b.Events) != stats.MaxBatch {
		t.Errorf("a full batch: %v", err)
	}
	if _, err := stats.ParseBatch(body(stats.MaxBatch+1), now); !errors.Is(err, stats.ErrTooManyEvents) {
		t.Errorf("one event too many: %v", err)
	}
	tooLarge := errors.New("body too large")
	if _, err := stats.ParseBatch(io.MultiReader(strings.NewReader("["+good), iotest.ErrReader(tooLarge)), now); !errors.Is(err, tooLarge) {
		t.Errorf("the reader's error got lost: %v", err)
	}
}

// FuzzParseBatch: a batch is JSON to encoding/json too, and its events are what
// ParseEvent makes of its elements.
func FuzzParseBatch(f *testing.F) {
	f.Add([]byte("[" + good + "," + with("status", "1") + "]"))
	f.Add([]byte(`{"x":[{}],"events":[` + good + `]}`))
	f.Add([]byte(`[1,"]",{"a":"}\""},[[]]]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := stats.ParseBatch(strings.NewReader(string(data)), now)
		if err != nil {
			return
		}
		var elements []json.RawMessage
		if json.Unmarshal(data, &elements) != nil {
			var object map[string]json.RawMessage
			if err := json.Unmarshal(data, &object); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(object["events"], &elements); err != nil {
				t.Fatal(err)
			}
		}
		if len(elements) != len(b.Events)+len(b.Rejected) || len(b.Index) != len(b.Events) {
			t.Fatalf("%d elements, %d events, %d rejected", len(elements), len(b.Events), len(b.Rejected))
		}
		for i, index := range b.Index {
			if e, err := stats.ParseEvent(elements[index], now); err != nil || e != b.Events[i] {
				t.Fatalf("element %d: %+v, alone %+v, %v", index, b.Events[i], e, err)
			}
		}
	})
}

func BenchmarkParseBatch(b *testing.B) {
	var body strings.Builder
	for i := range stats.MaxBatch {
		fmt.Fprintf(&body, `,{"user_id":"user123","session_id":"session%d","message_id":"3EB0%016X","to":"628123456789",`+
			`"status":"delivered","timestamp":"2025-03-01T12:00:01.123Z","error":null}`, i%100, i)
	}
	text := "[" + body.String()[1:] + "]"
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := stats.ParseBatch(strings.NewReader(text), now); err != nil {
			b.Fatal(err)
		}
	}
}
