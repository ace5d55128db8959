package recorder

import (
	"context"
	"time"

	"lares/nvr"
)

// Trim keeps quota and reserve now.
func (r *Recorder) Trim(ctx context.Context) { r.trim(ctx) }

// Expire deletes by age now, if the clock is trusted.
func (r *Recorder) Expire(ctx context.Context) { r.growOld(ctx) }

// Age moves the count of the box forward by whole days.
func (r *Recorder) Age(days int) {
	r.age.mu.Lock()
	defer r.age.mu.Unlock()
	r.age.before += day * time.Duration(days)
}

// Sync makes everything durable and probes, without Run.
func (r *Recorder) Sync(ctx context.Context) {
	for _, d := range r.list() {
		d.sync(ctx)
		d.probe(ctx)
	}
}

// SegmentName returns the place of a segment below its footage path.
func SegmentName(s nvr.Segment) string { return segName(s) }

// Place returns the footage path that a stream is written to.
func (r *Recorder) Place(id nvr.StreamID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.places[id]; d != nil {
		return d.Path
	}
	return ""
}

// Remove deletes segments now.
func (r *Recorder) Remove(ctx context.Context, segments []nvr.Segment, cause nvr.Cause) error {
	return r.remove(ctx, segments, cause, "")
}

// Writer takes frames one by one, as the goroutine of a stream does.
type Writer struct{ w *writer }

// NewWriter returns the writer of a camera's first stream, without Run.
func (r *Recorder) NewWriter(c nvr.Camera) Writer {
	stream := nvr.NewStream(c.Streams[0].Stream, nvr.StreamConfig{})
	return Writer{r.newWriter(c.ID, c.Streams[0], stream)}
}

// Frame takes a frame and returns up to when (ticks) footage is in the file.
func (w Writer) Frame(ctx context.Context, f *nvr.Frame) (written int64) {
	w.w.frame(ctx, f, 0)
	if w.w.seg == nil {
		return 0
	}
	return w.w.seg.written()
}

// Finish ends the open segment.
func (w Writer) Finish(ctx context.Context) { w.w.finish(ctx) }

// EncodeMotion returns the record of seconds with motion.
func EncodeMotion(seconds []nvr.MotionSecond) []byte { return encodeMotion(seconds) }
