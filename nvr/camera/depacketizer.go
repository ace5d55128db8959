package camera

import (
	"bytes"
	"encoding/binary"

	"github.com/pion/rtp"

	"lares/nvr"
)

const (
	maxUnit  = 16 << 20 // bytes of an access unit
	maxNALUs = 4096     // in an access unit
	// keepBuffer is how many bytes of memory are kept for the next picture.
	keepBuffer = 4 << 20
	prefix     = 4 // bytes of the length in front of a NAL unit
)

// unit is an access unit with the RTP time stamp that it was sent under. data
// holds NAL units behind 4-byte lengths and is valid until the next push.
type unit struct {
	stamp uint32
	data  []byte
}

// depacketizer turns RTP packets into access units: RFC 6184 (H.264) and RFC
// 7798 (H.265), single NAL units, aggregates and fragments, and whatever
// cameras make of them.
//
// A picture ends with the marker or, where cameras do not set it, when the
// time stamp changes. A marker before the first slice is ignored: some cameras
// mark SEI or parameter sets. Units without a slice wait for the next picture.
// A NAL unit of which a packet is missing is dropped.
type depacketizer struct {
	codec nvr.Codec
	emit  func(unit)

	buf      []byte
	nalus    int
	fragment int // where in buf the unfinished NAL unit begins, its length included; -1: none
	sliced   bool
	stamp    uint32
	started  bool
	next     uint16 // expected sequence number
	ended    bool   // a picture with this stamp went out already
	byStamp  bool   // markers of this camera end slices, not pictures
	overflow bool   // the current picture is too large
}

func newDepacketizer(codec nvr.Codec, emit func(unit)) *depacketizer {
	return &depacketizer{codec: codec, emit: emit, fragment: -1}
}

// push takes the next packet, in order.
func (d *depacketizer) push(p *rtp.Packet) {
	if d.started && p.SequenceNumber != d.next {
		d.dropFragment()
	}
	if d.started && p.Timestamp != d.stamp {
		d.finishFragment()
		if d.sliced || d.overflow {
			d.flush()
		}
		d.ended = false
	}
	d.started, d.stamp, d.next = true, p.Timestamp, p.SequenceNumber+1
	if d.codec == nvr.H265 {
		d.payloadH265(p.Payload)
	} else {
		d.payloadH264(p.Payload)
	}
	if p.Marker && !d.byStamp {
		d.finishFragment()
		if d.sliced {
			d.flush()
			d.ended = true
		}
	}
}

// flush hands the picture over and begins the next one.
func (d *depacketizer) flush() {
	if len(d.buf) > 0 && !d.overflow {
		d.emit(unit{stamp: d.stamp, data: d.buf})
	}
	if cap(d.buf) > keepBuffer {
		d.buf = nil
	}
	d.buf, d.nalus, d.fragment = d.buf[:0], 0, -1
	d.sliced, d.overflow = false, false
}

// payloadH264 reads the payload structures of RFC 6184 section 5.2.
func (d *depacketizer) payloadH264(payload []byte) {
	const stapA, stapB, fuA, fuB = 24, 25, 28, 29
	if len(payload) == 0 {
		return
	}
	switch typ := payload[0] & 0x1F; {
	case typ == stapA:
		d.aggregate(payload[1:])
	case typ == stapB && len(payload) > 3:
		d.aggregate(payload[3:]) // behind a decoding order number
	case (typ == fuA || typ == fuB) && len(payload) >= 2:
		body := payload[2:]
		if typ == fuB && payload[1]&0x80 != 0 && len(body) >= 2 {
			body = body[2:]
		}
		head := []byte{payload[0]&0xE0 | payload[1]&0x1F}
		d.fragmented(payload[1], head, body)
	case typ >= stapA: // time-shifted aggregates and reserved types: no camera sends them
		d.dropFragment()
	default:
		d.whole(payload)
	}
}

// payloadH265 reads the payload structures of RFC 7798 section 4.4.
func (d *depacketizer) payloadH265(payload []byte) {
	const ap, fu = 48, 49
	if len(payload) < 2 {
		return
	}
	switch typ := payload[0] >> 1 & 0x3F; {
	case typ == ap:
		d.aggregate(payload[2:])
	case typ == fu && len(payload) >= 3:
		head := []byte{payload[0]&0x81 | payload[2]&0x3F<<1, payload[1]}
		d.fragmented(payload[2], head, payload[3:])
	case typ >= ap: // PACI and reserved types: no camera sends them
		d.dropFragment()
	default:
		d.whole(payload)
	}
}

func (d *depacketizer) aggregate(body []byte) {
	d.finishFragment()
	for len(body) >= 2 {
		size := int(binary.BigEndian.Uint16(body))
		body = body[2:]
		if size == 0 || size > len(body) {
			return // padding or damage: what came before it is good
		}
		d.whole(body[:size])
		body = body[size:]
	}
}

// fragmented takes one part of a NAL unit. The start and end bits are the
// first two of flags. A part may carry both; an end bit that never comes is
// made up for when the next NAL unit begins.
func (d *depacketizer) fragmented(flags byte, head, body []byte) {
	if flags&0x80 != 0 {
		d.finishFragment()
		d.fragment = len(d.buf)
		d.append(make([]byte, prefix))
		d.append(head)
	}
	if d.fragment < 0 {
		return // the beginning was lost
	}
	d.append(body)
	if flags&0x40 != 0 {
		d.finishFragment()
	}
}

func (d *depacketizer) whole(nalu []byte) {
	d.finishFragment()
	d.fragment = len(d.buf)
	d.append(make([]byte, prefix))
	d.append(nalu)
	d.finishFragment()
}

func (d *depacketizer) append(b []byte) {
	if len(d.buf)+len(b) > maxUnit {
		d.overflow = true
		return
	}
	d.buf = append(d.buf, b...)
}

func (d *depacketizer) dropFragment() {
	if d.fragment >= 0 {
		d.buf = d.buf[:d.fragment]
		d.fragment = -1
	}
}

// finishFragment closes the unfinished NAL unit. If it has start codes in it,
// it becomes as many units as there are.
func (d *depacketizer) finishFragment() {
	at := d.fragment
	if at < 0 {
		return
	}
	d.fragment = -1
	if len(d.buf) < at+prefix {
		d.buf = d.buf[:at]
		return
	}
	body := d.buf[at+prefix:]
	if bytes.Contains(body, []byte{0, 0, 1}) {
		pieces := splitStartCodes(bytes.Clone(body))
		d.buf = d.buf[:at]
		for _, piece := range pieces {
			start := len(d.buf)
			d.append(make([]byte, prefix))
			d.append(piece)
			d.close(start)
		}
		return
	}
	d.close(at)
}

// close writes the length of the NAL unit that begins at a place in buf and is
// its last one.
func (d *depacketizer) close(at int) {
	nalu := d.buf[min(at+prefix, len(d.buf)):]
	if d.nalus++; d.nalus > maxNALUs {
		d.overflow = true
	}
	if len(nalu) == 0 || d.overflow {
		d.buf = d.buf[:at]
		return
	}
	binary.BigEndian.PutUint32(d.buf[at:], uint32(len(nalu)))
	if !roleOf(d.codec, nalu).slice() {
		return
	}
	if d.ended && !d.sliced && !beginsPicture(d.codec, nalu) {
		d.byStamp = true // the rest of a picture that was thought to be over
	}
	d.sliced = true
}

// eachNALU calls f for each NAL unit behind a 4-byte length.
func eachNALU(data []byte, f func(nalu []byte)) {
	for len(data) >= prefix {
		size := int(binary.BigEndian.Uint32(data))
		data = data[prefix:]
		if size > len(data) {
			return
		}
		f(data[:size])
		data = data[size:]
	}
}
