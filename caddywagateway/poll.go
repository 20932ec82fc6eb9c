package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/waserver"
)

// The pace at which servers are asked that tell nothing of sessions which connect or
// end: each session as often, one after another, with a pause between two.
const (
	pollInterval = 30 * time.Second
	pollPause    = 100 * time.Millisecond
	pollTimeout  = 10 * time.Second
	pollPage     = 100
)

// poller asks such servers about the sessions that live on them. It starts and ends
// with the app's configuration.
type poller struct {
	app    *App
	client *http.Client
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

// startPolling begins to ask those of the app's servers that have to be asked. It is
// nil where there are none.
func (a *App) startPolling() *poller {
	p := &poller{app: a, client: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, ResponseHeaderTimeout: pollTimeout},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       pollTimeout,
	}}
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	polled := false
	for _, s := range a.WAServers {
		if s.translator == nil || s.server.URL == nil || !s.translator.Traits().Polls {
			continue
		}
		polled = true
		p.tasks.Go(func() { p.follow(ctx, s) })
	}
	if !polled {
		p.cancel()
		return nil
	}
	return p
}

// stop ends it, and waits for the call that is under way to be broken off.
func (p *poller) stop() {
	if p == nil {
		return
	}
	p.cancel()
	p.tasks.Wait()
	p.client.CloseIdleConnections()
}

// follow asks about all sessions of a server again and again.
func (p *poller) follow(ctx context.Context, s *WAServer) {
	for {
		began := time.Now()
		if err := p.round(ctx, s); err != nil && ctx.Err() == nil {
			p.app.logger.Warn("the sessions of a WA server cannot be asked about; trying again later",
				zap.String("wa_server", s.Name), zap.Error(err))
		}
		if !pause(ctx, max(pollInterval-time.Since(began), pollPause)) {
			return
		}
	}
}

// pause is false when ctx ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// maxPollFailures is how many sessions in a row may fail before a server is taken to be
// away, and left alone until the next round.
const maxPollFailures = 3

// round asks about each session once. What is wrong with one keeps no other waiting.
func (p *poller) round(ctx context.Context, s *WAServer) error {
	d := p.app.databases
	if !d.ready.isSet() {
		return nil
	}
	after, failures := "", 0
	for {
		links, err := d.transactional.LinksOf(ctx, s.Name, pollPage, after)
		if err != nil || len(links) == 0 {
			return err
		}
		for i := range links {
			link, err := p.app.openLink(&links[i])
			if err == nil {
				err = p.ask(ctx, s, link)
			}
			if failures++; err == nil {
				failures = 0
			}
			if failures >= maxPollFailures {
				return err
			}
			if !pause(ctx, pollPause) {
				return nil
			}
		}
		after = links[len(links)-1].SessionID
	}
}

func (p *poller) ask(ctx context.Context, s *WAServer, link *waserver.Link) error {
	asked := time.Now()
	client := &waserver.Client{Server: &s.server, Link: link, Do: func(ctx context.Context, r *waserver.Request) (*waserver.Response, error) {
		return p.do(ctx, s, r)
	}}
	state, err := s.translator.Session(ctx, client)
	var refused *waserver.ServerError
	if errors.As(err, &refused) {
		return nil // the session's own trouble
	}
	if err != nil {
		return err
	}
	p.app.learnState(ctx, link.SessionID, asked, state)
	return nil
}

// do makes one call, without reverse_proxy: there is no request that it belongs to.
func (p *poller) do(ctx context.Context, s *WAServer, r *waserver.Request) (*waserver.Response, error) {
	path, err := serverPath(s.server.URL, r.Path)
	if err != nil {
		return nil, err
	}
	u := &url.URL{Scheme: s.server.URL.Scheme, Host: s.server.URL.Host, RawPath: path, RawQuery: r.Query.Encode()}
	if u.Path, err = url.PathUnescape(path); err != nil {
		return nil, err
	}
	var body io.Reader
	if r.Body != nil {
		body = r.Body.Open()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if r.Body != nil {
		req.ContentLength = r.Body.Length
		req.Header.Set("Content-Type", r.Body.ContentType)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerCopy+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxAnswerCopy {
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxAnswerCopy)
	}
	return &waserver.Response{Status: res.StatusCode, Header: res.Header, Body: content}, nil
}
