package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/genfity/wa-gateway/internal/seal"
)

const purpose = "link:main:shop:credential"

var secret = []byte("the-session's-own-token")

func box(t testing.TB, keys ...string) *seal.Box {
	t.Helper()
	b, err := seal.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealAndOpen(t *testing.T) {
	raw := bytes.Repeat([]byte{7}, 32)
	for name, key := range map[string]string{
		"hex": hex.EncodeToString(raw), "base64": base64.StdEncoding.EncodeToString(raw),
		"base64url": base64.RawURLEncoding.EncodeToString(raw), "text": "correct horse battery",
	} {
		b := box(t, key)
		sealed := b.Seal(purpose, secret)
		if bytes.Contains(sealed, secret) || bytes.Equal(sealed, b.Seal(purpose, secret)) {
			t.Errorf("%s: sealed %x", name, sealed)
		}
		got, err := b.Open(purpose, sealed)
		if err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%s: opened %q, %v", name, got, err)
		}
		if !b.Current(sealed) {
			t.Errorf("%s: not sealed by the first key", name)
		}
	}
	// The forms of one key are one key.
	sealed := box(t, hex.EncodeToString(raw)).Seal(purpose, secret)
	if got, err := box(t, " "+base64.StdEncoding.EncodeToString(raw)+"\n").Open(purpose, sealed); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("another form of the key: %q, %v", got, err)
	}
}

func TestNothingStaysNothing(t *testing.T) {
	b := box(t, "correct horse battery")
	if sealed := b.Seal(purpose, nil); len(sealed) != 0 || !b.Current(sealed) {
		t.Errorf("sealed %x", sealed)
	}
	if got, err := b.Open(purpose, nil); err != nil || len(got) != 0 {
		t.Errorf("opened %q, %v", got, err)
	}
}

func TestRotation(t *testing.T) {
	old := box(t, "the key of last year")
	sealed := old.Seal(purpose, secret)
	both := box(t, "the key of this year", "the key of last year")
	got, err := both.Open(purpose, sealed)
	if err != nil || !bytes.Equal(got, secret) || both.Current(sealed) {
		t.Errorf("opened %q, %v", got, err)
	}
	again := both.Seal(purpose, secret)
	if _, err := old.Open(purpose, again); !errors.Is(err, seal.ErrNoKey) || !both.Current(again) {
		t.Errorf("the old key alone: %v", err)
	}
}

func TestWhatIsNotOpened(t *testing.T) {
	b := box(t, "correct horse battery")
	sealed := b.Seal(purpose, secret)
	if _, err := b.Open("link:main:other:credential", sealed); !errors.Is(err, seal.ErrDamaged) {
		t.Errorf("for another purpose: %v", err)
	}
	for i := range sealed {
		damaged := bytes.Clone(sealed)
		damaged[i] ^= 1
		got, err := b.Open(purpose, damaged)
		if err == nil || got != nil || !errors.Is(err, seal.ErrDamaged) && !errors.Is(err, seal.ErrNoKey) {
			t.Errorf("byte %d changed: %q, %v", i, got, err)
		}
	}
	for n := 1; n < len(sealed); n++ {
		if _, err := b.Open(purpose, sealed[:n]); !errors.Is(err, seal.ErrDamaged) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestBadKeys(t *testing.T) {
	for _, keys := range [][]string{nil, {""}, {"correct horse battery", "tooshort"}, {strings.Repeat(" ", 40)}} {
		_, err := seal.New(keys...)
		if err == nil || strings.Contains(err.Error(), "tooshort") {
			t.Errorf("%q: %v", keys, err)
		}
	}
}

// FuzzOpen: whatever is in the database, nothing but what was sealed is opened.
func FuzzOpen(f *testing.F) {
	b := box(f, "correct horse battery")
	good := b.Seal(purpose, secret)
	f.Add(purpose, good)
	f.Add("", good)
	f.Add(purpose, good[:20])
	f.Add(purpose, []byte{1})
	f.Fuzz(func(t *testing.T, purpose string, sealed []byte) {
		got, err := b.Open(purpose, sealed)
		switch {
		case err == nil && len(sealed) > 0 && !bytes.Equal(got, secret):
			t.Fatalf("opened %q", got)
		case err != nil && got != nil:
			t.Fatal("both a secret and an error")
		}
		if again := b.Seal(purpose, sealed); len(sealed) > 0 {
			if got, err := b.Open(purpose, again); err != nil || !bytes.Equal(got, sealed) {
				t.Fatalf("%v", err)
			}
		}
	})
}
