package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// protocolVersion is in the hello. Both ends are the same program, so a
	// difference means that something else answers.
	protocolVersion = 1
	headSize        = 8
	// maxMessage bounds the body of a message: a long key frame of 4K, or the
	// half GOP in front of a still.
	maxMessage = 16 << 20
	// keptBuffer is what a buffer holds on to from message to message: a picture
	// of 320x180, or a second of a sub-stream.
	keptBuffer = 64 << 10
)

// kind says what a message is.
type kind uint8

// Requests have low numbers, answers high ones.
const (
	askPictures kind = iota + 1
	askStill
	askSound
	askOpus
	askH264
	askFile
)

const (
	sayHello kind = iota + 0x81
	sayPicture
	sayJPEG
	saySound
	sayParams
	sayFrame
	sayDone
)

// errProtocol: the other end does not keep to the protocol.
var errProtocol = errors.New("message is not understood")

// link sends and receives messages. It belongs to one goroutine at a time.
type link struct {
	rw io.ReadWriter
	// out holds messages that are not sent yet; the last one begins at mark.
	out  []byte
	mark int
	// in[head:tail] is read and not taken yet.
	in         []byte
	head, tail int
}

func newLink(rw io.ReadWriter) *link { return &link{rw: rw, in: make([]byte, keptBuffer)} }

// begin starts a message at the end of out; its body is appended to out.
func (l *link) begin(k kind) {
	l.mark = len(l.out)
	l.out = append(l.out, 0, 0, 0, 0, byte(k), 0, 0, 0)
}

// end completes the message; one that is too long is taken back.
func (l *link) end() error {
	size := len(l.out) - l.mark - headSize
	if size > maxMessage {
		l.out = l.out[:l.mark]
		return fmt.Errorf("message of %d bytes: %w", size, errTooLong)
	}
	binary.LittleEndian.PutUint32(l.out[l.mark:], uint32(size))
	return nil
}

// errTooLong: a message does not fit its bound.
var errTooLong = errors.New("more than fits in a message")

// flush sends what was built in one write.
func (l *link) flush() error {
	_, err := l.rw.Write(l.out)
	if l.out = l.out[:0]; cap(l.out) > maxMessage/8 {
		l.out = nil
	}
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// next returns the next message; the body is valid until the call after. Errors:
// io.EOF where the other end is gone between two messages.
func (l *link) next() (kind, []byte, error) {
	l.tidy()
	if err := l.fill(headSize); err != nil {
		return 0, nil, err
	}
	head := l.in[l.head : l.head+headSize]
	size, k := binary.LittleEndian.Uint32(head), kind(head[4])
	if size > maxMessage || head[5]|head[6]|head[7] != 0 {
		return 0, nil, fmt.Errorf("head of a message: %w", errProtocol)
	}
	whole := headSize + int(size)
	if err := l.fill(whole); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	body := l.in[l.head+headSize : l.head+whole]
	l.head += whole
	return k, body, nil
}

// tidy makes room at the end of the buffer, and gives back one that a single
// long message has grown.
func (l *link) tidy() {
	if l.head < l.tail {
		return
	}
	l.head, l.tail = 0, 0
	if len(l.in) > maxMessage/8 {
		l.in = make([]byte, keptBuffer)
	}
}

// fill reads until n bytes are there. The buffer grows with what arrives, not
// with what a head claims.
func (l *link) fill(n int) error {
	for l.tail-l.head < n {
		if l.head+n > len(l.in) && l.head > 0 {
			l.tail = copy(l.in, l.in[l.head:l.tail])
			l.head = 0
		}
		if l.tail == len(l.in) {
			grown := make([]byte, min(max(2*len(l.in), keptBuffer), max(n, keptBuffer)))
			copy(grown, l.in[:l.tail])
			l.in = grown
		}
		got, err := l.rw.Read(l.in[l.tail:])
		l.tail += got
		if got == 0 && err != nil {
			if errors.Is(err, io.EOF) && l.tail > l.head {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// fields takes a body apart. After the first field that is not there all others
// are zero, and bad stays set.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.rest) {
		f.bad, f.rest = true, nil
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) u8() uint8 {
	if b := f.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (f *fields) u16() uint16 {
	if b := f.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (f *fields) u32() uint32 {
	if b := f.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (f *fields) i64() int64 {
	if b := f.take(8); b != nil {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// short takes bytes behind a length of 2 bytes, long behind one of 4.
func (f *fields) short() []byte { return f.take(int(f.u16())) }
func (f *fields) long() []byte  { return f.take(int(f.u32())) }

// end reports whether the body was right and is used up.
func (f *fields) end() error {
	if f.bad || len(f.rest) > 0 {
		return errProtocol
	}
	return nil
}
