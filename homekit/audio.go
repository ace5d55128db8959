package homekit

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"lares/nvr"
	"lares/nvr/media"
)

const (
	// opusFrame is what one frame of Opus holds. Three of them go in a packet of
	// 60 ms, which is how controllers read it.
	opusFrame = 20 * time.Millisecond
	// opusBitrate is enough for speech, bit/s.
	opusBitrate = 24_000
	// stale is how old sound may be to be sent: what the window holds is heard
	// no more.
	stale = 300 * time.Millisecond
)

// Opus makes Opus of the sound of a stream in a media worker. It belongs to one
// stream.
type Opus interface {
	// Opus turns blocks of sound into packets of one frame each.
	Opus(ctx context.Context, in media.SoundFormat, o media.OpusFormat, blocks []media.SoundBlock, yield func(pts int64, opus []byte)) error
	Close()
}

// audio sends the sound of a stream. It belongs to one goroutine.
type audio struct {
	*outlet
	opus  Opus
	muted func() bool
	log   *slog.Logger

	rate    int    // Hz, of the stamps as well: HomeKit departs from RFC 7587 there
	perPack int    // frames in a packet
	begin   int64  // PTS of the first frame that was sent, 0 before
	origin  uint32 // stamp of begin
	frames  [][]byte
	first   int64 // PTS of frames[0]
}

// run sends sound until ctx or the stream ends. The pictures go on without it.
func (a *audio) run(ctx context.Context, stream *nvr.Stream, sel selection) {
	a.params, a.rate = sel.audio, sel.sampleRate
	a.perPack = int(min(max(sel.packetTime/opusFrame, 1), 3))
	a.origin = a.stamp
	reader := stream.NewReader(nvr.ReaderOptions{})
	defer reader.Close()
	report := time.NewTicker(sel.audio.reports)
	defer report.Stop()
	for {
		f, _, err := reader.Poll()
		if err != nil {
			return
		}
		if f != nil {
			a.hear(ctx, f)
			continue
		}
		select {
		case <-reader.Ready():
		case now := <-report.C:
			if err := a.report(now, int64(a.rate)); err != nil {
				a.log.Info("sound of a HomeKit stream", slog.Any("error", err))
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// hear sends a block of sound.
func (a *audio) hear(ctx context.Context, f *nvr.Frame) {
	if f.Track != nvr.AudioTrack || f.Params.Audio != nvr.AAC || time.Since(f.Time()) > stale || a.muted() {
		return
	}
	in := media.SoundFormat{Codec: "aac", Rate: f.Params.SampleRate, Channels: f.Params.Channels, Config: string(f.Params.AudioConfig)}
	out := media.OpusFormat{Rate: a.rate, Bitrate: opusBitrate, Frame: opusFrame}
	err := a.opus.Opus(ctx, in, out, []media.SoundBlock{{PTS: f.PTS, Data: f.Data}}, a.add)
	if err != nil && ctx.Err() == nil {
		// A worker that died starts again by itself; what follows is tried anew.
		a.log.Debug("sound of a HomeKit stream", slog.Any("error", err))
	}
}

// add takes a frame of Opus and sends a packet when there are enough.
func (a *audio) add(pts int64, opus []byte) {
	if len(opus) == 0 {
		return
	}
	if n := len(a.frames); n > 0 && (a.frames[0][0] != opus[0] || pts != a.first+int64(n)*nvr.DurationTicks(opusFrame)) {
		a.flush() // another mode, or a gap: frames of a packet are alike and follow each other
	}
	if len(a.frames) == 0 {
		a.first = pts
	}
	if a.frames = append(a.frames, slices.Clone(opus)); len(a.frames) == a.perPack {
		a.flush()
	}
}

// flush sends what was collected.
func (a *audio) flush() {
	if a.begin == 0 {
		a.begin = a.first
	}
	stamp := a.origin + uint32((a.first-a.begin)*int64(a.rate)/nvr.ClockRate)
	if err := a.send(joinOpus(a.frames), stamp, nvr.TickTime(a.first), true); err != nil {
		a.log.Debug("sound of a HomeKit stream", slog.Any("error", err))
	}
	a.frames = a.frames[:0]
}

// joinOpus makes one packet of packets that hold one frame each, all of one mode
// (RFC 6716, 3.2.5: code 3, frames of different length). Those that it cannot
// join stay out.
func joinOpus(frames [][]byte) []byte {
	const code, several, differ = 0b11, 0b11, 1 << 7
	if len(frames) == 1 || frames[0][0]&code != 0 {
		return frames[0]
	}
	packet := []byte{frames[0][0] | several, differ | byte(len(frames))}
	for _, f := range frames[:len(frames)-1] {
		packet = appendOpusLength(packet, len(f)-1)
	}
	for _, f := range frames {
		packet = append(packet, f[1:]...)
	}
	return packet
}

// appendOpusLength adds the length of a frame (RFC 6716, 3.2.1), at most 1275.
func appendOpusLength(b []byte, n int) []byte {
	if n < 252 {
		return append(b, byte(n))
	}
	low := 252 + n&3
	return append(b, byte(low), byte((n-low)/4))
}
