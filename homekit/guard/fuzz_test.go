package guard

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/brutella/hap"
	"github.com/brutella/hap/accessory"
	haptlv8 "github.com/brutella/hap/tlv8"

	"lares/homekit/internal/tlv8"
)

// What the guard decides by must be what the library reads.
func FuzzPairingMessagesMeanTheSameToTheLibrary(f *testing.F) {
	f.Add([]byte{0, 1, 0, 6, 1, 1})
	f.Add([]byte{6, 1, 3, 3, 2, 1, 2, 4, 1, 9, 6, 1, 5})
	f.Add([]byte{6, 1, 1, 0, 0, 6, 1, 5})
	f.Add([]byte{6, 0, 6, 2, 5, 1, 0, 0, 5, 3, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		ours, err := tlv8.Parse(b)
		if err != nil {
			return
		}
		var theirs struct {
			Method    byte   `tlv8:"0,optional"`
			State     byte   `tlv8:"6,optional"`
			Encrypted []byte `tlv8:"5,optional"`
		}
		if err := haptlv8.Unmarshal(b, &theirs); err != nil {
			return
		}
		if ours.Byte(tlvMethod) != theirs.Method || ours.Byte(tlvState) != theirs.State || !bytes.Equal(ours[tlvEncrypted], theirs.Encrypted) {
			t.Errorf("%v is %v to the guard and %+v to the library", b, ours, theirs)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte{0, 0})
	f.Add(make([]byte, 3000), []byte{1, 0, 2, 3})
	f.Add([]byte{}, []byte{1, 0, 48})
	f.Fuzz(func(t *testing.T, plain, noise []byte) {
		key := [32]byte{1}
		sealed, err := (&sealer{key: key}).seal(plain)
		if err != nil {
			t.Fatal(err)
		}
		o := &opener{src: bufio.NewReader(bytes.NewReader(append(sealed, noise...))), key: key}
		got, err := io.ReadAll(o)
		if !bytes.Equal(got, plain) {
			t.Errorf("sealed %d bytes and opened %d", len(plain), len(got))
		}
		if len(noise) > 2 && err == nil {
			t.Errorf("noise is taken for a frame: %v", noise)
		}
	})
}

// Whatever a stranger sends, the connection ends and nobody is paired.
func FuzzStrangers(f *testing.F) {
	f.Add([]byte("POST /pair-setup HTTP/1.1\r\nContent-Length: 6\r\n\r\n\x00\x01\x00\x06\x01\x01"))
	f.Add([]byte("POST /pair-setup HTTP/1.1\r\nContent-Length: 3\r\n\r\n\x06\x01\x01POST /pair-setup HTTP/1.1\r\nContent-Length: 22\r\n\r\n\x06\x01\x05\x05\x11aaaaaaaaaaaaaaaaa"))
	f.Add([]byte("POST /pair-verify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\x06\x01\x01\r\n0\r\n\r\n"))
	f.Add([]byte("GET /accessories HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := New(Config{Code: "48151623", Store: hap.NewMemStore(), Log: slog.New(slog.DiscardHandler)}, accessory.New(accessory.Info{Name: "a"}, accessory.TypeSwitch))
		if err != nil {
			t.Fatal(err)
		}
		g.server.Pin = "48151623"
		g.OpenPairing()
		ours, theirs := net.Pipe()
		go func() {
			go func() { _, _ = io.Copy(io.Discard, theirs) }()
			_, _ = theirs.Write(b)
			_ = theirs.Close()
		}()
		c := newConn(g, ours, ours)
		if !g.admit(c) {
			t.Fatal("not admitted")
		}
		c.serve(t.Context())
		if c.verifiedAs() != "" || len(g.Pairings()) != 0 {
			t.Error("a stranger came in")
		}
	})
}
