package watch

import (
	"time"

	"lares/nvr"
)

const (
	// source names this part in events.
	source = "motion"
	// sightEvery is the least time between two places of a path, until it is
	// so long that it is thinned out.
	sightEvery = nvr.ClockRate / 2
	// cutEvery is how often at most the frames of a better picture are taken:
	// each time holds a GOP of the full picture in memory.
	cutEvery = nvr.ClockRate
	// maxCut bounds the frames that are held for the picture of an event; of a
	// longer GOP the key frame alone is used.
	maxCut = 8 << 20
)

// event is what moves now.
type event struct {
	nvr.Event
	last   int64 // PTS of its newest picture
	apart  int64 // ticks between two places of the path
	frames []*nvr.Frame
	cutAt  int64 // PTS of the picture that frames lead to
	want   int64 // PTS of a better one that is to be cut; 0: none
}

func newEvent(camera nvr.CameraID, start int64, box nvr.Box, score float64) *event {
	at := nvr.TickTime(start)
	e := &event{last: start, apart: sightEvery}
	e.Event = nvr.Event{
		ID: nvr.NewID[nvr.Event](), Kind: nvr.Motion, Source: source, Camera: camera,
		Start: at, Best: at, Box: box, Score: score, Path: []nvr.Sight{{At: at, Box: box}},
	}
	return e
}

// see takes where the thing is in a picture, and whether that is the best one so far.
func (e *event) see(pts int64, box nvr.Box, score float64, best bool) {
	e.last = pts
	e.Score = max(e.Score, score)
	if pts >= nvr.Ticks(e.Path[len(e.Path)-1].At)+e.apart {
		e.Path = append(e.Path, nvr.Sight{At: nvr.TickTime(pts), Box: box})
		if len(e.Path) > nvr.MaxPath {
			e.thin()
		}
	}
	if best {
		e.Best, e.Box, e.want = nvr.TickTime(pts), box, pts
	}
}

// thin drops every second place of the path.
func (e *event) thin() {
	e.apart *= 2
	keep := e.Path[:0]
	for i, s := range e.Path {
		if i%2 == 0 {
			keep = append(keep, s)
		}
	}
	e.Path = keep
}

// cut holds the frames of the full stream that lead to the best picture, where
// there are any by now. final says that there will be no other chance.
func (e *event) cut(full *nvr.Stream, final bool) {
	if e.want == 0 || !final && len(e.frames) > 0 && e.want < e.cutAt+cutEvery {
		return
	}
	frames, reached := leadingTo(full, e.want)
	if len(frames) == 0 || !reached && !final {
		return
	}
	e.frames, e.cutAt, e.want = frames, e.want, 0
}

// leadingTo returns the pictures of a stream from the key frame before a time up
// to that time, and whether the stream reaches it.
func leadingTo(stream *nvr.Stream, pts int64) (frames []*nvr.Frame, reached bool) {
	r := stream.NewReader(nvr.ReaderOptions{From: nvr.TickTime(pts)})
	defer r.Close()
	size := 0
	for !reached {
		f, _, err := r.Poll()
		if f == nil || err != nil {
			break
		}
		if f.Track != nvr.VideoTrack {
			continue
		}
		if f.Key {
			if len(frames) > 0 && f.PTS > pts {
				return frames, true // the time lies in the hole between two runs
			}
			frames, size = frames[:0], 0
		}
		frames = append(frames, f)
		size += len(f.Data)
		reached = f.PTS >= pts
		if size > maxCut {
			return frames[:1:1], true
		}
	}
	return frames, reached
}

// published returns the event as it is told: its path is not shared.
func (e *event) published() nvr.Event {
	told := e.Event
	told.Path = nil
	return told
}

// over returns the event as it is stored; full is what its picture is cut from.
func (e *event) over(end int64, full nvr.StreamID) finished {
	e.End = nvr.TickTime(max(end, e.last))
	if !e.End.After(e.Start) {
		e.End = e.Start.Add(time.Millisecond)
	}
	return finished{event: e.Event, stream: full, frames: e.frames}
}
