package store

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestJSONRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(rapid.String()).Draw(t, "texts")
		numbers := rapid.SliceOfN(rapid.Int64(), len(texts), len(texts)).Draw(t, "numbers")
		var rows jsonRows
		var want [][]any
		for i, text := range texts {
			rows.int(numbers[i])
			rows.text(text)
			rows.bool(i%2 == 0)
			rows.time(time.Time{})
			rows.time(time.UnixMicro(numbers[i] >> 12))
			rows.end()
			want = append(want, []any{jsonNumber(numbers[i]), text, jsonNumber(int64(1 - i%2)), nil, jsonNumber(numbers[i] >> 12)})
		}
		decoder := json.NewDecoder(strings.NewReader(rows.String()))
		decoder.UseNumber()
		var got [][]any
		if err := decoder.Decode(&got); err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) || (len(want) > 0 && !reflect.DeepEqual(got, want)) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func jsonNumber(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }
