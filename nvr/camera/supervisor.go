package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"lares/nvr"
	"lares/nvr/egress"
)

// SupervisorConfig is what a supervisor needs.
type SupervisorConfig struct {
	Camera nvr.Camera
	// Feeds has one feed for each of Camera.Streams, in their order.
	Feeds []*Feed
	Bus   *nvr.Bus
	Log   *slog.Logger
	// OnPin is called when an rtsps camera has shown its certificate for the
	// first time, with its SHA-256. It must not wait. May be nil.
	OnPin func(stream nvr.StreamID, pin []byte)
	// Transcoder returns what turns the sound of a stream into AAC, if the camera
	// records sound. May be nil, and may return nil: then only AAC is recorded.
	Transcoder func(q nvr.Quality) Transcoder
	// House says what is dialled; nil is the narrowest rule.
	House *egress.Guard
}

// Supervisor keeps the streams of one camera coming.
type Supervisor struct {
	cfg      SupervisorConfig
	log      *slog.Logger
	clock    sourceClock
	patience time.Duration // for tests; 0: the default
	convert  map[nvr.StreamID]*converter

	// door lets one stream at a time through to the camera's password check, so
	// that a wrong password is tried once and not once for each stream.
	door chan struct{}

	mu      sync.Mutex
	refused *failure      // final: nobody tries until retry
	retry   chan struct{} // closed by Retry, then replaced
	up      bool          // the main stream is on
	told    bool          // CameraDown was published since it was up
	pins    map[nvr.StreamID][]byte
	unsound map[nvr.StreamID]bool // streams whose sound the camera fails over
}

// NewSupervisor returns a supervisor that does nothing until Run.
func NewSupervisor(cfg SupervisorConfig) *Supervisor {
	s := &Supervisor{
		cfg: cfg, log: cfg.Log.With(slog.String("camera", cfg.Camera.ID.String())),
		clock: systemClock(), door: make(chan struct{}, 1), retry: make(chan struct{}),
		pins: make(map[nvr.StreamID][]byte), unsound: make(map[nvr.StreamID]bool),
		convert: make(map[nvr.StreamID]*converter),
	}
	if !cfg.Camera.Audio || cfg.Transcoder == nil {
		return s
	}
	for i, source := range cfg.Camera.Streams {
		if i >= len(cfg.Feeds) {
			break // Run says so
		}
		if t := cfg.Transcoder(source.Quality); t != nil {
			s.convert[source.Stream] = newConverter(t, cfg.Feeds[i], s.clock)
		}
	}
	return s
}

// Run pulls all streams of the camera until ctx ends; then it returns nil, when
// all connections are closed. It can be called once.
func (s *Supervisor) Run(ctx context.Context) error {
	if len(s.cfg.Feeds) != len(s.cfg.Camera.Streams) {
		return fmt.Errorf("%d feeds for %d streams: %w", len(s.cfg.Feeds), len(s.cfg.Camera.Streams), nvr.ErrInvalid)
	}
	var wg sync.WaitGroup
	for i, source := range s.cfg.Camera.Streams {
		wg.Go(func() { s.pull(ctx, source, s.cfg.Feeds[i]) })
		if c := s.convert[source.Stream]; c != nil {
			wg.Go(func() { c.serve(ctx) })
		}
	}
	wg.Wait()
	return nil
}

// Retry tries again at once what waits or was given up, with the password as
// it is: the owner asked for it.
func (s *Supervisor) Retry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = nil
	clear(s.unsound)
	close(s.retry)
	s.retry = make(chan struct{})
}

// Status returns the health of the streams, in the order of Camera.Streams.
func (s *Supervisor) Status() []nvr.StreamStatus {
	now := s.clock().mono
	out := make([]nvr.StreamStatus, 0, len(s.cfg.Feeds))
	for i, source := range s.cfg.Camera.Streams {
		out = append(out, s.cfg.Feeds[i].status(source, now))
	}
	return out
}

// pull connects again and again.
func (s *Supervisor) pull(ctx context.Context, source nvr.Source, feed *Feed) {
	feed.connecting(s.clock().wall)
	var pause backoff
	for {
		again := s.retrySignal()
		from := s.clock().mono
		f := s.attempt(ctx, source, feed)
		if ctx.Err() != nil {
			feed.down(s.clock().wall, nvr.CauseUnknown, "stopped")
			return
		}
		pause.worked(s.clock().mono - from)
		s.note(source, feed, f)
		if !sleep(ctx, again, f, max(pause.pause(), f.wait)) {
			feed.down(s.clock().wall, f.cause, f.detail)
			return
		}
	}
}

// sleep waits for the pause, or for ever after a final failure, unless a retry
// is asked for. It reports whether to go on.
func sleep(ctx context.Context, again <-chan struct{}, f failure, pause time.Duration) bool {
	var elapsed <-chan time.Time
	if !f.final {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		elapsed = timer.C
	}
	select {
	case <-ctx.Done():
		return false
	case <-again:
	case <-elapsed:
	}
	return true
}

func (s *Supervisor) retrySignal() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.retry
}

// attempt makes one connection and returns why it ended. A panic ends it too.
func (s *Supervisor) attempt(ctx context.Context, source nvr.Source, feed *Feed) (f failure) {
	defer func() {
		if r := recover(); r != nil {
			s.log.LogAttrs(ctx, slog.LevelError, "connection panicked",
				slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
			f = explain(errPanic, circumstances{})
		}
	}()
	select {
	case s.door <- struct{}{}:
	case <-ctx.Done():
		return failure{}
	}
	leave := sync.OnceFunc(func() { <-s.door })
	defer leave()
	if known := s.refusal(); known != nil {
		return *known
	}
	convert := s.convert[source.Stream]
	c := &session{
		camera: s.cfg.Camera, source: s.pinned(source), feed: feed, clock: s.clock, house: s.cfg.House, patience: s.patience,
		noSound: s.soundless(source.Stream), transcodes: convert != nil, convert: convert,
		ready:  leave,
		began:  func() { s.cameUp(source) },
		pinned: func(pin []byte) { s.pin(source.Stream, pin) },
	}
	err := c.run(ctx)
	f = explain(err, c.circumstances())
	if errors.Is(err, errPanic) {
		s.log.LogAttrs(ctx, slog.LevelError, "connection panicked", slog.String("error", err.Error()))
	}
	if c.soundFailed() {
		s.leaveSoundOut(source.Stream)
	}
	if f.final && ctx.Err() == nil {
		s.refuse(f) // before the door opens for the next stream
	}
	return f
}

func (s *Supervisor) soundless(stream nvr.StreamID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsound[stream]
}

func (s *Supervisor) leaveSoundOut(stream nvr.StreamID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsound[stream] = true
}

func (s *Supervisor) refusal() *failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

func (s *Supervisor) refuse(f failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = &f
}

// pinned returns the source with the certificate that it has shown since.
func (s *Supervisor) pinned(source nvr.Source) nvr.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pin := s.pins[source.Stream]; len(source.Pin) == 0 {
		source.Pin = pin
	}
	return source
}

func (s *Supervisor) pin(stream nvr.StreamID, pin []byte) {
	s.mu.Lock()
	s.pins[stream] = pin
	s.mu.Unlock()
	if s.cfg.OnPin != nil {
		s.cfg.OnPin(stream, pin)
	}
}

// note records a failure in the stream, the log and on the bus.
func (s *Supervisor) note(source nvr.Source, feed *Feed, f failure) {
	feed.down(s.clock().wall, f.cause, f.detail)
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "no pictures",
		slog.String("quality", source.Quality.String()), slog.String("cause", f.cause.String()),
		slog.String("detail", f.detail))
	if source.Quality != nvr.Main {
		return
	}
	s.mu.Lock()
	tell := s.up || !s.told
	s.up, s.told = false, true
	s.mu.Unlock()
	if tell {
		s.publish(nvr.CameraDown, f)
	}
}

// cameUp is called from within a callback of gortsplib.
func (s *Supervisor) cameUp(source nvr.Source) {
	if source.Quality != nvr.Main {
		return
	}
	s.mu.Lock()
	tell := !s.up
	s.up, s.told = true, false
	s.mu.Unlock()
	if tell {
		s.publish(nvr.CameraUp, failure{})
	}
}

func (s *Supervisor) publish(kind nvr.EventKind, f failure) {
	s.cfg.Bus.Publish(nvr.Event{
		ID: nvr.NewID[nvr.Event](), Kind: kind, Source: "camera", Camera: s.cfg.Camera.ID,
		Start: s.clock().wall, Cause: f.cause, Detail: f.detail,
	})
}
