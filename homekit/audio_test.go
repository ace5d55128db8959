package homekit

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"lares/nvr"
	"lares/nvr/media"
)

// organ makes two frames of Opus of each block: its own bytes, and them once more.
type organ struct{}

func (organ) Opus(_ context.Context, _ media.SoundFormat, _ media.OpusFormat, blocks []media.SoundBlock, yield func(int64, []byte)) error {
	for _, b := range blocks {
		yield(b.PTS, b.Data)
		yield(b.PTS+nvr.DurationTicks(opusFrame), b.Data)
	}
	return nil
}

func (organ) Close() {}

// listener is an outlet with its other end.
func listener(t *testing.T) (*outlet, func() rtp.Packet) {
	t.Helper()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	s := secret{make([]byte, keyBytes), make([]byte, saltBytes)}
	o, err := openOutlet(netip.MustParseAddr("127.0.0.1"), socket.LocalAddr().(*net.UDPAddr).AddrPort(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.close() })
	in, err := srtp.CreateContext(s.key, s.salt, srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal(err)
	}
	return o, func() rtp.Packet {
		t.Helper()
		buf := make([]byte, 4096)
		if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		n, err := socket.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := in.DecryptRTP(nil, buf[:n], nil)
		if err != nil {
			t.Fatal(err)
		}
		var p rtp.Packet
		if err := p.Unmarshal(plain); err != nil {
			t.Fatal(err)
		}
		return p
	}
}

func TestSoundGoesOutOnTheClockThatWasAskedFor(t *testing.T) {
	for _, c := range []struct {
		packet time.Duration
		rate   int
		step   uint32 // of the stamps
		first  []byte
	}{
		{20 * time.Millisecond, 16000, 320, []byte{0x48, 1, 2}},
		{60 * time.Millisecond, 24000, 1440, []byte{0x4b, 0x83, 2, 2, 1, 2, 1, 2, 1, 2}},
	} {
		o, next := listener(t)
		stream := nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{})
		a := &audio{outlet: o, opus: organ{}, muted: func() bool { return false }, log: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		params := &nvr.Params{Video: nvr.H264, Audio: nvr.AAC, SampleRate: 16000, Channels: 1}
		now := nvr.Ticks(time.Now())
		stream.Publish(&nvr.Frame{Track: nvr.VideoTrack, Key: true, PTS: now, DTS: now, Params: params})
		stream.Publish(&nvr.Frame{Track: nvr.AudioTrack, PTS: now - nvr.ClockRate, DTS: now - nvr.ClockRate, Params: params, Data: []byte{0x48, 9, 9}}) // stale
		for i := range int64(6) {
			at := now + 2*i*nvr.DurationTicks(opusFrame)
			stream.Publish(&nvr.Frame{Track: nvr.AudioTrack, PTS: at, DTS: at, Params: params, Data: []byte{0x48, 1, 2}})
		}
		go func() {
			defer close(done)
			a.run(ctx, stream, selection{audio: rtpParams{payloadType: 110, reports: time.Minute}, sampleRate: c.rate, packetTime: c.packet})
		}()
		first := next()
		if !bytes.Equal(first.Payload, c.first) || first.PayloadType != 110 {
			t.Errorf("%v: the first packet is %v", c.packet, first)
		}
		for i := range 3 {
			if p := next(); p.Timestamp != first.Timestamp+uint32(i+1)*c.step || p.SequenceNumber != first.SequenceNumber+uint16(i+1) {
				t.Errorf("%v: packet %d is %d after the first", c.packet, i+1, p.Timestamp-first.Timestamp)
			}
		}
		cancel()
		<-done
	}
}

func TestMutedMicrophoneSendsNothing(t *testing.T) {
	a := &audio{opus: organ{}, muted: func() bool { return true }, rate: 16000, perPack: 1}
	// Sending would fail: there is no outlet.
	a.hear(t.Context(), &nvr.Frame{Track: nvr.AudioTrack, PTS: nvr.Ticks(time.Now()), Params: &nvr.Params{Audio: nvr.AAC}, Data: []byte{0x48, 1}})
}

func TestOpusFramesAreJoined(t *testing.T) {
	long := append([]byte{0x48}, bytes.Repeat([]byte{7}, 700)...)
	got := joinOpus([][]byte{long, {0x48}, {0x48, 5}})
	// 700 bytes are 252 and 4 x 112 (RFC 6716, 3.2.1).
	want := append(append([]byte{0x4b, 0x83, 252, 112, 0}, long[1:]...), 5)
	if !bytes.Equal(got, want) {
		t.Errorf("joined %v", got[:8])
	}
	for _, n := range []int{0, 251, 252, 253, 255, 256, 1275} {
		b := appendOpusLength(nil, n)
		back := int(b[0])
		if len(b) > 1 {
			back += 4 * int(b[1])
		}
		if back != n {
			t.Errorf("%d becomes %v, which is %d", n, b, back)
		}
	}
}
