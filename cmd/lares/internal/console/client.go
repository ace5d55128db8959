package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// Client calls a box: a running one through its socket, or one that the caller
// has opened itself.
type Client struct{ http http.Client }

// Dial returns a client of the box that runs behind a socket.
func Dial(path string) *Client {
	var d net.Dialer
	return &Client{http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) },
	}}}
}

// Direct returns a client of a handler in this process.
func Direct(h http.Handler) *Client { return &Client{http.Client{Transport: direct{h}}} }

// Call sends in as JSON, unless it is nil, and reads the answer into out, or
// away where that is nil.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.Do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	if out == nil {
		out = new(json.RawMessage)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// Do sends in as JSON, unless it is nil, and returns the answer. Close its body.
func (c *Client) Do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://console"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the running box: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	var problem struct{ Error string }
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxRequest)).Decode(&problem); err != nil || problem.Error == "" {
		return nil, fmt.Errorf("the box answered %s", resp.Status)
	}
	return nil, errors.New(problem.Error)
}

// direct is a transport that calls a handler.
type direct struct{ h http.Handler }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	r, w := io.Pipe()
	answer := &pipeWriter{w: w, header: make(http.Header), began: make(chan int, 1)}
	if req.Body == nil {
		req.Body = http.NoBody
	}
	go func() {
		d.h.ServeHTTP(answer, req)
		answer.WriteHeader(http.StatusOK)
		_ = w.Close() // always nil: io.PipeWriter
	}()
	select {
	case status := <-answer.began:
		size, err := strconv.ParseInt(answer.header.Get("Content-Length"), 10, 64)
		if err != nil {
			size = -1
		}
		return &http.Response{
			StatusCode: status, Status: http.StatusText(status), Header: answer.header, Body: r, Request: req,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: size,
		}, nil
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
}

// pipeWriter is an http.ResponseWriter into a pipe.
type pipeWriter struct {
	w      *io.PipeWriter
	header http.Header
	began  chan int
	wrote  bool
}

func (p *pipeWriter) Header() http.Header { return p.header }

func (p *pipeWriter) WriteHeader(status int) {
	if !p.wrote {
		p.wrote = true
		p.began <- status
	}
}

func (p *pipeWriter) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	return p.w.Write(b)
}
