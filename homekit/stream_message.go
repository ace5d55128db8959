package homekit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"lares/homekit/internal/tlv8"
)

// The messages with which a controller sets up, starts and ends a stream (HAP
// specification, 9.36 Setup Endpoints, 9.34 Selected RTP Stream Configuration).
// The library's own structs name some of the items wrongly.

// errMessage says that a message is none of these.
var errMessage = errors.New("the controller sent a message that does not hold together")

const (
	keyBytes  = 16 // of AES_CM_128_HMAC_SHA1_80, the only suite that is offered
	saltBytes = 14
)

// Item types of a command (item 1 of a selection).
const (
	commandEnd         = 0
	commandStart       = 1
	commandSuspend     = 2
	commandResume      = 3
	commandReconfigure = 4
)

// States of an answer to SetupEndpoints.
const (
	setupGood  = 0
	setupBusy  = 1
	setupError = 2
)

// sessionID names a stream; the controller chooses it.
type sessionID [16]byte

// secret is what SRTP encrypts one medium with.
type secret struct{ key, salt []byte }

// endpoints is where a controller wants a stream, and how it is encrypted.
type endpoints struct {
	session      sessionID
	host         netip.Addr
	video, audio leg
}

// leg is one medium of endpoints.
type leg struct {
	port uint16
	secret
}

func parseEndpoints(b []byte) (endpoints, error) {
	var e endpoints
	m, err := tlv8.Parse(b)
	if err != nil {
		return e, fmt.Errorf("%w: %w", errMessage, err)
	}
	if len(m[1]) != len(e.session) {
		return e, fmt.Errorf("%w: no session", errMessage)
	}
	e.session = sessionID(m[1])
	at, err := m.Message(3)
	if err != nil {
		return e, fmt.Errorf("%w: %w", errMessage, err)
	}
	if e.host, err = netip.ParseAddr(string(at[2])); err != nil {
		return e, fmt.Errorf("%w: %w", errMessage, err)
	}
	e.host = e.host.Unmap()
	e.video.port, e.audio.port = uint16(at.Uint(3)), uint16(at.Uint(4))
	if e.video.port == 0 {
		return e, fmt.Errorf("%w: no port", errMessage)
	}
	if e.video.secret, err = parseSecret(m, 4); err != nil {
		return e, err
	}
	e.audio.secret, err = parseSecret(m, 5)
	return e, err
}

func parseSecret(m tlv8.Message, typ byte) (secret, error) {
	in, err := m.Message(typ)
	if err != nil {
		return secret{}, fmt.Errorf("%w: %w", errMessage, err)
	}
	if in.Byte(1) != 0 || len(in[2]) != keyBytes || len(in[3]) != saltBytes {
		return secret{}, fmt.Errorf("%w: another SRTP suite than AES_CM_128_HMAC_SHA1_80", errMessage)
	}
	return secret{key: in[2], salt: in[3]}, nil
}

func (s secret) bytes() []byte {
	b := tlv8.Append(nil, 1, []byte{0})
	b = tlv8.Append(b, 2, s.key)
	return tlv8.Append(b, 3, s.salt)
}

// refusedEndpoints is the answer where no stream can be had.
func refusedEndpoints(id sessionID, state byte) []byte {
	b := tlv8.Append(nil, 1, id[:])
	return tlv8.Append(b, 2, []byte{state})
}

// answer says where the stream comes from: the ports of this box at host, and
// the SSRC of each medium. The controller's keys are used in both directions.
func (e endpoints) answer(host netip.Addr, video, audio uint16, videoSSRC, audioSSRC uint32) []byte {
	version := byte(0)
	if host.Is6() {
		version = 1
	}
	at := tlv8.Append(nil, 1, []byte{version})
	at = tlv8.Append(at, 2, []byte(host.WithZone("").String()))
	at = tlv8.Append(at, 3, binary.LittleEndian.AppendUint16(nil, video))
	at = tlv8.Append(at, 4, binary.LittleEndian.AppendUint16(nil, audio))
	b := refusedEndpoints(e.session, setupGood)
	b = tlv8.Append(b, 3, at)
	b = tlv8.Append(b, 4, e.video.bytes())
	b = tlv8.Append(b, 5, e.audio.bytes())
	b = tlv8.Append(b, 6, binary.LittleEndian.AppendUint32(nil, videoSSRC))
	return tlv8.Append(b, 7, binary.LittleEndian.AppendUint32(nil, audioSSRC))
}

// selection is a command about a stream that was set up.
type selection struct {
	session sessionID
	command byte
	// Of start and reconfigure: pixels at most; 0 where it is not said.
	width, height int
	video, audio  rtpParams
	// sampleRate of Opus in Hz, packetTime what one packet holds.
	sampleRate int
	packetTime time.Duration
}

// rtpParams say how one medium is packed.
type rtpParams struct {
	payloadType uint8
	reports     time.Duration // between two sender reports
	mtu         int           // bytes of a packet; 0 where it is not said
}

func parseSelection(b []byte) (selection, error) {
	var s selection
	m, err := tlv8.Parse(b)
	if err != nil {
		return s, fmt.Errorf("%w: %w", errMessage, err)
	}
	control, err := m.Message(1)
	if err != nil || len(control[1]) != len(s.session) {
		return s, fmt.Errorf("%w: no session", errMessage)
	}
	s.session, s.command = sessionID(control[1]), control.Byte(2)
	if s.command > commandReconfigure {
		return s, fmt.Errorf("%w: command %d", errMessage, s.command)
	}
	if err := s.parseVideo(m); err != nil {
		return s, fmt.Errorf("%w: video: %w", errMessage, err)
	}
	if err := s.parseAudio(m); err != nil {
		return s, fmt.Errorf("%w: audio: %w", errMessage, err)
	}
	return s, nil
}

func (s *selection) parseVideo(m tlv8.Message) error {
	video, err := m.Message(2)
	if err != nil {
		return err
	}
	size, err := video.Message(3)
	if err != nil {
		return err
	}
	s.width, s.height = int(uint16(size.Uint(1))), int(uint16(size.Uint(2)))
	s.video, err = parseRTP(video, 4)
	return err
}

func (s *selection) parseAudio(m tlv8.Message) error {
	audio, err := m.Message(3)
	if err != nil {
		return err
	}
	codec, err := audio.Message(2)
	if err != nil {
		return err
	}
	s.sampleRate = opusRate(codec.Byte(3))
	s.packetTime = time.Duration(codec.Byte(4)) * time.Millisecond
	s.audio, err = parseRTP(audio, 3)
	return err
}

// opusRate returns the rate in Hz of the item's value (HAP specification, table
// 9-22).
func opusRate(v byte) int {
	switch v {
	case 0:
		return 8000
	case 1:
		return 16000
	}
	return 24000
}

// parseRTP reads the parameters of a medium. Item 5 is the packet size of video.
func parseRTP(m tlv8.Message, typ byte) (rtpParams, error) {
	in, err := m.Message(typ)
	if err != nil {
		return rtpParams{}, err
	}
	p := rtpParams{payloadType: in.Byte(1) & 0x7f, mtu: int(uint16(in.Uint(5)))}
	seconds := float64(math.Float32frombits(uint32(in.Uint(4))))
	if !(seconds >= 0.1 && seconds <= 30) { // nor no number
		seconds = 0.5
	}
	p.reports = time.Duration(seconds * float64(time.Second))
	return p, nil
}

// supportedVideo lists what is offered: H.264, packetization mode 1. Pictures are
// sent as the camera makes them; the sizes are what controllers choose from. The
// Watch wants 320 x 240 at 15.
func supportedVideo() []byte {
	one := func(v byte) []byte { return []byte{v} }
	params := tlv8.AppendList(nil, 1, one(0), one(1), one(2))   // baseline, main, high
	params = tlv8.AppendList(params, 2, one(0), one(1), one(2)) // level 3.1, 3.2, 4.0
	params = tlv8.Append(params, 3, one(0))
	sizes := [][3]uint16{
		{1920, 1080, 30},
		{1600, 1200, 30},
		{1280, 960, 30},
		{1280, 720, 30},
		{1024, 768, 30},
		{640, 480, 30},
		{640, 360, 30},
		{480, 360, 30},
		{480, 270, 30},
		{320, 240, 30},
		{320, 240, 15},
		{320, 180, 30},
	}
	list := make([][]byte, len(sizes))
	for i, s := range sizes {
		list[i] = tlv8.Append(list[i], 1, binary.LittleEndian.AppendUint16(nil, s[0]))
		list[i] = tlv8.Append(list[i], 2, binary.LittleEndian.AppendUint16(nil, s[1]))
		list[i] = tlv8.Append(list[i], 3, one(byte(s[2])))
	}
	config := tlv8.Append(nil, 1, one(0))
	config = tlv8.Append(config, 2, params)
	return tlv8.Append(nil, 1, tlv8.AppendList(config, 3, list...))
}

// supportedAudio lists what is offered: Opus in mono at 8, 16 and 24 kHz, without
// comfort noise.
func supportedAudio() []byte {
	const opus = 3
	params := tlv8.Append(nil, 1, []byte{1})   // channels
	params = tlv8.Append(params, 2, []byte{0}) // variable bit rate
	params = tlv8.AppendList(params, 3, []byte{0}, []byte{1}, []byte{2})
	config := tlv8.Append(nil, 1, []byte{opus})
	config = tlv8.Append(config, 2, params)
	return tlv8.Append(tlv8.Append(nil, 1, config), 2, []byte{0})
}

// supportedRTP offers AES_CM_128_HMAC_SHA1_80.
func supportedRTP() []byte { return tlv8.Append(nil, 2, []byte{0}) }
