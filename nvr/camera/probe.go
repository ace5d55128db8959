package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lares/nvr"
)

const (
	probeTimeout = 12 * time.Second // for a stream
	probeMeasure = time.Second      // of pictures, for the frame rate
)

// errProbed ends a probe that has seen enough.
var errProbed = errors.New("seen enough")

// Probe looks at a camera once, without storing it: what do its streams offer,
// and if nothing, why and what to do. The password is tried at most once: after
// a rejection no other stream is looked at. The error tells of faults in c
// (nvr.ErrInvalid) and of the end of ctx; a camera that does not work is a report.
func (f *Fleet) Probe(ctx context.Context, c nvr.Camera) (nvr.ProbeReport, error) {
	if err := checkSources(c.Streams); err != nil {
		return nvr.ProbeReport{}, err
	}
	var r nvr.ProbeReport
	for _, source := range slices.Clone(c.Streams) {
		probed, problem := f.probe(ctx, c, source)
		if ctx.Err() != nil {
			return nvr.ProbeReport{}, fmt.Errorf("probe camera: %w", ctx.Err())
		}
		if problem.detail == "" {
			r.Streams = append(r.Streams, probed)
			continue
		}
		if r.Advice == "" {
			r.Problem, r.Advice = problem.cause, problem.detail
		}
		if problem.final {
			break
		}
	}
	return r, nil
}

// probe makes one connection and waits for a key frame. A failure without a
// detail is none.
func (f *Fleet) probe(ctx context.Context, c nvr.Camera, source nvr.Source) (nvr.ProbedStream, failure) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(probeTimeout, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()

	stream := nvr.NewStream(source.Stream, nvr.StreamConfig{})
	feed := NewFeed(stream)
	began := make(chan struct{}, 1)
	s := &session{
		camera: c, source: source, feed: feed, clock: systemClock(), transcodes: f.cfg.Transcoder != nil,
		began: func() {
			select {
			case began <- struct{}{}:
			default: // a second run: one is enough to look at
			}
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	var err error
	select {
	case err = <-ended:
	case <-began:
		measured := time.NewTimer(probeMeasure)
		defer measured.Stop()
		select {
		case err = <-ended:
		case <-measured.C:
			cancel(errProbed)
			<-ended
			err = errProbed
		}
	}
	status := feed.status(source, s.clock().mono)
	if status.Params != nil {
		f.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "camera probed", slog.String("video", status.Params.Video.String()))
		return nvr.ProbedStream{
			Source: s.source, Params: status.Params, FrameRate: status.FrameRate, Notes: status.Notes,
		}, failure{}
	}
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) && errors.Is(err, context.Canceled) {
		words := "The camera does not answer. Is it switched on and in the same network?"
		if s.described() {
			words = "The camera answers, but no picture came. Try again, or restart it."
		}
		return nvr.ProbedStream{}, failure{cause: nvr.CameraOffline, detail: words}
	}
	return nvr.ProbedStream{}, explain(err, s.circumstances())
}
