package journal

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// damaged is what a journal finds in a file that was left like that.
func damaged(t *testing.T, records []string, damage func(b []byte) []byte) (got []string, corrupt int64, aside []string) {
	t.Helper()
	o := Options{Dir: t.TempDir()}
	j := start(t, o, nil)
	mustAppend(t, j, records...)
	die(j)
	path := files(t, o.Dir, segmentSuffix)[0]
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, damage(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	j = start(t, o, nil)
	got = drain(t, j, true)
	s := j.Stats()
	if s.Bytes != 0 {
		t.Errorf("%+v", s)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	aside = files(t, o.Dir, ".damaged")
	if left := files(t, o.Dir, ""); len(left) != len(aside) {
		t.Error("left behind:", left)
	}
	return got, s.Corrupt, aside
}

func TestDamage(t *testing.T) {
	records := numbered(6) // 8 bytes each: 20 with their frames
	at := func(n int) int { return headerSize + n*(frameSize+8) }
	flip := func(i int) func([]byte) []byte {
		return func(b []byte) []byte { b[i] ^= 0x40; return b }
	}
	for name, c := range map[string]struct {
		damage  func([]byte) []byte
		want    []string
		corrupt int64
	}{
		"payload":              {flip(at(2) + frameSize + 3), []string{records[0], records[1], records[3], records[4], records[5]}, 20},
		"length":               {flip(at(2)), []string{records[0], records[1], records[3], records[4], records[5]}, 20},
		"length, very much":    {flip(at(2) + 3), []string{records[0], records[1], records[3], records[4], records[5]}, 20},
		"CRC":                  {flip(at(0) + 4), records[1:], 20},
		"check":                {flip(at(4) + 8), []string{records[0], records[1], records[2], records[3], records[5]}, 20},
		"header":               {flip(2), records, 0},
		"version":              {flip(headerSize - 1), records, 0},
		"a stretch":            {func(b []byte) []byte { clear(b[at(1)+5 : at(4)+1]); return b }, []string{records[0], records[5]}, 80},
		"first and last":       {func(b []byte) []byte { return flip(at(0))(flip(at(3))(b)) }, []string{records[1], records[2], records[4], records[5]}, 40},
		"something put in":     {func(b []byte) []byte { return slices.Insert(b, at(3), []byte("xyz")...) }, records[:3], 63},
		"something after all":  {func(b []byte) []byte { return append(b, "what is this, and who wrote it here?"...) }, records, 36},
		"torn payload":         {func(b []byte) []byte { return b[:at(6)-1] }, records[:5], 0},
		"torn frame":           {func(b []byte) []byte { return b[:at(5)+4] }, records[:5], 0},
		"torn right behind":    {func(b []byte) []byte { return b[:at(5)] }, records[:5], 0},
		"torn header":          {func(b []byte) []byte { return b[:9] }, nil, 0},
		"empty":                {func([]byte) []byte { return nil }, nil, 0},
		"zeros behind":         {func(b []byte) []byte { return append(b, make([]byte, 100_000)...) }, records, 0},
		"zeros in the last":    {func(b []byte) []byte { clear(b[at(5)+frameSize+1:]); return append(b, make([]byte, 50)...) }, records[:5], 0},
		"zeros from a frame":   {func(b []byte) []byte { clear(b[at(5)+3:]); return append(b, make([]byte, 50)...) }, records[:5], 0},
		"zeros and nothing":    {func(b []byte) []byte { clear(b); return b }, nil, 0},
		"a record from before": {func(b []byte) []byte { return append(b, b[at(1):at(2)]...) }, records, 20},
	} {
		t.Run(name, func(t *testing.T) {
			got, corrupt, aside := damaged(t, records, c.damage)
			want(t, got, c.want...)
			if corrupt != c.corrupt || (len(aside) == 0) != (corrupt == 0) {
				t.Fatal(corrupt, "damaged bytes in", aside)
			}
		})
	}
}

// What is read when a file is damaged at random is exactly the records that
// were not touched.
func TestRandomDamage(t *testing.T) {
	for range 60 {
		var records []string
		for range 1 + rand.N(40) {
			b := make([]byte, rand.N(300))
			for i := range b {
				b[i] = byte(rand.N(256))
			}
			records = append(records, string(b))
		}
		var left []string
		got, _, _ := damaged(t, records, func(b []byte) []byte {
			from := headerSize + rand.N(len(b)-headerSize)
			to := min(from+1+rand.N(500), len(b))
			for i := from; i < to; i++ {
				b[i] ^= byte(1 + rand.N(255))
			}
			at := headerSize
			for _, r := range records {
				end := at + frameSize + len(r)
				if end <= from || at >= to {
					left = append(left, r)
				}
				at = end
			}
			return b
		})
		want(t, got, left...)
	}
}

// A payload that looks like records is none, however it comes to the light.
func TestForgedRecords(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	j := start(t, o, nil)
	mustAppend(t, j, strings.Repeat("f", 50))
	die(j)
	b, err := os.ReadFile(files(t, o.Dir, segmentSuffix)[0])
	if err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(o.Dir)
	forged := string(bytes.Repeat(b[headerSize:], 100))
	got, corrupt, _ := damaged(t, []string{"1", forged, "3"}, func(b []byte) []byte {
		b[headerSize+frameSize+1] ^= 1 // the frame of what holds the forged ones
		return b
	})
	want(t, got, "1", "3")
	if corrupt != int64(frameSize+len(forged)) {
		t.Fatal(corrupt)
	}
}

// The instance that writes a file is not disturbed by damage in it.
func TestDamageUnderWay(t *testing.T) {
	for _, last := range []bool{false, true} {
		o := Options{Dir: t.TempDir()}
		j := start(t, o, nil)
		mustAppend(t, j, "1", "2", "3")
		path := files(t, o.Dir, segmentSuffix)[0]
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		at := int64(headerSize + frameSize + 1)
		expect := []string{"1", "3", "4"}
		if last {
			at += frameSize + 1
			expect = []string{"1", "2", "4"}
		}
		f.WriteAt([]byte("!!!!!!!"), at)
		f.Close()
		got := drain(t, j, true)
		mustAppend(t, j, "4")
		want(t, append(got, drain(t, j, true)...), expect...)
		if s := j.Stats(); s.Corrupt != frameSize+1 || s.Bytes != 0 || s.Records != 0 {
			t.Fatalf("%+v", s)
		}
		die(j)
		want(t, drain(t, start(t, o, nil), true))
	}
}

func TestDiskWithoutLinks(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	j := start(t, o, nil)
	mustAppend(t, j, "1", "2", "3")
	die(j)
	path := files(t, o.Dir, segmentSuffix)[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[headerSize+frameSize+1]++
	os.WriteFile(path, b, 0o600)
	d := newBadDisk()
	d.link = errBad
	j = start(t, o, d)
	want(t, drain(t, j, false), "1", "3")
	if n := files(t, o.Dir, ".damaged"); len(n) != 0 {
		t.Fatal("aside too early:", n)
	}
	mustAppend(t, j, "4")
	want(t, drain(t, j, true), "4")
	aside := files(t, o.Dir, ".damaged")
	if len(aside) != 1 || filepath.Dir(aside[0]) != o.Dir {
		t.Fatal(aside)
	}
	if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, b) {
		t.Fatal("not the damaged file", err)
	}
}
