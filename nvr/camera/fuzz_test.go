package camera

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/headers"
	"github.com/bluenviron/gortsplib/v4/pkg/sdp"
	"github.com/pion/rtp"

	"lares/nvr"
)

func FuzzPicturesFromPackets(f *testing.F) {
	f.Add([]byte{0, 4, 0x67, 1, 2, 3, 0x85, 3, 0x65, 0x88, 1}, false)
	f.Add([]byte{0, 6, 0x7C, 0x85, 1, 0, 0, 1, 0x80, 4, 0x7C, 0x45, 3, 4}, false)
	f.Add([]byte{0x80, 8, 0x62, 1, 0xD3, 1, 2, 3, 4, 5}, true)
	f.Add([]byte{0x80, 10, 0x60, 1, 0, 3, 0x40, 1, 2, 0, 9, 9}, true)
	f.Fuzz(func(t *testing.T, script []byte, second bool) {
		codec := nvr.H264
		if second {
			codec = nvr.H265
		}
		feed := NewFeed(nvr.NewStream(nvr.StreamID{}, nvr.StreamConfig{}))
		v := &videoTrack{feed: feed, codec: codec, clock: systemClock()}
		d := newDepacketizer(codec, func(u unit) {
			total := 0
			eachNALU(u.data, func(nalu []byte) { total += prefix + len(nalu) })
			if total != len(u.data) {
				t.Fatalf("unit of %d bytes has NAL units of %d", len(u.data), total)
			}
			v.accept(u)
		})
		// Each packet: a byte of flags (marker, new stamp, lost one), a length, the payload.
		var seq uint16
		var stamp uint32
		for len(script) >= 2 {
			flags, size := script[0], int(script[1])
			script = script[2:]
			size = min(size, len(script))
			seq++
			if flags&1 != 0 {
				seq++
			}
			if flags&2 != 0 {
				stamp += 3600
			}
			d.push(&rtp.Packet{
				Header:  rtp.Header{Marker: flags&0x80 != 0, SequenceNumber: seq, Timestamp: stamp},
				Payload: script[:size],
			})
			script = script[size:]
		}
	})
}

func FuzzDescriptions(f *testing.F) {
	// Real descriptions are seeds where the shared material is present.
	for _, dir := range []string{"issues", "go2rtc", "gortsplib"} {
		files, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "protocol", dir, "*.sdp"))
		for _, name := range files {
			if text, err := os.ReadFile(name); err == nil {
				f.Add(text, true)
			}
		}
	}
	f.Add([]byte("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 sprop-parameter-sets=AAAAAWdC,aM4="), false)
	f.Add([]byte("m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/8000\na=fmtp:97 config=1588;sizelength=99999"), true)
	f.Add([]byte("m=audio 0 RTP/AVP 8\na=rtpmap:8 PCMA/16000/2"), true)
	f.Add([]byte("m=audio 0 RTP/AVP 0 11\na=rtpmap:11 PCM/48000"), false)
	f.Fuzz(func(t *testing.T, text []byte, secure bool) {
		o := parseOffer(text)
		for _, note := range o.notes {
			if strings.ContainsFunc(note, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("unprintable note %q", note)
			}
		}
		var media []*medium
		for _, m := range []*medium{o.video, o.sound} {
			if m != nil {
				media = append(media, m)
			}
		}
		if len(media) == 0 {
			return
		}
		// What is handed to gortsplib is always understood, whatever came in.
		var parsed sdp.SessionDescription
		if err := parsed.Unmarshal(o.canonical(secure, media...)); err != nil {
			t.Fatalf("%v in\n%s", err, o.canonical(secure, media...))
		}
		var session description.Session
		if err := session.Unmarshal(&parsed); err != nil {
			t.Fatalf("%v in\n%s", err, o.canonical(secure, media...))
		}
		if len(session.Medias) != len(media) {
			t.Fatalf("%d media became %d", len(media), len(session.Medias))
		}
		for _, address := range []string{"rtsp://u:p%40@h/a", "rtsp://h:554/a/?b=c&d=%20", "rtsp://[::1]"} {
			u, err := base.ParseURL(address)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range session.Medias {
				if at, err := m.URL(u); err != nil || at == nil {
					t.Fatalf("control %q makes no address: %v", m.Control, err)
				}
			}
		}
	})
}

func FuzzSoundPackets(f *testing.F) {
	f.Add("m=audio 0 RTP/AVP 8", []byte{1, 2, 3})
	f.Add("m=audio 0 RTP/AVP 10", []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add("m=audio 0 RTP/AVP 97\na=rtpmap:97 opus/48000/2", []byte{0xfb, 0xff})
	f.Add("m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/16000\na=fmtp:97 config=1408", []byte{0, 16, 0, 8, 1})
	f.Fuzz(func(t *testing.T, text string, payload []byte) {
		o := parseOffer([]byte(text))
		if o.sound == nil {
			return
		}
		unpack, err := newUnpacker(o.sound)
		if err != nil {
			return
		}
		for sequence := range uint16(3) {
			for _, p := range unpack(&rtp.Packet{Header: rtp.Header{SequenceNumber: sequence, Marker: sequence > 0}, Payload: payload}) {
				if p.samples <= 0 || len(p.data) == 0 || len(o.sound.heard.own(p.data)) != len(p.data) {
					t.Fatalf("%d samples in %d bytes", p.samples, len(p.data))
				}
			}
		}
	})
}

func FuzzAnswers(f *testing.F) {
	f.Add("Transport", "RTP/AVP/TCP;unicast;interleaved=2-3;ssrc= 1a", uint8(2), uint16(200))
	f.Add("WWW-Authenticate", `digest realm="x", nonce="y", algorithm = "SHA256"`, uint8(1), uint16(401))
	f.Add("Location", "rtsp://cam/other", uint8(1), uint16(302))
	f.Add("Session", ";;timeout=99999999999", uint8(2), uint16(200))
	f.Add("Content-Base", "cam/", uint8(1), uint16(200))
	f.Fuzz(func(t *testing.T, key, value string, method uint8, status uint16) {
		a := answers{
			host: "cam", asked: []base.Method{base.Options, base.Describe, base.Setup, base.Play}[method%4], timeout: defaultSessionTimeout,
		}
		res := base.Response{
			StatusCode: base.StatusCode(status), Header: base.Header{key: {value}},
			Body: []byte("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
		}
		a.response(&res)
		if s, ok := res.Header["Session"]; ok && key == "Session" {
			var h headers.Session
			if err := h.Unmarshal(s); err != nil {
				t.Errorf("session %q: %v", s, err)
			}
		}
		if where := res.Header["Location"]; status >= 300 && status < 400 && key == "Location" && len(where) > 0 {
			if u, err := base.ParseURL(where[0]); err != nil || !strings.EqualFold(u.Hostname(), "cam") {
				t.Errorf("follows to %q", where)
			}
		}
	})
}

func FuzzCheckURL(f *testing.F) {
	f.Add("rtsp://192.168.1.2:554/a?b=c")
	f.Add("rtsps://[fe80::1]:322/")
	f.Add("rtsp://u:p@h/")
	f.Fuzz(func(t *testing.T, raw string) {
		err := CheckURL(raw)
		if err != nil {
			if !errors.Is(err, nvr.ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
			return
		}
		u, err := base.ParseURL(raw)
		if err != nil {
			t.Fatalf("%q was accepted: %v", raw, err)
		}
		if u.User != nil || u.Hostname() == "" {
			t.Errorf("%q was accepted", raw)
		}
	})
}

func TestAddressesAreChecked(t *testing.T) {
	for _, good := range []string{
		"rtsp://192.168.1.2/", "rtsp://cam", "rtsps://cam.local:7441/x?enableSrtp", "rtsp://[::1]:8554/a",
		"rtsp://192.168.1.2:554/cam/realmonitor?channel=1&subtype=0",
	} {
		if err := CheckURL(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "cam", "http://cam/", "rtsp://", "rtsp:///x", "rtsp://u@cam/", "rtsp://u:p@cam/", "rtsp://cam:0/", "rtsp://cam:99999/",
		"rtsp://cam/ x", "rtsp://cam/#x", "rtsp:cam", "file:///etc/passwd", "rtsp://cam/\n", "rtsp://cam/" + strings.Repeat("a", 4096),
	} {
		if err := CheckURL(bad); !errors.Is(err, nvr.ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPartsOfPicturesAreJoined(t *testing.T) {
	idr, sei, sps := []byte{0x65, 0x88, 1, 2}, []byte{6, 5, 1, 9, 0x80}, []byte{0x67, 0x42, 1}
	type packet struct {
		stamp   uint32
		marker  bool
		payload []byte
	}
	for name, c := range map[string]struct {
		packets []packet
		want    [][][]byte
	}{
		"marker on SEI": {
			[]packet{{0, true, sei}, {0, true, idr}}, [][][]byte{{sei, idr}},
		},
		"parameter sets under an older stamp": {
			[]packet{{0, true, sps}, {9, true, idr}}, [][][]byte{{sps, idr}},
		},
		"start codes": {
			[]packet{{0, true, bytes.Join([][]byte{nil, sps, sei, idr}, []byte{0, 0, 0, 1})}}, [][][]byte{{sps, sei, idr}},
		},
		"start and end in one fragment": {
			[]packet{{0, true, []byte{0x7C, 0xC5, 0x88, 1, 2}}}, [][][]byte{{idr}},
		},
		"end bit missing": {
			[]packet{{0, false, []byte{0x7C, 0x85, 0x88, 1}}, {0, true, []byte{0x7C, 0x05, 2}}}, [][][]byte{{idr}},
		},
		"no markers": {
			[]packet{{0, false, idr}, {9, false, idr}, {18, false, idr}}, [][][]byte{{idr}, {idr}},
		},
		"two pictures of one stamp": {
			[]packet{{0, true, idr}, {0, true, idr}}, [][][]byte{{idr}, {idr}},
		},
		"markers on slices": {
			[]packet{
				{0, true, idr},
				{0, true, []byte{0x65, 0x10}},
				{9, true, idr},
				{9, true, []byte{0x65, 0x10}},
				{18, true, idr},
			},
			[][][]byte{{idr}, {{0x65, 0x10}}, {idr, {0x65, 0x10}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got [][][]byte
			d := newDepacketizer(nvr.H264, func(u unit) {
				var au [][]byte
				eachNALU(u.data, func(nalu []byte) { au = append(au, bytes.Clone(nalu)) })
				got = append(got, au)
			})
			for i, p := range c.packets {
				d.push(&rtp.Packet{
					Header: rtp.Header{SequenceNumber: uint16(i), Timestamp: p.stamp, Marker: p.marker}, Payload: p.payload,
				})
			}
			if len(got) != len(c.want) {
				t.Fatalf("%d pictures %x, want %x", len(got), got, c.want)
			}
			for i := range got {
				if !bytes.Equal(bytes.Join(got[i], []byte("|")), bytes.Join(c.want[i], []byte("|"))) {
					t.Errorf("picture %d: %x, want %x", i, got[i], c.want[i])
				}
			}
		})
	}
}

func TestPictureWithALostPacketIsDropped(t *testing.T) {
	n := 0
	d := newDepacketizer(nvr.H264, func(unit) { n++ })
	for _, p := range []rtp.Packet{
		{Header: rtp.Header{SequenceNumber: 1, Timestamp: 1}, Payload: []byte{0x7C, 0x85, 0x88}},
		{Header: rtp.Header{SequenceNumber: 3, Timestamp: 1, Marker: true}, Payload: []byte{0x7C, 0x45, 1}},
		{Header: rtp.Header{SequenceNumber: 4, Timestamp: 2, Marker: true}, Payload: []byte{0x65, 0x88, 1}},
	} {
		d.push(&p)
	}
	if n != 1 {
		t.Errorf("%d pictures, want the whole one", n)
	}
}

func TestPictureBeyondAllBoundsIsDropped(t *testing.T) {
	n := 0
	d := newDepacketizer(nvr.H264, func(unit) { n++ })
	big := make([]byte, 60000)
	binary.BigEndian.PutUint16(big, 0x7C05)
	for i := range 400 {
		payload := big
		if i == 0 {
			payload = []byte{0x7C, 0x85, 0x88}
		}
		d.push(&rtp.Packet{Header: rtp.Header{SequenceNumber: uint16(i), Timestamp: 1}, Payload: payload})
	}
	d.push(&rtp.Packet{Header: rtp.Header{SequenceNumber: 400, Timestamp: 2, Marker: true}, Payload: []byte{0x65, 0x88, 1}})
	if n != 1 || cap(d.buf) > keepBuffer {
		t.Errorf("%d pictures, %d bytes kept", n, cap(d.buf))
	}
}
