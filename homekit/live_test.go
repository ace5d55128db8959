package homekit

import (
	"crypto/rand"
	"encoding/binary"
	"math"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"lares/homekit/internal/haptest"
	"lares/nvr"
)

// view is a controller's side of a stream.
type view struct {
	p         *phone
	slot      int
	id        []byte
	socket    *net.UDPConn
	key, salt []byte
	in, out   *srtp.Context
	ssrc      uint32
	peer      *net.UDPAddr
	rtp       []rtp.Packet
	reports   int
	endpoints string
	selected  string
}

const (
	endpointsType = "118"
	selectedType  = "117"
	statusType    = "120"
	motionType    = "22"
)

func little16(n int) []byte { return binary.LittleEndian.AppendUint16(nil, uint16(n)) }

// setUp asks for a stream over a slot and reads the answer back.
func (p *phone) setUp(slot int) *view {
	p.t.Helper()
	v := &view{p: p, slot: slot, id: make([]byte, 16), key: make([]byte, 16), salt: make([]byte, 14)}
	for _, b := range [][]byte{v.id, v.key, v.salt} {
		_, _ = rand.Read(b)
	}
	v.endpoints, v.selected = p.characteristics(endpointsType)[slot], p.characteristics(selectedType)[slot]
	var err error
	if v.socket, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = v.socket.Close() })
	port := v.socket.LocalAddr().(*net.UDPAddr).Port
	at := haptest.Pack(haptest.Item{Type: 1, Value: []byte{0}}, haptest.Item{Type: 2, Value: []byte("127.0.0.1")}, haptest.Item{Type: 3, Value: little16(port)}, haptest.Item{Type: 4, Value: little16(port)})
	keys := haptest.Pack(haptest.Item{Type: 2, Value: v.key}, haptest.Item{Type: 3, Value: v.salt}, haptest.Item{Type: 1, Value: []byte{0}})
	p.write(http.StatusNoContent, v.endpoints, haptest.Pack(haptest.Item{Type: 1, Value: v.id}, haptest.Item{Type: 3, Value: at}, haptest.Item{Type: 4, Value: keys}, haptest.Item{Type: 5, Value: keys}))
	return v
}

// answer reads the answer to set-up; state is 0 when the stream can be had.
func (v *view) answer() (state byte) {
	v.p.t.Helper()
	m := v.p.readTLV(v.endpoints)
	if string(m[1]) != string(v.id) {
		v.p.t.Fatalf("the answer is about another stream: %v", m)
	}
	if m[2][0] != 0 {
		return m[2][0]
	}
	at := haptest.Unpack(m[3])
	keys := haptest.Unpack(m[4])
	if string(keys[2]) != string(v.key) || string(keys[3]) != string(v.salt) {
		v.p.t.Fatal("the answer has other keys")
	}
	v.ssrc = binary.LittleEndian.Uint32(m[6])
	v.peer = &net.UDPAddr{IP: net.ParseIP(string(at[2])), Port: int(binary.LittleEndian.Uint16(at[3]))}
	var err error
	if v.in, err = srtp.CreateContext(v.key, v.salt, srtp.ProtectionProfileAes128CmHmacSha1_80); err == nil {
		v.out, err = srtp.CreateContext(v.key, v.salt, srtp.ProtectionProfileAes128CmHmacSha1_80)
	}
	if err != nil {
		v.p.t.Fatal(err)
	}
	return 0
}

// command sends a command; start asks for pictures of a size, and for sound in
// packets of some milliseconds.
func (v *view) command(command byte, width, height int, packet byte) []byte {
	params := func(pt byte, mtu int) []byte {
		return haptest.Pack(haptest.Item{Type: 1, Value: []byte{pt}}, haptest.Item{Type: 2, Value: []byte{1, 0, 0, 0}}, haptest.Item{Type: 3, Value: little16(299)},
			haptest.Item{Type: 4, Value: binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.1))}, haptest.Item{Type: 5, Value: little16(mtu)})
	}
	size := haptest.Pack(haptest.Item{Type: 1, Value: little16(width)}, haptest.Item{Type: 2, Value: little16(height)}, haptest.Item{Type: 3, Value: []byte{30}})
	video := haptest.Pack(haptest.Item{Type: 1, Value: []byte{0}}, haptest.Item{Type: 3, Value: size}, haptest.Item{Type: 4, Value: params(99, 1378)})
	codec := haptest.Pack(haptest.Item{Type: 1, Value: []byte{1}}, haptest.Item{Type: 3, Value: []byte{1}}, haptest.Item{Type: 4, Value: []byte{packet}})
	audio := haptest.Pack(haptest.Item{Type: 1, Value: []byte{3}}, haptest.Item{Type: 2, Value: codec}, haptest.Item{Type: 3, Value: params(110, 0)})
	control := haptest.Pack(haptest.Item{Type: 1, Value: v.id}, haptest.Item{Type: 2, Value: []byte{command}})
	return haptest.Pack(haptest.Item{Type: 1, Value: control}, haptest.Item{Type: 2, Value: video}, haptest.Item{Type: 3, Value: audio})
}

func (v *view) start(width, height int, packet byte) {
	v.p.t.Helper()
	v.p.write(http.StatusNoContent, v.selected, v.command(commandStart, width, height, packet))
}

// receive reads packets until enough says so.
func (v *view) receive(enough func() bool) {
	v.p.t.Helper()
	buf := make([]byte, 4096)
	for !enough() {
		if err := v.socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
			v.p.t.Fatal(err)
		}
		n, err := v.socket.Read(buf)
		if err != nil {
			v.p.t.Fatalf("after %d packets: %v", len(v.rtp), err)
		}
		if n > packetBytes {
			v.p.t.Errorf("a packet of %d bytes", n)
		}
		if buf[1] >= 192 && buf[1] <= 223 {
			plain, err := v.in.DecryptRTCP(nil, buf[:n], nil)
			if err != nil {
				v.p.t.Fatal(err)
			}
			list, err := rtcp.Unmarshal(plain)
			if report, ok := list[0].(*rtcp.SenderReport); err != nil || !ok || report.SSRC != v.ssrc {
				v.p.t.Errorf("report %v, %v", list, err)
			}
			v.reports++
			continue
		}
		plain, err := v.in.DecryptRTP(nil, buf[:n], nil)
		if err != nil {
			v.p.t.Fatal(err)
		}
		var packet rtp.Packet
		if err := packet.Unmarshal(plain); err != nil {
			v.p.t.Fatal(err)
		}
		v.rtp = append(v.rtp, packet)
	}
}

// units lists the types of the NAL units that were received, fragments as one.
func (v *view) units() (types []byte) {
	for _, p := range v.rtp {
		switch typ := p.Payload[0] & 0x1f; {
		case typ != 28:
			types = append(types, typ)
		case p.Payload[1]&0x80 != 0:
			types = append(types, p.Payload[1]&0x1f)
		}
	}
	return types
}

func TestLiveViewBeginsWithAKeyFrameAndGoesOn(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	v := p.setUp(0)
	if state := v.answer(); state != 0 {
		t.Fatalf("state %d", state)
	}
	v.start(1280, 720, 20)
	pictures := func() (n int) {
		for _, p := range v.rtp {
			if p.Marker {
				n++
			}
		}
		return n
	}
	v.receive(func() bool { return pictures() > 45 && v.reports > 3 })
	units := v.units()
	if len(units) < 3 || units[0] != 7 || units[1] != 8 {
		t.Fatalf("it begins with NAL units of types %v", units[:min(5, len(units))])
	}
	keys := 0
	for i, typ := range units {
		if typ == 5 && units[i-1] != 5 && units[i-1] != 6 {
			keys++
			if units[i-1] != 8 || units[i-2] != 7 {
				t.Errorf("a key frame comes after NAL units of types %v", units[max(0, i-4):i])
			}
		}
	}
	if keys < 2 {
		t.Errorf("%d key frames in %d pictures", keys, pictures())
	}
	for i, p := range v.rtp {
		if p.SSRC != v.ssrc || p.PayloadType != 99 {
			t.Fatalf("packet %d: SSRC %d, type %d", i, p.SSRC, p.PayloadType)
		}
		if i > 0 && p.SequenceNumber != v.rtp[i-1].SequenceNumber+1 {
			t.Errorf("packet %d follows %d", p.SequenceNumber, v.rtp[i-1].SequenceNumber)
		}
		if i > 0 && (p.Timestamp != v.rtp[i-1].Timestamp) != v.rtp[i-1].Marker {
			t.Errorf("packet %d: time %d after %d, marker %v", i, p.Timestamp, v.rtp[i-1].Timestamp, v.rtp[i-1].Marker)
		}
	}
	if n := h.gate.count(LogLive); n != 1 {
		t.Errorf("%d entries in the record of who looked", n)
	}
}
