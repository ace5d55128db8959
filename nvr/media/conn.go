package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// conn is one end of the socket pair. Its system calls never block and are not
// announced to the scheduler of Go: an announced one wakes the runtime's
// monitor, and one that blocks makes it look for another thread, which costs
// more than the call. Waiting is the poller's.
type conn struct {
	net net.Conn
	raw syscall.RawConn
	// until is the deadline that is set.
	until time.Time

	// Arguments and results of the callbacks, which are made once so that a
	// call allocates nothing.
	in, out    []byte
	got, wrote int
	inErr      error
	outErr     error
	onIn       func(fd uintptr) bool
	onOut      func(fd uintptr) bool
}

// newConn takes the file over.
func newConn(file *os.File) (*conn, error) {
	c, err := net.FileConn(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("use socket: %w", err)
	}
	unixConn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("descriptor %s is no socket pair: %w", file.Name(), errProtocol), c.Close())
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("use socket: %w", err), c.Close())
	}
	e := &conn{net: c, raw: raw}
	e.onIn = func(fd uintptr) bool {
		var done bool
		e.got, done, e.inErr = transfer(syscall.SYS_READ, fd, e.in)
		return done
	}
	e.onOut = func(fd uintptr) bool {
		var done bool
		e.wrote, done, e.outErr = transfer(syscall.SYS_WRITE, fd, e.out)
		return done
	}
	return e, nil
}

// transfer reads into or writes from b, once. done is false where that would
// block.
func transfer(call, fd uintptr, b []byte) (n int, done bool, err error) {
	//nolint:gosec // G103: the buffer is alive and does not move
	r, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	switch errno {
	case 0:
		return int(r), true, nil
	case syscall.EAGAIN:
		return 0, false, nil
	case syscall.EINTR:
		return transfer(call, fd, b)
	}
	return 0, true, errno
}

// Read implements io.Reader.
func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c.in = b
	err := c.raw.Read(c.onIn)
	c.in = nil
	if err != nil {
		return 0, err
	}
	if c.inErr == nil && c.got == 0 {
		return 0, io.EOF
	}
	return c.got, c.inErr
}

// Write implements io.Writer.
func (c *conn) Write(b []byte) (int, error) {
	sum := 0
	for sum < len(b) {
		c.out = b[sum:]
		err := c.raw.Write(c.onOut)
		c.out = nil
		if err = errors.Join(err, c.outErr); err != nil {
			return sum, err
		}
		sum += c.wrote
	}
	return sum, nil
}

// allow gives what follows at least d, and less than twice that: setting a
// deadline is not free, so one serves many calls.
func (c *conn) allow(d time.Duration) error {
	if now := time.Now(); c.until.Sub(now) < d {
		c.until = now.Add(2 * d)
		return c.net.SetDeadline(c.until)
	}
	return nil
}

// lastWord is how long a call may go on after its context has ended.
const lastWord = time.Second

// urged does something with the connection, for which no more than lastWord is
// left when ctx ends.
func (c *conn) urged(ctx context.Context, do func() error) error {
	hurried := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(hurried)
		_ = c.net.SetDeadline(time.Now().Add(lastWord)) // fails if it is closed: then nobody waits
	})
	err := do()
	if !stop() {
		<-hurried
		c.until = time.Time{} // what comes next gets a deadline of its own
	}
	return err
}

// Close implements io.Closer.
func (c *conn) Close() error { return c.net.Close() }
