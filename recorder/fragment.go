package recorder

import (
	"time"

	"lares/nvr"
	"lares/nvr/cmaf"
	"lares/nvr/vault"
)

// fragment collects the frames of one CMAF fragment. The duration of a picture
// is known when the next one comes, so the last one's is filled in by close.
type fragment struct {
	video, audio track
	bytes        int
	key          bool
	added        time.Time // when the last frame came
	pictured     time.Time // when the last picture came
	buf          []byte
	tracks       [2]cmaf.Track // of header
}

type track struct {
	base, last int64 // DTS of the first and the last sample
	samples    []cmaf.Sample
	typical    uint32 // duration of a sample
}

func (t *track) add(f *nvr.Frame) {
	if n := len(t.samples); n > 0 {
		t.settle(f.DTS)
	} else {
		t.base = f.DTS
	}
	t.last = f.DTS
	t.samples = append(t.samples, cmaf.Sample{
		Offset: int32(f.PTS - f.DTS), Duration: t.typical, Key: f.Key, Data: f.Data,
	})
}

// settle gives the last sample the duration up to the next one. Longer than 10
// s is a hole, not a duration.
func (t *track) settle(next int64) {
	n := len(t.samples)
	if d := next - t.last; n > 0 && d > 0 && d < 10*nvr.ClockRate {
		t.typical = uint32(d)
		t.samples[n-1].Duration = t.typical
	}
}

func (t *track) end() int64 {
	if n := len(t.samples); n > 0 {
		return t.last + int64(t.samples[n-1].Duration)
	}
	return t.last
}

func (g *fragment) add(f *nvr.Frame) {
	g.added = time.Now()
	g.bytes += len(f.Data)
	if f.Track == nvr.AudioTrack {
		if g.audio.typical == 0 && f.Params.SampleRate > 0 {
			const samplesPerFrame = 1024 // ISO 14496-3, AAC-LC
			g.audio.typical = uint32(samplesPerFrame * nvr.ClockRate / f.Params.SampleRate)
		}
		g.audio.add(f)
		return
	}
	g.pictured = g.added
	if len(g.video.samples) == 0 {
		g.key = f.Key
		if g.video.typical == 0 {
			g.video.typical = nvr.ClockRate / 25
		}
	}
	g.video.add(f)
}

func (g *fragment) empty() bool { return len(g.video.samples)+len(g.audio.samples) == 0 }

// full reports whether a picture at the time dts belongs to the next fragment.
func (g *fragment) full(dts int64) bool {
	return len(g.video.samples) > 0 && dts >= g.fullAt() || g.bytes >= maxFragment
}

// fullAt returns the time from which on a picture belongs to the next fragment
// at the latest; 0 if there is no picture yet.
func (g *fragment) fullAt() int64 {
	if len(g.video.samples) == 0 {
		return 0
	}
	return g.video.base + fragmentLength
}

// soundLead is how far sound may run ahead of the next picture.
const soundLead = nvr.ClockRate / 10

// fullOfSound reports whether there has been so much sound since the last
// picture that the fragment is stored before sound of the time dts.
func (g *fragment) fullOfSound(dts int64) bool {
	if len(g.video.samples) > 0 {
		return dts-g.video.base >= fragmentLength+soundLead
	}
	return len(g.audio.samples) > 0 && dts-g.audio.base >= fragmentLength
}

// close settles the duration of the last picture: the next one comes at the
// time next, or, where that is not known (0), after as long as the one before.
func (g *fragment) close(next int64) {
	if next != 0 {
		g.video.settle(next)
	}
}

// header returns moof and the header of mdat, and what the index says of the
// fragment. The bytes are valid until reset.
func (g *fragment) header(seq uint32) ([]byte, vault.FragmentInfo) {
	tracks := g.tracks[:0]
	info := vault.FragmentInfo{Time: g.audio.base, Duration: uint32(max(0, g.audio.end()-g.audio.base))}
	if v := &g.video; len(v.samples) > 0 {
		tracks = append(tracks, cmaf.Track{ID: nvr.VideoTrack, Base: v.base, Samples: v.samples})
		info.Time, info.Duration = v.base, uint32(v.end()-v.base)
	}
	if a := &g.audio; len(a.samples) > 0 {
		tracks = append(tracks, cmaf.Track{ID: nvr.AudioTrack, Base: a.base, Samples: a.samples})
	}
	g.buf = cmaf.AppendHeader(g.buf[:0], seq, tracks...)
	if g.key {
		info.KeyBytes = uint32(len(g.buf) + len(g.video.samples[0].Data))
	}
	return g.buf, info
}

// appendData appends the samples' data in the order of header.
func (g *fragment) appendData(parts [][]byte) [][]byte {
	for _, s := range g.video.samples {
		parts = append(parts, s.Data)
	}
	for _, s := range g.audio.samples {
		parts = append(parts, s.Data)
	}
	return parts
}

// reset makes room for the next fragment. The typical durations stay.
func (g *fragment) reset() {
	clear(g.video.samples)
	clear(g.audio.samples)
	g.video.samples, g.audio.samples = g.video.samples[:0], g.audio.samples[:0]
	g.bytes, g.key = 0, false
}
