package guard

import (
	"bytes"
	"errors"
)

// Types of TLV8 items in pairing messages (HAP specification, table 5-6).
const (
	tlvMethod     = 0x00
	tlvIdentifier = 0x01
	tlvPublicKey  = 0x03
	tlvEncrypted  = 0x05
	tlvState      = 0x06
	tlvError      = 0x07
	tlvPermission = 0x0b
	tlvSeparator  = 0xff
)

// errTLV says that bytes are no TLV8.
var errTLV = errors.New("the message is cut off")

// tlv is a pairing message without separators: type -> value.
type tlv map[byte][]byte

// parseTLV reads a TLV8 message. Items of one type that follow each other are
// parts of one value. An item whose type came before, elsewhere, is refused: the
// library would join the two, and would then read another message than the guard.
func parseTLV(b []byte) (tlv, error) {
	t := tlv{}
	last := -1
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return nil, errTLV
		}
		typ, value := b[0], b[2:2+int(b[1])]
		if _, again := t[typ]; again && last != int(typ) {
			return nil, errors.New("the message names one thing twice")
		}
		t[typ] = append(t[typ], value...)
		last = int(typ)
		b = b[2+len(value):]
	}
	return t, nil
}

// number returns the value of a one-byte item, 0 if there is none.
func (t tlv) number(typ byte) byte {
	if v := t[typ]; len(v) > 0 {
		return v[0]
	}
	return 0
}

// appendTLV adds an item, in parts of at most 255 bytes.
func appendTLV(b []byte, typ byte, value []byte) []byte {
	for {
		part := value[:min(len(value), 255)]
		b = append(append(b, typ, byte(len(part))), part...)
		if value = value[len(part):]; len(value) == 0 {
			return b
		}
	}
}

// refusal is the message that answers state with an error code.
func refusal(state, code byte) *answer {
	b := appendTLV(nil, tlvState, []byte{state})
	return tlvAnswer(appendTLV(b, tlvError, []byte{code}))
}

// failed says whether an answer of the library to a pairing message is an error.
func failed(a *answer) bool {
	t, err := parseTLV(a.body.Bytes())
	return err != nil || a.status() >= 300 || t.number(tlvError) != 0 || bytes.Equal(t[tlvState], nil)
}
