package media

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

func content(t *testing.T, f *File) string {
	t.Helper()
	all, err := io.ReadAll(f.Open())
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestSpool(t *testing.T) {
	for _, size := range []int{0, 1, inMemory - 1, inMemory, inMemory + 1, 3*inMemory + 7} {
		dir := t.TempDir()
		want := strings.Repeat("x", size)
		f, err := Spool(iotest.DataErrReader(strings.NewReader(want)), int64(size), dir)
		if err != nil {
			t.Fatalf("%d: %v", size, err)
		}
		if f.Size() != int64(size) || content(t, f) != want || content(t, f) != want {
			t.Errorf("%d: %d bytes", size, f.Size())
		}
		if onDisk := f.kept.file != nil; onDisk != (size > inMemory) {
			t.Errorf("%d: on disk is %t", size, onDisk)
		}
		if f.kept.file != nil {
			if info, err := f.kept.file.Stat(); err != nil || info.Mode().Perm() != 0o600 {
				t.Error(info.Mode(), err)
			}
		}
		if names, err := os.ReadDir(dir); err != nil || f.kept.path == "" && len(names) > 0 {
			t.Error(names, err)
		}
		for range 2 {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := f.Open().Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%d: closed, it gives %v", size, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
			t.Error(names, err)
		}
	}
}

func TestSpoolFails(t *testing.T) {
	for _, size := range []int{1, inMemory, inMemory + 1, 3 * inMemory} {
		_, err := Spool(strings.NewReader(strings.Repeat("x", size)), int64(size)-1, t.TempDir())
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%d: %v", size, err)
		}
		broken := io.MultiReader(strings.NewReader(strings.Repeat("x", size)), iotest.ErrReader(io.ErrClosedPipe))
		if _, err := Spool(broken, 1<<62, t.TempDir()); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%d: %v", size, err)
		}
	}
	if _, err := Spool(strings.NewReader(strings.Repeat("x", 2*inMemory)), 1<<62, "/does/not/exist"); !errors.Is(err, ErrStorage) {
		t.Error(err)
	}
}

// Shared content goes with the last of those who share it.
func TestShare(t *testing.T) {
	for _, want := range []string{"small", strings.Repeat("large", inMemory)} {
		a, err := Spool(strings.NewReader(want), 1<<62, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		b := a.Share()
		c := b.Share()
		a.Close()
		a.Close()
		a.Close()
		if got := content(t, b); got != want {
			t.Errorf("%d bytes", len(got))
		}
		b.Close()
		if got := content(t, c); got != want || c.Size() != int64(len(want)) {
			t.Errorf("%d bytes", len(got))
		}
		c.Close()
		for _, f := range []*File{a, b, c, a.Share()} {
			if _, err := f.Open().Read(make([]byte, 1)); err == nil {
				t.Error("it is still there")
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if got := content(t, FromBytes([]byte("abc"))); !bytes.Equal([]byte(got), []byte("abc")) {
		t.Error(got)
	}
}
