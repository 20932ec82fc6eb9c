package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// upstream is the WA server of the bench: it reads a request with a
// Content-Length and answers with a message id of its own. It does as little as
// possible, since what it takes of the machine is taken from both sides.
type upstream struct {
	listener net.Listener
	calls    atomic.Uint64
	// look, when set, is filled with the next request that arrives.
	look atomic.Pointer[chan seen]
}

// seen is a request as it reached the WA server.
type seen struct{ head, body string }

func startUpstream() (*upstream, error) {
	var config net.ListenConfig
	listener, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{listener: listener}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u, nil
}

func (u *upstream) addr() string { return u.listener.Addr().String() }

func (u *upstream) close() { _ = u.listener.Close() }

const (
	answerBody = `{"success":true,"data":{"message_id":"3EB0%016X","status":"sent"}}`
	idDigits   = 16
)

func (u *upstream) serve(conn net.Conn) {
	defer conn.Close()
	body := fmt.Sprintf(answerBody, 0)
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
		strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	idAt := bytes.Index(answer, []byte("3EB0")) + len("3EB0")

	in := bufio.NewReaderSize(conn, 8192)
	for {
		if err := u.read(in); err != nil {
			if !errors.Is(err, io.EOF) {
				_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
			return
		}
		writeHex(answer[idAt:idAt+idDigits], u.calls.Add(1))
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

func writeHex(to []byte, n uint64) {
	for i := len(to) - 1; i >= 0; i-- {
		to[i] = "0123456789ABCDEF"[n&15]
		n >>= 4
	}
}

var errNoLength = errors.New("a request without Content-Length")

// read takes one request off the connection.
func (u *upstream) read(in *bufio.Reader) error {
	var kept bytes.Buffer
	look := u.look.Load()
	length := 0
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if look != nil {
			kept.Write(line)
		}
		if len(line) == 2 { // the empty line
			break
		}
		const name = "content-length: "
		if len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil {
				return errNoLength
			}
		} else if bytes.HasPrefix(line, []byte("Transfer-Encoding")) {
			return errNoLength
		}
	}
	if look == nil || !u.look.CompareAndSwap(look, nil) {
		_, err := in.Discard(length)
		return err
	}
	body := make([]byte, length)
	_, err := io.ReadFull(in, body)
	*look <- seen{head: kept.String(), body: string(body)}
	return err
}

// next arranges that the next request is shown.
func (u *upstream) next() <-chan seen {
	c := make(chan seen, 1)
	u.look.Store(&c)
	return c
}

// client is for the few calls beside the load. A profile takes as long as asked.
var client = &http.Client{Timeout: 5 * time.Minute}

// get reads a URL; a status other than 200 is an error.
func get(ctx context.Context, url, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", url, res.Status, body)
	}
	return body, err
}
