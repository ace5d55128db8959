package watch

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"

	"lares/motion"
	"lares/nvr"
)

const (
	// every is the time between two pictures: fast enough that somebody who
	// crosses the picture at a run is seen several times. It is a little less
	// than a fifth of a second, so that a frame that is early by the jitter of
	// its clock is taken rather than the next one.
	every = 180 * time.Millisecond
	// The detector's picture.
	maxWidth, maxHeight = 320, 180
	// maxBatch bounds the bytes that go to the worker at once.
	maxBatch = 1 << 20
	// silence is how long no frame comes before an event ends.
	silence = 5 * time.Second
	// late is how far the watcher may lie behind the stream before it falls
	// back to key frames, and sparing how long it stays there.
	late    = 4 * time.Second
	sparing = 10 * time.Minute
	// pause is how long a worker that failed is left alone at least, and catchUp
	// how long it may then take to work off what came meanwhile.
	pause   = time.Second
	catchUp = 30 * time.Second
)

// Why nobody looks, in words for the owner.
const (
	waiting     = "Waits for the picture of the camera."
	noPicture   = "The camera sends no picture."
	private     = "The camera is private."
	switchedOff = "Motion detection is switched off."
	broken      = "The picture cannot be decoded. It is tried again by itself."
	busy        = "This box is short of computing power: only one picture in a second or less is looked at. Fewer cameras, or a smaller second stream, would help."
)

// watcher looks at one camera. Its run method owns all fields but those behind mu.
type watcher struct {
	cfg    *Config
	saver  *saver
	camera nvr.CameraID
	small  *nvr.Stream // looked at
	full   *nvr.Stream // thumbnails are cut from it
	worker Pictures
	log    *slog.Logger

	detector *motion.Detector
	batch    []*nvr.Frame
	due      int64     // PTS from which a picture is wanted
	needKey  bool      // frames before the next key frame are of no use
	spare    time.Time // key frames only until then
	excuse   time.Time // until then it may lie behind because the worker failed
	seen     bool      // a picture came of the batch
	barren   int64     // PTS of the first batch since the last picture; 0: none
	event    *event    // nil: nothing moves
	second   nvr.MotionSecond

	mu       sync.Mutex // guards what follows
	settings *nvr.MotionSettings
	moving   nvr.Event
	state    nvr.DetectionStatus
}

func newWatcher(cfg *Config, saver *saver, c nvr.Camera, small, full *nvr.Stream) *watcher {
	return &watcher{
		cfg: cfg, saver: saver, camera: c.ID, small: small, full: full,
		worker: cfg.Worker(c.ID), detector: motion.NewDetector(c.Motion),
		log: cfg.Log.With(slog.Any("camera", c.ID)),
	}
}

// configure takes new settings; they count from the next picture on.
func (w *watcher) configure(m nvr.MotionSettings) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settings = &m
}

// now returns the event that is on.
func (w *watcher) now() (nvr.Event, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.moving, !w.moving.ID.IsZero()
}

func (w *watcher) detection() nvr.DetectionStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// run looks until ctx or the stream ends.
func (w *watcher) run(ctx context.Context) {
	defer w.worker.Close()
	reader := w.small.NewReader(nvr.ReaderOptions{})
	defer reader.Close()
	quiet := time.NewTicker(silence)
	defer quiet.Stop()
	w.blind(waiting)
	for w.collect(ctx, reader, quiet) {
		w.takeSettings()
		w.seen = false
		err := w.worker.Pictures(ctx, w.batch, w.options(), w.look)
		newest := w.batch[len(w.batch)-1].PTS
		clear(w.batch) // the frames are not kept
		w.batch = w.batch[:0]
		if err != nil {
			w.failed(ctx, err)
			continue
		}
		w.judge(newest)
		w.measure(w.small.State().Last.Sub(nvr.TickTime(newest)))
	}
	w.finish()
	w.flushSecond()
}

// judge notes whether pictures come out of the worker. It takes what cannot be
// decoded without a word.
func (w *watcher) judge(newest int64) {
	switch {
	case w.seen:
		w.barren = 0
		w.works()
	case w.barren == 0:
		w.barren = newest
	case newest-w.barren > nvr.DurationTicks(silence):
		w.finish()
		w.blind(broken)
	}
}

// measure notes how far the watcher lies behind the stream.
func (w *watcher) measure(lag time.Duration) {
	switch {
	case lag <= late:
		w.excuse = time.Time{}
	case !w.excused():
		w.overloaded()
	}
}

func (w *watcher) excused() bool { return time.Now().Before(w.excuse) }

// collect fills the batch with the frames up to the next picture that is due.
// It reports false at the end of ctx or of the stream. When quiet ticks it looks
// whether pictures still come.
func (w *watcher) collect(ctx context.Context, reader *nvr.Reader, quiet *time.Ticker) bool {
	size := 0
	for ctx.Err() == nil {
		f, missed, err := reader.Poll()
		switch {
		case errors.Is(err, nvr.ErrPrivate):
			w.finish()
			w.blind(private)
			clear(w.batch)
			w.batch, size = w.batch[:0], 0
		case err != nil:
			return false
		case f != nil:
			if missed > 0 && !w.excused() {
				w.overloaded()
			}
			if !w.take(f) {
				continue
			}
			if size += len(f.Data); f.PTS >= w.due || size >= maxBatch {
				return true
			}
			continue
		}
		reader.Doze(w.doze())
		select {
		case <-reader.Ready():
		case <-quiet.C:
			if !w.small.State().Up {
				w.finish()
				w.blind(noPicture)
			}
		case <-ctx.Done():
		}
	}
	return false
}

// take adds a frame to the batch if the worker can use it.
func (w *watcher) take(f *nvr.Frame) bool {
	if f.Track != nvr.VideoTrack || !f.Key && (w.needKey || w.saving()) {
		return false
	}
	if f.Break != nil {
		w.finish() // what moved before the interruption is another event
		w.barren = 0
	}
	w.needKey = w.saving() // after key frames alone, the others have nothing to refer to
	w.batch = append(w.batch, f)
	return true
}

// saving reports whether key frames alone are looked at.
func (w *watcher) saving() bool { return time.Now().Before(w.spare) }

// doze is the DTS before which no frame but a key frame is of interest.
func (w *watcher) doze() int64 {
	if w.needKey {
		return math.MaxInt64
	}
	return w.due
}

// Options says which pictures the detector is shown.
func Options() nvr.PictureOptions {
	return nvr.PictureOptions{MaxWidth: maxWidth, MaxHeight: maxHeight, Every: every}
}

func (w *watcher) options() nvr.PictureOptions {
	o := Options()
	o.KeysOnly = w.saving()
	return o
}

func (w *watcher) takeSettings() {
	w.mu.Lock()
	settings := w.settings
	w.settings = nil
	w.mu.Unlock()
	if settings != nil {
		w.detector.Configure(*settings)
	}
}

// overloaded falls back to key frames: the box does not keep up.
func (w *watcher) overloaded() {
	if !w.saving() {
		w.log.Warn("motion detection does not keep up: it looks at key frames only", slog.Duration("for", sparing))
	}
	w.spare, w.needKey = time.Now().Add(sparing), true
}

// look shows a picture to the detector and acts on what it says.
func (w *watcher) look(p nvr.Grey) {
	w.seen = true
	w.due = p.PTS + nvr.DurationTicks(every)
	r := w.detector.Observe(p)
	w.count(p.PTS, &r.Map)
	switch r.Phase {
	case motion.Began:
		w.begin(r)
	case motion.Ended:
		w.end(r.End)
	}
	if w.event == nil {
		return
	}
	if r.Moving {
		w.event.see(p.PTS, r.Box, r.Score, r.Best)
	}
	w.event.cut(w.full, false)
}
