package caddywagateway

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/genfity/wa-gateway/store/storetest"
)

// repeated is a text read over and over.
type repeated struct {
	text []byte
	at   int
}

func (r *repeated) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c := copy(p[n:], r.text[r.at:])
		n, r.at = n+c, (r.at+c)%len(r.text)
	}
	return n, nil
}

// uploadKinds are the ways in which clients upload media.
var uploadKinds = []struct {
	name, path, contentType string
	head, tail              string
	media                   []byte
}{
	{
		"multipart", "/api/wa/send-document", multipartType,
		"--xyz\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n1\r\n--xyz\r\n" +
			"Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n",
		"\r\n--xyz\r\nContent-Disposition: form-data; name=\"session_id\"\r\n\r\nbob-1\r\n--xyz--\r\n",
		mediaBytes(),
	},
	{
		"JSON", "/api/wa/send-media", "application/json",
		`{"to":"1","media":"data:application/octet-stream;base64,`, `","session_id":"bob-1"}`,
		[]byte(base64.StdEncoding.EncodeToString(mediaBytes())),
	},
}

// mediaBytes look like a compressed file: every byte value, and no repetition that
// would be shorter than a buffer. A multiple of three of them, so that base64 of
// them can be repeated.
func mediaBytes() []byte {
	media := make([]byte, 3<<15)
	x := uint32(2463534242)
	for i := range media {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		media[i] = byte(x >> 8)
	}
	return media
}

// uploadTo sends a body with size bytes of media to a server, as a client that
// knows the length beforehand does.
func uploadTo(ctx context.Context, client *http.Client, url string, kind, size int, header []string) error {
	k := &uploadKinds[kind]
	media := int64(size / 4 * 4)
	body := io.MultiReader(strings.NewReader(k.head), io.LimitReader(&repeated{text: k.media}, media), strings.NewReader(k.tail))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	req.ContentLength = int64(len(k.head)) + media + int64(len(k.tail))
	req.Header.Set("Content-Type", k.contentType)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", res.StatusCode, answer)
	}
	return err
}

// absorbing is a WA server that reads bodies and keeps nothing. Uploads wait in
// the middle of their bodies until the test lets them go on.
type absorbing struct {
	*httptest.Server
	half   atomic.Int64 // wait after so many bytes; 0: never
	inHalf atomic.Int32
	goOn   chan struct{}
	read   atomic.Int64
}

func newAbsorbing(t testing.TB) *absorbing {
	t.Helper()
	wa := &absorbing{goOn: make(chan struct{})}
	wa.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if half := wa.half.Load(); half > 0 && r.Method == http.MethodPost {
			n, err := io.Copy(io.Discard, io.LimitReader(r.Body, half))
			wa.read.Add(n)
			if err == nil {
				wa.inHalf.Add(1)
				select {
				case <-wa.goOn:
				case <-r.Context().Done():
				}
			}
		}
		n, err := io.Copy(io.Discard, r.Body)
		wa.read.Add(n)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"message_id":"large"}`)
	}))
	t.Cleanup(wa.Close)
	return wa
}

// newUploadSetup is a gateway before an absorbing WA server, without a message
// limit that the uploads would reach.
func newUploadSetup(t testing.TB) (*gateway, *absorbing, *http.Client) {
	t.Helper()
	d := storetest.New(t, storetest.SQLite)
	seed(t, openStore(t, d.DSN))
	wa := newAbsorbing(t)
	g := startCaddy(t, caddyfileFor(d.DSN, wa.URL, "{APP}", "rate_limit 1000000 60s"))
	g.ready()
	client := &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(client.CloseIdleConnections)
	return g, wa, client
}

// liveMemory collects garbage, and returns how many bytes are in use afterwards:
// what the collector found to be reachable on the heap, and the goroutines'
// stacks.
func liveMemory() int64 {
	runtime.GC()
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64()) + int64(samples[1].Value.Uint64())
}

// raceDetector tells whether the test was built with it.
func raceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// TestUploadMemory: eight uploads of 64 MB at once cost less than 1 MB each.
//
// What is measured is the memory in use in the whole process, right after a
// forced garbage collection, again and again while the bodies flow and once more
// while all of them stand half way; the highest of these, less what was in use
// before any of the connections was there, is divided by eight. Clients, gateway
// and WA server are all in this process, so that the figure holds both ends'
// connections and buffers as well: the gateway's own share is smaller.
func TestUploadMemory(t *testing.T) {
	const uploads = 8
	const most = 1 << 20
	size := 64 << 20
	if raceDetector() {
		size = 8 << 20 // it makes everything many times slower
	}
	g, wa, client := newUploadSetup(t)
	who := [][]string{as(alice, aliceSession), as(alice, aliceOther), as(bob, bobSession), as(bob, bobSession)}
	for kind := range uploadKinds {
		t.Run(uploadKinds[kind].name, func(t *testing.T) {
			url := g.url + uploadKinds[kind].path
			// What is made once for all is there before.
			if err := uploadTo(t.Context(), client, url, kind, 1<<20, who[0]); err != nil {
				t.Fatal(err)
			}
			client.CloseIdleConnections()
			wa.CloseClientConnections()
			wa.read.Store(0)
			wa.inHalf.Store(0)
			wa.half.Store(int64(size / 2))
			defer wa.half.Store(0)
			before := int64(0)
			for range 3 { // pools are empty after two
				before = liveMemory()
			}

			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			failures := make([]error, uploads)
			var all sync.WaitGroup
			for i := range uploads {
				all.Go(func() {
					if failures[i] = uploadTo(ctx, client, url, kind, size, who[i%len(who)]); failures[i] != nil {
						stop() // the others would wait for this one
					}
				})
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				all.Wait()
			}()
			highest, flowing, standing := int64(0), 0, int64(0)
			released := false
			for running := true; running; {
				select {
				case <-ended:
					running = false
				default:
					now := liveMemory()
					highest = max(highest, now)
					flowing++
					if !released && wa.inHalf.Load() == uploads {
						standing = liveMemory()
						released = true
						for range uploads {
							wa.goOn <- struct{}{}
						}
					}
					time.Sleep(time.Millisecond)
				}
			}
			highest = max(highest, standing)
			if err := errors.Join(failures...); err != nil {
				t.Fatal(err)
			}
			if !released {
				t.Fatal("the uploads were never all on their way at once")
			}
			if got, want := wa.read.Load(), int64(uploads*size); got < want {
				t.Errorf("%d bytes of %d reached the WA server", got, want)
			}
			t.Logf("%d uploads of %d MiB: at most %d KiB each, %d KiB each half way; %d measurements",
				uploads, size>>20, (highest-before)/uploads>>10, (standing-before)/uploads>>10, flowing)
			if grown := (highest - before) / uploads; grown > most {
				t.Errorf("an upload takes %d bytes", grown)
			}
		})
	}
}

// BenchmarkUpload sends 64 MB of media through the whole gateway, one request
// after another, and straight to the WA server for comparison. B/op is all that
// client, gateway and WA server together allocate for one upload, garbage
// included.
func BenchmarkUpload(b *testing.B) {
	const size = 64 << 20
	g, wa, client := newUploadSetup(b)
	for kind := range uploadKinds {
		for _, way := range []struct{ name, url string }{{"gateway", g.url + uploadKinds[kind].path}, {"direct", wa.URL + "/x"}} {
			b.Run(uploadKinds[kind].name+"/"+way.name, func(b *testing.B) {
				b.SetBytes(size)
				b.ReportAllocs()
				for b.Loop() {
					if err := uploadTo(b.Context(), client, way.url, kind, size, as(alice, aliceSession)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
