package tlv8_test

import (
	"bytes"
	"errors"
	"testing"

	"lares/homekit/internal/tlv8"
)

func TestLongValuesComeInParts(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 600)
	b := tlv8.Append(tlv8.Append(nil, 3, long), 4, nil)
	if want := 600 + 3*2 + 2; len(b) != want {
		t.Errorf("%d bytes, want %d", len(b), want)
	}
	m, err := tlv8.Parse(b)
	if err != nil || !bytes.Equal(m[3], long) || len(m) != 2 {
		t.Errorf("read back %d bytes, %v", len(m[3]), err)
	}
}

func TestListsAreKeptApart(t *testing.T) {
	if got, want := tlv8.AppendList(nil, 1, []byte{5}, []byte{6}), []byte{1, 1, 5, 0, 0, 1, 1, 6}; !bytes.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestMessagesThatOthersCouldReadOtherwiseAreRefused(t *testing.T) {
	for _, b := range [][]byte{{1}, {1, 2, 3}, {1, 255}} {
		if _, err := tlv8.Parse(b); !errors.Is(err, tlv8.ErrCut) {
			t.Errorf("%v: %v", b, err)
		}
	}
	if _, err := tlv8.Parse([]byte{1, 1, 5, 2, 0, 1, 1, 5}); !errors.Is(err, tlv8.ErrTwice) {
		t.Errorf("an item that comes twice: %v", err)
	}
}

func TestNumbersBeginWithTheLeastByte(t *testing.T) {
	m := tlv8.Message{1: {0x34, 0x12}, 2: make([]byte, 9)}
	if m.Uint(1) != 0x1234 || m.Uint(2) != 0 || m.Uint(3) != 0 || m.Byte(1) != 0x34 || m.Byte(3) != 0 {
		t.Errorf("%x %x %x", m.Uint(1), m.Uint(2), m.Byte(1))
	}
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 0})
	f.Add(tlv8.Append(nil, 9, bytes.Repeat([]byte{1}, 255)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := tlv8.Parse(b)
		if err != nil {
			return
		}
		for typ, value := range m {
			back, err := tlv8.Parse(tlv8.Append(nil, typ, value))
			if err != nil || !bytes.Equal(back[typ], value) {
				t.Errorf("item %d of %v reads back as %v, %v", typ, b, back[typ], err)
			}
		}
	})
}
