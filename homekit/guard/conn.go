package guard

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// link is what the library has in place of the socket. net/http of the library
// reads from it once, which is the life of the connection, and then sees its end.
// Whatever else the library does with it has no effect.
type link struct {
	life          atomic.Pointer[func()] // taken by the first Read
	conn          atomic.Pointer[conn]   // nil once it is over: the library keeps links for ever
	local, remote net.Addr
}

func (l *link) Read([]byte) (int, error) {
	if life := l.life.Swap(nil); life != nil {
		(*life)()
		l.conn.Store(nil)
	}
	return 0, io.EOF
}

func (l *link) Write(b []byte) (int, error) { return len(b), nil }

func (l *link) Close() error {
	if c := l.conn.Load(); c != nil {
		return c.close()
	}
	return nil
}

func (l *link) LocalAddr() net.Addr              { return l.local }
func (l *link) RemoteAddr() net.Addr             { return l.remote }
func (l *link) SetDeadline(time.Time) error      { return nil }
func (l *link) SetReadDeadline(time.Time) error  { return nil }
func (l *link) SetWriteDeadline(time.Time) error { return nil }

// conn is one connection of a controller. What has no lock belongs to the
// goroutine that serves it.
type conn struct {
	guard  *Guard
	remote string // "address:port", what the library knows the connection by
	socket net.Conn
	hap    net.Conn // the library's connection around the link

	meter  *meter
	raw    *bufio.Reader // what comes over the wire
	opener *opener       // nil until the connection is verified
	in     *bufio.Reader // requests in clear

	setup    byte // last state of pair-setup that was answered without error
	verify   byte // the same of pair-verify
	prepared prepared

	done   chan struct{} // closed when the connection is
	events events

	out    sync.Mutex // guards what follows, and the writing side of socket
	sealer *sealer    // nil until the connection is verified

	mu         sync.Mutex // guards what follows
	closed     bool
	controller string    // identifier of the pairing, "" until the connection is verified
	used       time.Time // of the last request
}

func newConn(g *Guard, socket, outer net.Conn) *conn {
	c := &conn{
		guard: g, remote: socket.RemoteAddr().String(), socket: socket, hap: outer,
		meter: &meter{src: socket}, done: make(chan struct{}), used: g.now(),
	}
	c.raw = bufio.NewReaderSize(c.meter, 4<<10)
	c.in = c.raw
	c.events.init()
	return c
}

// serve answers requests until the connection ends.
func (c *conn) serve(ctx context.Context) {
	defer c.guard.drop(c)
	for {
		r, err := c.request(ctx)
		if err != nil {
			c.guard.log.Debug("connection of a controller ended", slog.String("remote", c.remote), slog.Any("error", err))
			return
		}
		a := c.guard.serve(c, r)
		if r.Close {
			a.closing()
		}
		if err := c.send(a); err != nil {
			c.guard.log.Debug("answer to a controller failed", slog.String("remote", c.remote), slog.Any("error", err))
			return
		}
		if a.after != nil {
			a.after()
		}
		if a.last {
			return
		}
	}
}

// request waits for a request and reads it with its body. Its context carries
// the connection and the local address (http.LocalAddrContextKey).
func (c *conn) request(ctx context.Context) (*http.Request, error) {
	if err := c.await(); err != nil {
		return nil, err
	}
	r, err := http.ReadRequest(c.in)
	if err != nil {
		return nil, fmt.Errorf("read a request: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, c.guard.limits.body+1))
	if err != nil {
		return nil, fmt.Errorf("read the body of a request: %w", err)
	}
	if int64(len(body)) > c.guard.limits.body {
		return nil, errTooMuch
	}
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.socket.LocalAddr())
	r = r.WithContext(context.WithValue(ctx, connKey{}, c))
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.RemoteAddr = c.remote
	r.URL.RawPath = "" // so that the library routes by what the guard looks at
	c.mu.Lock()
	c.used = c.guard.now()
	c.mu.Unlock()
	return r, nil
}

// await returns when there is something to read, and sets the bounds of the
// request that begins with it.
func (c *conn) await() error {
	if c.in.Buffered() == 0 && (c.opener == nil || len(c.opener.rest) == 0) {
		if err := c.socket.SetReadDeadline(c.patience()); err != nil {
			return fmt.Errorf("set a deadline: %w", err)
		}
		c.meter.left = c.guard.limits.request
		if _, err := c.raw.Peek(1); err != nil {
			return fmt.Errorf("wait for a request: %w", err)
		}
	}
	c.meter.left = c.guard.limits.request
	if err := c.socket.SetReadDeadline(time.Now().Add(c.guard.limits.read)); err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	return nil
}

// patience returns until when the controller may be silent; the zero time is for
// ever. Somebody who has to type the code needs longer.
func (c *conn) patience() time.Time {
	switch {
	case c.verifiedAs() != "":
		return time.Time{} // dead ones are found by TCP's keep-alive
	case c.setup != 0:
		return time.Now().Add(c.guard.limits.typing)
	default:
		return time.Now().Add(c.guard.limits.unverified)
	}
}

// send writes an answer in one piece.
func (c *conn) send(a *answer) error {
	b, err := a.bytes()
	if err != nil {
		return err
	}
	return c.write(b)
}

// write sends b, in frames once the connection is verified, with nothing of
// another goroutine in between.
func (c *conn) write(b []byte) error {
	c.out.Lock()
	defer c.out.Unlock()
	if c.sealer != nil {
		var err error
		if b, err = c.sealer.seal(b); err != nil {
			return err
		}
	}
	if err := c.socket.SetWriteDeadline(time.Now().Add(c.guard.limits.write)); err != nil {
		return fmt.Errorf("set a deadline: %w", err)
	}
	if _, err := c.socket.Write(b); err != nil {
		// Part of it may be out: the controller could not read on.
		return errors.Join(fmt.Errorf("write to a controller: %w", err), c.close())
	}
	return nil
}

// secure turns encryption on. What was read ahead is part of the first frame.
func (c *conn) secure(s session) {
	c.opener = &opener{src: c.raw, key: s.toUs}
	c.in = bufio.NewReaderSize(c.opener, 4<<10)
	c.out.Lock()
	c.sealer = &sealer{key: s.toThem}
	c.out.Unlock()
	c.mu.Lock()
	c.controller = s.controller
	c.mu.Unlock()
	c.guard.verified(c)
}

// verifiedAs returns the identifier of the pairing, "" before pair-verify.
func (c *conn) verifiedAs() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.controller
}

// lastUsed returns when the last request came.
func (c *conn) lastUsed() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// isOpen says whether nobody closed the connection yet.
func (c *conn) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed
}

// close ends the connection; serve returns soon after.
func (c *conn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.done)
	if err := c.socket.Close(); err != nil {
		return fmt.Errorf("close the connection of a controller: %w", err)
	}
	return nil
}
