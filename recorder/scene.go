package recorder

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"lares/nvr"
)

const (
	// preRoll and postRoll are kept around motion where nothing else is.
	preRoll  = 5 * nvr.ClockRate
	postRoll = 10 * nvr.ClockRate
)

// scene is what the recorder was told of the motion on a camera. Its writers
// ask it at key frames, and when they are nudged. A detector that was never
// heard of is blind.
type scene struct {
	mu      sync.Mutex // guards what follows
	mode    nvr.RecordMode
	watched bool   // the detector works
	blinded uint64 // how often it ceased to
	moving  bool
	began   int64  // ticks at which the latest motion began
	ended   int64  // ticks at which the latest motion ended
	motions uint64 // how many began
}

// wants reports whether footage from the time dts on is kept, and how many
// motions that answer took into account. A detector that does not work keeps
// everything.
func (s *scene) wants(dts int64) (bool, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keepsAllLocked() || s.moving || dts < s.ended+postRoll, s.motions
}

// wakes reports whether a writer that knew of so many motions has to record
// again, and from when on.
func (s *scene) wakes(motions uint64) (from int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moving || s.motions != motions {
		return s.began - preRoll, true
	}
	return nvr.Ticks(time.Now()) - preRoll, s.keepsAllLocked()
}

func (s *scene) keepsAllLocked() bool { return s.mode != nvr.RecordMotion || !s.watched }

// watch returns whether the detector works, and a number that is another one
// when it ceased to in between.
func (s *scene) watch() (bool, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watched, s.blinded
}

// busy reports whether the latest motion lay in a span, or part of it: who stands
// still for a while leaves no seconds with motion.
func (s *scene) busy(start, end int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.motions > 0 && s.began < end && (s.moving || s.ended > start)
}

func (s *scene) change(do func(*scene)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s)
}

// tell changes what is known of the motion on a camera and wakes its writers.
func (r *Recorder) tell(camera nvr.CameraID, do func(*scene)) {
	r.scene(camera).change(do)
	for _, w := range r.writersOf(camera) {
		w.poke()
	}
}

func (r *Recorder) scene(camera nvr.CameraID) *scene {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.scenes[camera]
	if s == nil {
		s = &scene{}
		r.scenes[camera] = s
	}
	return s
}

// writersOf returns the writers of a camera's streams.
func (r *Recorder) writersOf(camera nvr.CameraID) (all []*writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.writers {
		if w.camera == camera {
			all = append(all, w.writer)
		}
	}
	return all
}

// mainWriter returns the writer of a camera's main stream, nil where there is none.
func (r *Recorder) mainWriter(camera nvr.CameraID) *writer {
	for _, w := range r.writersOf(camera) {
		if w.source.Quality == nvr.Main {
			return w
		}
	}
	return nil
}

// forgetScenes drops what is known of cameras that are gone.
func (r *Recorder) forgetScenes(there map[nvr.CameraID]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.scenes {
		if !there[id] {
			delete(r.scenes, id)
		}
	}
}

// MotionWatched says that the detector watches a camera from now on. Until
// then, and from MotionBlind on, everything of it is kept.
func (r *Recorder) MotionWatched(camera nvr.CameraID) {
	r.tell(camera, func(s *scene) { s.watched = true })
}

// MotionBlind says that the detector does not watch a camera, and why.
func (r *Recorder) MotionBlind(camera nvr.CameraID, why string) {
	r.log.Info("motion is not watched", slog.Any("camera", camera), slog.String("why", why))
	r.tell(camera, func(s *scene) {
		s.watched, s.moving = false, false
		s.blinded++
	})
}

// MotionBegan says that something moves on a camera, first seen at a time. It
// returns at once.
func (r *Recorder) MotionBegan(camera nvr.CameraID, at time.Time) {
	r.tell(camera, func(s *scene) {
		s.watched = true
		if !s.moving {
			s.moving, s.began = true, nvr.Ticks(at)
			s.motions++
		}
	})
}

// MotionEnded says that nothing moves on a camera since a time.
func (r *Recorder) MotionEnded(camera nvr.CameraID, at time.Time) {
	r.tell(camera, func(s *scene) { s.moving, s.ended = false, nvr.Ticks(at) })
}

// poke makes the writer look at what is new for it.
func (w *writer) poke() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// attend looks at what is new beside frames.
func (w *writer) attend(ctx context.Context) {
	w.deliver(ctx)
	if !w.asleep {
		return
	}
	if from, ok := w.scene.wakes(w.motions); ok {
		w.wake(from)
	}
}

// sleep ends the recording at the key frame f, until something moves. It ends
// at a key frame so that it can go on exactly there.
func (w *writer) sleep(ctx context.Context, f *nvr.Frame) {
	if w.seg != nil {
		w.frag.close(f.DTS)
		w.finish(ctx)
	} else {
		w.bridge(ctx, f)
	}
	w.asleep, w.seen = true, time.Now()
	w.taken, w.takenRun = f.DTS, f.Run
	w.follow(nvr.ReaderOptions{Hold: true}) // takes all that comes, and so holds nothing
	w.away(ctx, nvr.Break{Cause: nvr.NoMotion})
}

// wake records again, from the last key frame before a time on.
func (w *writer) wake(from int64) {
	w.asleep = false
	w.follow(nvr.ReaderOptions{Hold: true, From: nvr.TickTime(from)})
}

func (w *writer) follow(o nvr.ReaderOptions) {
	w.reader.Close()
	w.reader = w.stream.NewReader(o)
}

// known reports whether a frame was recorded before the writer slept.
func (w *writer) known(f *nvr.Frame) bool { return f.Run == w.takenRun && f.DTS < w.taken }

// rest looks, while the writer sleeps, whether frames come that it leaves alone.
func (w *writer) rest(ctx context.Context) {
	state := w.stream.State()
	since := time.Since(w.seen)
	b := nvr.Break{Cause: nvr.NoMotion}
	switch {
	case private(state), !state.Up && since > time.Second:
		b = w.quietBreak(state)
	case since > gapAfter:
		b = nvr.Break{Cause: nvr.CameraOffline, Detail: noPictures}
	}
	w.away(ctx, b)
}

// dozing returns up to when (ticks) frames need not wake the writer.
func (w *writer) dozing() int64 {
	if w.asleep {
		return math.MaxInt64
	}
	return w.frag.fullAt()
}
