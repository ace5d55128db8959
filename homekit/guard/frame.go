package guard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/brutella/hap/chacha20poly1305"
)

// Frames of an encrypted connection (HAP specification 6.5.2): the length of the
// data (2 bytes, little endian, authenticated), the data encrypted, 16 bytes of
// tag. The nonce counts the frames of a direction.
const (
	frameHead = 2
	frameTag  = 16
	frameData = 1024 // most data in a frame that is sent
)

// errTooMuch says that a request is longer than the guard reads.
var errTooMuch = errors.New("the request is too long")

// meter lets a bounded number of bytes through.
type meter struct {
	src  io.Reader
	left int
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errTooMuch
	}
	n, err := m.src.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// opener decrypts frames. One reader at a time.
type opener struct {
	src   *bufio.Reader
	key   [32]byte
	count uint64
	rest  []byte // of the frame that is being handed out
}

// Read hands out the data of one frame at most: a frame is decrypted as soon as
// it is there, whatever its size and whatever follows.
func (o *opener) Read(p []byte) (int, error) {
	for len(o.rest) == 0 {
		if err := o.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// next reads and decrypts a frame.
func (o *opener) next() error {
	var head [frameHead]byte
	if _, err := io.ReadFull(o.src, head[:]); err != nil {
		return err
	}
	sealed := make([]byte, int(binary.LittleEndian.Uint16(head[:]))+frameTag)
	if n, err := io.ReadFull(o.src, sealed); err != nil {
		return fmt.Errorf("read frame %d: its end is missing after %d bytes: %w", o.count, n, noEOF(err))
	}
	data, tag := sealed[:len(sealed)-frameTag], [frameTag]byte(sealed[len(sealed)-frameTag:])
	var nonce [8]byte
	binary.LittleEndian.PutUint64(nonce[:], o.count)
	plain, err := chacha20poly1305.DecryptAndVerify(o.key[:], nonce[:], data, tag, head[:])
	if err != nil {
		return fmt.Errorf("decrypt frame %d: %w", o.count, err)
	}
	o.count++
	o.rest = plain
	return nil
}

// noEOF makes an end within a frame an error: it is no end of requests.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// sealer encrypts frames.
type sealer struct {
	key   [32]byte
	count uint64
}

// seal returns b in frames.
func (s *sealer) seal(b []byte) ([]byte, error) {
	frames := len(b)/frameData + 1
	out := make([]byte, 0, len(b)+frames*(frameHead+frameTag))
	for len(b) > 0 {
		data := b[:min(len(b), frameData)]
		var head [frameHead]byte
		binary.LittleEndian.PutUint16(head[:], uint16(len(data)))
		var nonce [8]byte
		binary.LittleEndian.PutUint64(nonce[:], s.count)
		sealed, tag, err := chacha20poly1305.EncryptAndSeal(s.key[:], nonce[:], data, head[:])
		if err != nil {
			return nil, fmt.Errorf("encrypt frame %d: %w", s.count, err)
		}
		s.count++
		out = append(append(append(out, head[:]...), sealed...), tag[:]...)
		b = b[len(data):]
	}
	return out, nil
}
