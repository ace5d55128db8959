package camera

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"lares/nvr"
)

// videoTrack turns access units into frames of a feed. It is used under the
// lock of its session.
type videoTrack struct {
	feed  *Feed
	codec nvr.Codec
	clock sourceClock
	sound *medium // nil: none is recorded
	began func()  // called when a run has begun

	sets     paramSets // in force, or only hinted at
	params   *nvr.Params
	timeline timeline
	order    decodeOrder
	heard    time.Duration // when the last access unit came
	early    early
}

// accept publishes an access unit, or drops it while a key frame is awaited.
func (v *videoTrack) accept(u unit) {
	now := v.clock()
	v.heard = now.mono
	pic := readPicture(v.codec, u.data)
	if !pic.sliced {
		return
	}
	if pic.key {
		v.takeSets(pic.sets)
	}
	_, running := v.feed.running()
	held := v.early.holds()
	if !running && !held && (!pic.key || v.params == nil) {
		return
	}
	if !running && !held {
		v.timeline.anchored = false
		v.order.reset(v.codec)
	}
	m := v.timeline.at(u.stamp, now)
	if m.stepped && pic.key {
		v.feed.stepped("the clock of the camera or of this box was set")
		v.timeline.anchored = false
		v.order.reset(v.codec)
		m = v.timeline.at(u.stamp, now)
	}
	frame := &nvr.Frame{
		Track: nvr.VideoTrack, Key: pic.key, PTS: m.ticks,
		DTS:  v.order.dts(pic, v.sets, m.ticks),
		Data: pic.assemble(v.codec, v.sets, u.data),
	}
	if !running {
		if lifted := v.feed.liftedAt(); !lifted.IsZero() {
			for _, f := range v.early.hold(frame, now, lifted) {
				v.publish(f, now)
			}
			return
		}
	}
	v.publish(frame, now)
}

func (v *videoTrack) publish(frame *nvr.Frame, now instant) {
	if v.feed.publishVideo(frame, v.params, now.mono) && v.began != nil {
		v.began()
	}
}

// takeSets brings the parameter sets of a key frame into force.
func (v *videoTrack) takeSets(newer paramSets) {
	sets := v.sets.merge(newer)
	if !sets.complete(v.codec) {
		v.sets = sets
		return
	}
	if v.params != nil && bytes.Equal(sets.vps, v.sets.vps) && bytes.Equal(sets.sps, v.sets.sps) &&
		bytes.Equal(sets.pps, v.sets.pps) {
		return
	}
	v.sets = sets
	v.makeParams()
}

// withoutSound takes the sound out again before the first frame.
func (v *videoTrack) withoutSound() {
	v.sound = nil
	if v.params != nil {
		v.makeParams()
	}
}

func (v *videoTrack) makeParams() {
	sets := v.sets
	width, height := pictureSize(v.codec, sets.sps)
	v.params = &nvr.Params{
		Video: v.codec, VPS: sets.vps, SPS: sets.sps, PPS: sets.pps, Width: width, Height: height,
	}
	if v.sound != nil {
		v.params.Audio = nvr.AAC
		v.params.AudioConfig = v.sound.sound.config
		v.params.SampleRate = v.sound.sound.rate
		v.params.Channels = v.sound.sound.channels
	}
}

// codedPicture is an access unit taken apart. Its slices point into the unit.
type codedPicture struct {
	nalus  [][]byte // all but delimiters
	sets   paramSets
	sliced bool
	key    bool
}

func readPicture(codec nvr.Codec, data []byte) codedPicture {
	var p codedPicture
	eachNALU(data, func(nalu []byte) {
		switch r := roleOf(codec, nalu); r {
		case roleDelimiter:
			return
		case roleVPS, roleSPS, rolePPS:
			nalu = bytes.TrimRight(nalu, "\x00")
			p.sets.take(codec, nalu)
		case roleSlice, roleKeySlice:
			p.sliced = true
			p.key = p.key || r == roleKeySlice
		}
		if len(nalu) > 0 {
			p.nalus = append(p.nalus, nalu)
		}
	})
	return p
}

// assemble writes the picture in the form of nvr.Frame Data: without the
// parameter sets that are in force. unit is what the picture was read from.
func (p *codedPicture) assemble(codec nvr.Codec, inForce paramSets, unit []byte) []byte {
	redundant := func(nalu []byte) bool {
		switch roleOf(codec, nalu) {
		case roleVPS:
			return bytes.Equal(nalu, inForce.vps)
		case roleSPS:
			return bytes.Equal(nalu, inForce.sps)
		case rolePPS:
			return bytes.Equal(nalu, inForce.pps)
		}
		return false
	}
	size, same := 0, true
	for _, nalu := range p.nalus {
		size += prefix + len(nalu)
		same = same && !redundant(nalu)
	}
	if same && size == len(unit) {
		return bytes.Clone(unit) // most pictures: one copy, and no memory to clear first
	}
	out := make([]byte, 0, size)
	for _, nalu := range p.nalus {
		if redundant(nalu) {
			continue
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(nalu)))
		out = append(out, nalu...)
	}
	return out
}

// decodeOrder finds decoding times from presentation times.
type decodeOrder struct {
	extract func(au [][]byte, pts int64) (int64, error)
}

// reset forgets the past: a new run.
func (d *decodeOrder) reset(codec nvr.Codec) {
	if codec == nvr.H265 {
		e := &h265.DTSExtractor{}
		e.Initialize()
		d.extract = e.Extract
		return
	}
	e := &h264.DTSExtractor{}
	e.Initialize()
	d.extract = e.Extract
}

// dts returns the decoding time of a picture. Where it cannot be found, it is
// the presentation time; the feed keeps the order. No picture is lost over it.
func (d *decodeOrder) dts(p codedPicture, inForce paramSets, pts int64) int64 {
	au := make([][]byte, 0, len(p.nalus)+3)
	if p.key {
		for _, set := range [][]byte{inForce.vps, inForce.sps, inForce.pps} {
			if len(set) > 0 {
				au = append(au, set)
			}
		}
	}
	for _, nalu := range p.nalus {
		if len(nalu) > 2 { // the extractor reads headers of two bytes
			au = append(au, nalu)
		}
	}
	dts, err := d.extract(au, pts)
	if err != nil {
		return pts
	}
	return dts
}
