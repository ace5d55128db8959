package watch

import (
	"context"
	"log/slog"
	"time"

	"lares/motion"
	"lares/nvr"
)

// begin tells the house that something moves.
func (w *watcher) begin(r motion.Result) {
	w.event = newEvent(w.camera, r.Start, r.Box, r.Score)
	w.mu.Lock()
	w.moving = w.event.Event
	w.mu.Unlock()
	w.cfg.Store.MotionBegan(w.camera, w.event.Start)
	w.cfg.Bus.Publish(w.event.published())
}

// end tells the house that it is over, and hands the event over to be stored.
func (w *watcher) end(at int64) {
	e := w.event
	if e == nil {
		return
	}
	w.event = nil
	e.cut(w.full, true)
	done := e.over(at, w.full.ID())
	w.mu.Lock()
	w.moving = nvr.Event{}
	w.mu.Unlock()
	w.cfg.Store.MotionEnded(w.camera, done.event.End)
	ended := e.published()
	ended.Kind = nvr.MotionEnded
	w.cfg.Bus.Publish(ended)
	w.saver.save(done)
}

// finish ends what moves because no further picture comes.
func (w *watcher) finish() {
	if r := w.detector.End(); r.Phase == motion.Ended {
		w.end(r.End)
	}
}

// count adds what moved in a picture to the map of its second.
func (w *watcher) count(pts int64, moved *nvr.MotionMap) {
	if second := pts / nvr.ClockRate; second != w.second.Second {
		w.flushSecond()
		w.second.Second = second
	}
	w.second.Map.Add(moved)
}

// flushSecond hands the map of the last second over, if anything moved in it.
func (w *watcher) flushSecond() {
	if !w.second.Map.Empty() {
		w.cfg.Store.SaveMotion(w.camera, w.second)
	}
	w.second = nvr.MotionSecond{}
}

// works notes that pictures come out of the worker.
func (w *watcher) works() {
	state := nvr.DetectionStatus{Works: true, Fence: w.worker.Fence()}
	if w.saving() {
		state.KeysOnly, state.Detail = true, busy
	}
	if w.setState(state) {
		w.log.Info("looks for motion", slog.Bool("keys_only", state.KeysOnly))
		w.cfg.Store.MotionWatched(w.camera)
	}
}

// blind notes that nobody looks, and why.
func (w *watcher) blind(why string) {
	if w.setState(nvr.DetectionStatus{Detail: why}) {
		w.cfg.Store.MotionBlind(w.camera, why)
	}
}

func (w *watcher) setState(s nvr.DetectionStatus) (changed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed = w.state != s
	w.state = s
	return changed
}

// failed waits before the worker is asked again. It has lost its place in the
// stream: the next frame that it can use is a key frame.
func (w *watcher) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if w.detection().Works {
		w.log.Warn("decode for motion detection", slog.Any("err", err))
	}
	w.finish()
	w.blind(broken)
	w.needKey, w.barren = true, 0
	w.excuse = time.Now().Add(pause + catchUp)
	select {
	case <-time.After(pause):
	case <-ctx.Done():
	}
}
