package guard

import (
	"bytes"

	"lares/homekit/internal/tlv8"
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

// refusal is the message that answers state with an error code.
func refusal(state, code byte) *answer {
	b := tlv8.Append(nil, tlvState, []byte{state})
	return tlvAnswer(tlv8.Append(b, tlvError, []byte{code}))
}

// failed says whether an answer of the library to a pairing message is an error.
func failed(a *answer) bool {
	t, err := tlv8.Parse(a.body.Bytes())
	return err != nil || a.status() >= 300 || t.Byte(tlvError) != 0 || bytes.Equal(t[tlvState], nil)
}
