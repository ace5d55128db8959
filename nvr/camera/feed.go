package camera

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"lares/nvr"
)

// Feed is a stream together with what must outlive a supervisor, so that a
// change of settings continues where it stopped: the number of the run, the
// parameters in force, why there are no pictures. A Feed belongs to one
// supervisor at a time.
type Feed struct {
	stream *nvr.Stream

	mu      sync.Mutex
	run     uint64
	params  *nvr.Params
	pending *nvr.Break // for the first frame of the next run; nil: nothing was missed
	inRun   bool       // a run is on: its first frame was published
	lastDTS int64
	audio   audioState
	health  health
	notes   []string
	silent  bool      // sound that belongs there is missing
	private bool      // takes nothing
	lifted  time.Time // when privacy mode was, until the first picture after it
}

// audioState is the order of the sound within a run.
type audioState struct {
	begun   bool
	lastDTS int64
}

// NewFeed returns a feed into the stream.
func NewFeed(stream *nvr.Stream) *Feed { return &Feed{stream: stream} }

// Stream returns the stream that the feed fills.
func (f *Feed) Stream() *nvr.Stream { return f.stream }

// down ends the run, if one is on, and says why there are no pictures now. The
// break that the next run begins with keeps the cause that ended this one; the
// state of the stream shows the newest.
func (f *Feed) down(now time.Time, cause nvr.Cause, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.private {
		return // nobody asks the camera
	}
	f.endRunLocked(now, cause, detail)
	f.health.reset()
	f.stream.SetDown(nvr.Break{Since: f.pending.Since, Cause: cause, Detail: detail})
}

func (f *Feed) endRunLocked(now time.Time, cause nvr.Cause, detail string) {
	if f.pending == nil {
		f.pending = &nvr.Break{Since: now, Cause: cause, Detail: detail}
		if f.inRun {
			f.pending.Since = nvr.TickTime(f.lastDTS)
		}
	} else if f.pending.Cause == nvr.CauseUnknown {
		f.pending = &nvr.Break{Since: f.pending.Since, Cause: cause, Detail: detail}
	}
	f.inRun = false
}

// shut ends the run for privacy mode: what was seen is forgotten, and what still
// comes is dropped.
func (f *Feed) shut(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.private {
		return
	}
	f.private = true
	f.endRunLocked(now, nvr.Privacy, "")
	f.health.reset()
	f.stream.Shut(nvr.Break{Since: now, Cause: nvr.Privacy})
}

// open ends privacy mode. Until something is known of the camera the stream says
// that it was private.
func (f *Feed) open(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.private, f.lifted = false, now
	f.stream.Reopen()
}

// liftedAt returns when privacy mode was lifted, zero if there was a picture since.
func (f *Feed) liftedAt() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lifted
}

// stepped ends the run because the time line broke while pictures kept coming.
func (f *Feed) stepped(detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inRun {
		f.endRunLocked(time.Time{}, nvr.ClockStep, detail)
	}
}

// running reports whether a run is on, and which.
func (f *Feed) running() (run uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.run, f.inRun
}

// publishVideo hands a picture over; the first one of a run must be Key. It
// fills in Run, Break and Params and keeps the DTS growing. It reports whether
// the picture began a run.
func (f *Feed) publishVideo(frame *nvr.Frame, params *nvr.Params, mono time.Duration) (began bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.private {
		return false
	}
	if !f.inRun {
		f.run++
		frame.Break, f.pending = f.pending, nil
		f.inRun, began, f.lifted = true, true, time.Time{}
		f.audio = audioState{}
	} else if frame.DTS <= f.lastDTS {
		frame.DTS = f.lastDTS + 1
	}
	f.lastDTS = frame.DTS
	if f.params == nil || frame.Key && !equalParams(f.params, params) {
		f.params = params
	}
	frame.Run, frame.Params = f.run, f.params
	f.health.add(sample{at: mono, size: len(frame.Data), image: true}, frame.Key)
	f.stream.Publish(frame)
	return began
}

// publishSound hands a block of sound over that belongs to a run, if that is on.
func (f *Feed) publishSound(frame *nvr.Frame, run uint64, mono time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.inRun || run != f.run || f.params.Audio == nvr.NoCodec || f.audio.begun && frame.DTS <= f.audio.lastDTS {
		return
	}
	f.audio = audioState{begun: true, lastDTS: frame.DTS}
	frame.Run, frame.Params = f.run, f.params
	f.health.add(sample{at: mono, size: len(frame.Data)}, false)
	f.stream.Publish(frame)
}

func equalParams(a, b *nvr.Params) bool {
	return a.Video == b.Video && bytes.Equal(a.VPS, b.VPS) && bytes.Equal(a.SPS, b.SPS) && bytes.Equal(a.PPS, b.PPS) &&
		a.Width == b.Width && a.Height == b.Height && a.Audio == b.Audio &&
		bytes.Equal(a.AudioConfig, b.AudioConfig) && a.SampleRate == b.SampleRate && a.Channels == b.Channels
}

func (f *Feed) setNotes(notes []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes, f.silent = notes, false
}

// setSoundMissing says whether sound that belongs there is missing at the moment.
func (f *Feed) setSoundMissing(missing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.silent = missing
}

// status returns the health of the stream at a moment of the monotonic clock.
func (f *Feed) status(source nvr.Source, mono time.Duration) nvr.StreamStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := nvr.StreamStatus{
		Source: source, State: f.stream.State(), Params: f.params,
		Notes: append([]string(nil), f.notes...),
	}
	if f.silent && !slices.Contains(s.Notes, unconverted) {
		s.Notes = append(s.Notes, unconverted)
	}
	if f.inRun {
		s.FrameRate, s.BitRate, s.GOP = f.health.rates(mono)
	}
	return s
}

// connecting says that the first connection is on its way, unless something
// better is known.
func (f *Feed) connecting(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending == nil {
		f.stream.SetDown(nvr.Break{Since: now, Detail: "connecting"})
	}
}
