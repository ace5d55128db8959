package cert

import "encoding/binary"

// storeVersion is the first byte of every stored pair.
const storeVersion = 1

func appendBlock(b, block []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(block)))
	return append(b, block...)
}

func takeBlock(b []byte) (block, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(len(b)-4) < uint64(n) {
		return nil, nil, false
	}
	return b[4 : 4+n], b[4+n:], true
}
