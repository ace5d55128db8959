package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
// (nvr.ErrInvalid) and of the end of ctx, and where privacy mode forbids it
// (nvr.ErrPrivate); a camera that does not work is a report.
func (f *Fleet) Probe(ctx context.Context, c nvr.Camera) (nvr.ProbeReport, error) {
	if err := checkSources(c.Streams); err != nil {
		return nvr.ProbeReport{}, err
	}
	if f.Private(nvr.CameraID{}).On {
		return nvr.ProbeReport{}, fmt.Errorf("probe camera: %w", nvr.ErrPrivate)
	}
	if err := f.besidePrivate(c); err != nil {
		return nvr.ProbeReport{}, err
	}
	looks := make([]look, len(c.Streams))
	shown, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		looks[0] = f.probe(ctx, c, c.Streams[0], func() { close(shown) })
	}()
	select {
	case <-shown: // the password is right
	case <-ended:
		if looks[0].problem.final {
			looks = looks[:1]
		}
	}
	for i := 1; i < len(looks); i++ {
		looks[i] = f.probe(ctx, c, c.Streams[i], func() {})
	}
	<-ended
	if ctx.Err() != nil {
		return nvr.ProbeReport{}, fmt.Errorf("probe camera: %w", ctx.Err())
	}
	var r nvr.ProbeReport
	for _, l := range looks {
		if l.problem.detail == "" {
			r.Streams = append(r.Streams, l.stream)
		} else if r.Advice == "" {
			r.Problem, r.Advice = l.problem.cause, l.problem.detail
		}
	}
	return r, nil
}

// look is what one stream showed. A problem without a detail is none.
type look struct {
	stream  nvr.ProbedStream
	problem failure
}

// probe makes one connection and waits for a key frame; shown is called when it
// is there.
func (f *Fleet) probe(ctx context.Context, c nvr.Camera, source nvr.Source, shown func()) look {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(probeTimeout, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()

	stream := nvr.NewStream(source.Stream, nvr.StreamConfig{})
	feed := NewFeed(stream)
	began := make(chan struct{}, 1)
	s := &session{
		camera: c, source: source, feed: feed, clock: systemClock(), house: f.cfg.House, transcodes: f.cfg.Transcoder != nil,
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
		shown()
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
		return look{stream: nvr.ProbedStream{
			Source: s.source, Params: status.Params, FrameRate: status.FrameRate, BitRate: status.BitRate, GOP: status.GOP,
			Notes: status.Notes, Key: stream.LastKey(),
		}}
	}
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) && errors.Is(err, context.Canceled) {
		words := "The camera does not answer. Is it switched on and in the same network?"
		if s.described() {
			words = "The camera answers, but no picture came. Try again, or restart it."
		}
		return look{problem: failure{cause: nvr.CameraOffline, detail: words}}
	}
	return look{problem: explain(err, s.circumstances())}
}
