package media

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"
)

// Bounds of a fetch.
const (
	defaultFetchTime = 60 * time.Second
	connectTime      = 10 * time.Second
	headerTime       = 20 * time.Second
	maxRedirects     = 3
	maxHeader        = 64 << 10 // bytes of an answer's header
	maxAddresses     = 4        // of a host, that are tried
)

// Fetcher fetches media from the URLs that clients name, without being led into the
// operator's own network: only http and https; only to addresses that are public or
// allowed, each looked up once, checked and then dialled as it is; by the same rules
// after each redirect; never through a proxy. The zero value is ready, and may be
// used by many at once; its fields must not be changed then.
type Fetcher struct {
	// Allow are networks that may be fetched from although they are not public, on
	// any port.
	Allow []netip.Prefix
	// Timeout is how long a fetch may take. Zero means a minute.
	Timeout time.Duration
	// Dir is where content is kept; empty for the system's folder for such files.
	Dir string
	// Lookup finds a host's addresses. Nil means the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// TLS is nil for the system's certificate authorities.
	TLS *tls.Config
}

// Fetched is what a URL led to.
type Fetched struct {
	File     *File
	MIMEType string // as the server said; empty where it said nothing of use
	Filename string // of its answer, else of the URL's path; empty where there is none
}

// FetchError is the error for a URL that nothing can be fetched from. It never quotes
// the URL.
type FetchError struct {
	Reason string // for the client
	err    error
}

// Error implements error.
func (e *FetchError) Error() string { return "fetching media: it " + e.Reason }

// Unwrap returns what is behind it, such as ErrTooLarge; nil mostly.
func (e *FetchError) Unwrap() error { return e.err }

func refused(reason string) *FetchError { return &FetchError{Reason: reason} }

// Fetch fetches what is at a URL: at most max bytes. Errors are a *FetchError, that of
// a ctx that has ended, or about the disk.
func (f *Fetcher) Fetch(ctx context.Context, address string, max int64) (*Fetched, error) {
	timeout := f.Timeout
	if timeout <= 0 {
		timeout = defaultFetchTime
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	transport := f.transport()
	defer transport.CloseIdleConnections()
	fetched, err := f.fetch(bounded, transport, address, max)
	if err == nil {
		return fetched, nil
	}
	var known *FetchError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("fetching media: %w", ctx.Err())
	case errors.Is(err, ErrTooLarge):
		return nil, &FetchError{Reason: fmt.Sprintf("is larger than %d bytes", max), err: ErrTooLarge}
	case bounded.Err() != nil:
		return nil, refused("takes too long to be fetched")
	case errors.As(err, &known):
		return nil, known
	}
	return nil, err
}

func (f *Fetcher) fetch(ctx context.Context, transport http.RoundTripper, address string, max int64) (*Fetched, error) {
	if _, err := CheckURL(address); err != nil {
		return nil, refused("must be an http or https URL without a user or password")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, refused("is a malformed URL")
	}
	if err := f.checkHost(r.URL); err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "wa-gateway")
	r.Header.Set("Accept", "*/*")
	r.Header.Set("Accept-Encoding", "identity")
	client := &http.Client{Transport: transport, CheckRedirect: f.redirect}
	answer, err := client.Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	defer answer.Body.Close()
	if err := checkAnswer(answer, max); err != nil {
		return nil, err
	}
	file, err := Spool(&fetchedBody{r: answer.Body}, max, f.Dir)
	if err != nil {
		return nil, err
	}
	if file.Size() == 0 {
		file.Close()
		return nil, refused("leads to nothing")
	}
	return &Fetched{File: file, MIMEType: answerType(answer), Filename: answerName(answer)}, nil
}

// fetchedBody tells an answer that breaks off from a disk that fails.
type fetchedBody struct{ r io.Reader }

func (b *fetchedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = refused("breaks off")
	}
	return n, err
}

// unreachable takes the URL out of a client's error.
func unreachable(err error) error {
	var known *FetchError
	if errors.As(err, &known) {
		return known
	}
	return refused("cannot be reached")
}

// redirect holds each redirect to the same rules. The dialler does the rest.
func (f *Fetcher) redirect(r *http.Request, via []*http.Request) error {
	r.Header.Del("Referer") // it may hold a secret of the client's URL
	switch {
	case len(via) > maxRedirects:
		return refused(fmt.Sprintf("is redirected more than %d times", maxRedirects))
	case via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https":
		return refused("is redirected from https to http")
	}
	if _, err := CheckURL(r.URL.String()); err != nil {
		return refused("is redirected to a URL that is not allowed")
	}
	return f.checkHost(r.URL)
}

// checkHost looks at a URL before anything is looked up.
func (f *Fetcher) checkHost(u *url.URL) error {
	host := u.Hostname()
	if oddNumber(host) || strings.ContainsAny(host, "%") {
		return refused("is a URL whose host is not allowed")
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return f.guard().check(address, u.Port())
	}
	return nil
}

func (f *Fetcher) guard() *guard { return &guard{allow: f.Allow, resolve: f.Lookup} }

func (f *Fetcher) transport() *http.Transport {
	transport := &http.Transport{
		DialContext:            f.guard().dial,
		DisableKeepAlives:      true, // each fetch is looked up and checked anew
		DisableCompression:     true, // so that nothing unfolds to more than was sent
		MaxResponseHeaderBytes: maxHeader,
		ResponseHeaderTimeout:  headerTime,
		TLSHandshakeTimeout:    connectTime,
	}
	if f.TLS != nil {
		transport.TLSClientConfig = f.TLS.Clone()
	}
	return transport
}

// checkAnswer tells whether an answer holds the media.
func checkAnswer(answer *http.Response, max int64) error {
	if answer.StatusCode != http.StatusOK {
		return refused(fmt.Sprintf("is answered with status %d", answer.StatusCode))
	}
	if answer.ContentLength > max {
		return ErrTooLarge
	}
	for _, encoding := range answer.Header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return refused("comes compressed although that was not asked for")
		}
	}
	return nil
}

func answerType(answer *http.Response) string {
	kind, params, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil || strings.Count(kind, "/") != 1 {
		return ""
	}
	return mime.FormatMediaType(kind, params)
}

func answerName(answer *http.Response) string {
	if _, params, err := mime.ParseMediaType(answer.Header.Get("Content-Disposition")); err == nil && params["filename"] != "" {
		return params["filename"]
	}
	name := path.Base(answer.Request.URL.Path)
	switch strings.ToLower(path.Ext(name)) {
	case "", ".php", ".asp", ".aspx", ".jsp", ".cgi": // says nothing of what it led to
		return ""
	}
	if strings.Trim(name, "./") == "" {
		return ""
	}
	return name
}
