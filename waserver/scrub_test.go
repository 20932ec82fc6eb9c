package waserver

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// scrub passes a text through a scrubber, in pieces of the lengths that cut gives.
func scrub(t testing.TB, secret *Secret, text []byte, cut func() int) []byte {
	t.Helper()
	var out bytes.Buffer
	b := secret.Scrubber()
	for rest := text; len(rest) > 0; {
		n := min(cut(), len(rest))
		// A piece of its own, so that keeping it would show.
		piece := bytes.Clone(rest[:n])
		if err := b.Write(&out, piece); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(piece, rest[:n]) {
			t.Fatalf("%q was changed to %q", rest[:n], piece)
		}
		clear(piece)
		rest = rest[n:]
	}
	if err := b.Flush(&out); err != nil {
		t.Fatal(err)
	}
	if err := b.Flush(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// However a stream is cut, it becomes what replacing in the whole text gives. Few
// letters make for secrets that overlap themselves.
func TestScrubberAgainstReplaceAll(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	letters := func(n, kinds int) []byte {
		text := make([]byte, n)
		for i := range text {
			text[i] = byte('a' + r.IntN(kinds))
		}
		return text
	}
	for range 20000 {
		kinds := 1 + r.IntN(3)
		secret := letters(minSecret+r.IntN(8), kinds)
		text := letters(r.IntN(60), kinds)
		for range r.IntN(4) {
			at := r.IntN(len(text) + 1)
			text = append(text[:at:at], append(bytes.Clone(secret[:len(secret)-r.IntN(2)]), text[at:]...)...)
		}
		most := 1 + r.IntN(20)
		got := scrub(t, NewSecret(string(secret)), text, func() int { return 1 + r.IntN(most) })
		want := bytes.ReplaceAll(text, secret, bytes.Repeat([]byte("*"), len(secret)))
		if !bytes.Equal(got, want) {
			t.Fatalf("%s without %s is %s, want %s", text, secret, got, want)
		}
	}
}

func FuzzScrubber(f *testing.F) {
	f.Add("aabaabaaab", []byte("xaabaabaabaaabaabaabaaab"), uint8(3))
	f.Add("secret-token", []byte(`{"error":"bad header Authorization: Bearer secret-token"}`), uint8(1))
	f.Fuzz(func(t *testing.T, secret string, text []byte, size uint8) {
		got := scrub(t, NewSecret(secret), text, func() int { return 1 + int(size) })
		want := text
		if len(secret) >= minSecret {
			want = bytes.ReplaceAll(text, []byte(secret), bytes.Repeat([]byte("*"), len(secret)))
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%q without %q is %q, want %q", text, secret, got, want)
		}
	})
}

func TestScrubberHoldsLittleBack(t *testing.T) {
	s := NewSecret("wa-admin-secret")
	b := s.Scrubber()
	var out strings.Builder
	for _, step := range []struct{ in, out string }{
		{"data: hello\n\n", "data: hello\n\n"},
		{"data: wa", "data: "},
		{"it a moment", "wait a moment"},
		{" wa-admin-secre", " "},
		{"t!", strings.Repeat("*", 15) + "!"},
		{"wa-", ""},
	} {
		out.Reset()
		if err := b.Write(&out, []byte(step.in)); err != nil || out.String() != step.out {
			t.Errorf("%q: %q, %v, want %q", step.in, out.String(), err, step.out)
		}
	}
	out.Reset()
	if err := b.Flush(&out); err != nil || out.String() != "wa-" {
		t.Errorf("at the end: %q, %v", out.String(), err)
	}
}

func TestSecretTooShort(t *testing.T) {
	for _, text := range []string{"", "short", "1234567"} {
		s := NewSecret(text)
		in := "a " + text + " b"
		if got := scrub(t, s, []byte(in), func() int { return 3 }); string(got) != in {
			t.Errorf("%q became %q", in, got)
		}
		if s.Hide(in) != in {
			t.Errorf("%q became %q", in, s.Hide(in))
		}
	}
	if got := NewSecret("12345678").Hide("Bearer 12345678, 12345678"); got != "Bearer ********, ********" {
		t.Error(got)
	}
	var zero Scrubber
	if err := errors.Join(zero.Write(io.Discard, []byte("x")), zero.Flush(io.Discard)); err != nil {
		t.Error(err)
	}
}

type failing struct{ after int }

func (w *failing) Write(p []byte) (int, error) {
	if w.after--; w.after < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func TestScrubberReportsErrors(t *testing.T) {
	for after := range 4 {
		b := NewSecret("wa-admin-secret").Scrubber()
		w := &failing{after}
		err := errors.Join(b.Write(w, []byte("x wa-admin-")), b.Write(w, []byte("secret wa-admin-secret y wa")), b.Flush(w))
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("after %d writes: %v", after, err)
		}
	}
}

func BenchmarkScrubber(b *testing.B) {
	s := NewSecret("wat_9f86d081884c7d659a2feaa0c55ad015a3bf4f1b")
	for name, unit := range map[string]string{
		"JSON":   `{"id":"3EB0A9F1","from":"628123456789","body":"What a day, was it not?","timestamp":1700000000},`,
		"base64": "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkrLw",
		// As bad as it gets: nearly the secret, over and over.
		"nearly": "wat_9f86d081884c7d659a2feaa0c55ad015a3bf4f1!",
	} {
		b.Run(name, func(b *testing.B) {
			p := []byte(strings.Repeat(unit, 32<<10/len(unit)))
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			scrubber := s.Scrubber()
			for b.Loop() {
				if err := scrubber.Write(io.Discard, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
