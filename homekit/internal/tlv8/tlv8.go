// Package tlv8 reads and writes TLV8 (HAP specification, 14.1): items of a type,
// a length of one byte, and a value. It holds no state.
package tlv8

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Reasons why bytes are no message.
var (
	ErrCut   = errors.New("the message is cut off")
	ErrTwice = errors.New("the message names one thing twice")
)

// Message is a message without separators: type -> value.
type Message map[byte][]byte

// Parse reads a message. Items of one type that follow each other are parts of
// one value. An item whose type came before, elsewhere, is refused: another
// reader could join the two, and would then read another message.
func Parse(b []byte) (Message, error) {
	m := Message{}
	last := -1
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return nil, ErrCut
		}
		typ, value := b[0], b[2:2+int(b[1])]
		if _, again := m[typ]; again && last != int(typ) {
			return nil, ErrTwice
		}
		m[typ] = append(m[typ], value...)
		last = int(typ)
		b = b[2+len(value):]
	}
	return m, nil
}

// Byte returns the value of a one-byte item, 0 if there is none.
func (m Message) Byte(typ byte) byte {
	if v := m[typ]; len(v) > 0 {
		return v[0]
	}
	return 0
}

// Uint returns the value of an item that is a number of 1 to 8 bytes, least
// byte first; 0 if there is none or it is longer.
func (m Message) Uint(typ byte) uint64 {
	v := m[typ]
	if len(v) > 8 {
		return 0
	}
	var b [8]byte
	copy(b[:], v)
	return binary.LittleEndian.Uint64(b[:])
}

// Message reads the value of an item that is a message itself; an empty one if
// there is none.
func (m Message) Message(typ byte) (Message, error) {
	in, err := Parse(m[typ])
	if err != nil {
		return nil, fmt.Errorf("item %d: %w", typ, err)
	}
	return in, nil
}

// Append adds an item, in parts of at most 255 bytes.
func Append(b []byte, typ byte, value []byte) []byte {
	for {
		part := value[:min(len(value), 255)]
		b = append(append(b, typ, byte(len(part))), part...)
		if value = value[len(part):]; len(value) == 0 {
			return b
		}
	}
}

// AppendList adds items of one type with a separator between them (an empty
// item of type 0), so that they are not taken for parts of one value.
func AppendList(b []byte, typ byte, values ...[]byte) []byte {
	for i, v := range values {
		if i > 0 {
			b = append(b, 0, 0)
		}
		b = Append(b, typ, v)
	}
	return b
}
