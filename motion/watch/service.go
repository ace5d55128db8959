package watch

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lares/nvr"
)

// Cameras tells what there is to look at. camera.Fleet implements it. A
// nvr.CameraChanged event on the bus says that the list changed.
type Cameras interface {
	List() []nvr.CameraStatus
	Stream(id nvr.StreamID) *nvr.Stream
}

// Store keeps what was found. recorder.Recorder implements it.
type Store interface {
	// SaveEvent seals an event that is over beside its footage, with a JPEG of
	// it where there is one.
	SaveEvent(ctx context.Context, e nvr.Event, thumbnail []byte) error
	// SaveMotion keeps where something moved in a second.
	SaveMotion(camera nvr.CameraID, s nvr.MotionSecond)
	Gate
}

// Gate hears what a camera that keeps motion alone has to keep.
type Gate interface {
	// MotionBegan says that something moves since a time.
	MotionBegan(camera nvr.CameraID, at time.Time)
	// MotionEnded says that nothing moves any more since a time.
	MotionEnded(camera nvr.CameraID, at time.Time)
	// MotionWatched says that somebody looks, MotionBlind that nobody does, and
	// why: until then, and from then on, all has to be kept.
	MotionWatched(camera nvr.CameraID)
	MotionBlind(camera nvr.CameraID, why string)
}

// Pictures decodes one stream in a media worker. It belongs to one goroutine.
type Pictures interface {
	// Pictures hands access units over, in decoding order and without a hole
	// since the last key frame, and calls yield with each picture that came of
	// it. What yield gets is valid until it returns.
	Pictures(ctx context.Context, frames []*nvr.Frame, o nvr.PictureOptions, yield func(nvr.Grey)) error
	// Fence says why the worker is not fenced in as well as it could be; empty
	// if it is.
	Fence() string
	Close()
}

// Stills makes JPEGs in a media worker. It may be used from any goroutine.
type Stills interface {
	// JPEG decodes frames of a stream, of which the first is a key frame, and
	// returns the last one as a JPEG.
	JPEG(ctx context.Context, stream nvr.StreamID, frames []*nvr.Frame, o nvr.StillOptions) ([]byte, error)
}

// Config is what a Service works with. All fields are required.
type Config struct {
	Cameras Cameras
	Store   Store
	Bus     *nvr.Bus
	Stills  Stills
	// Worker makes the worker of one camera, which is started when it is used.
	Worker func(camera nvr.CameraID) Pictures
	Log    *slog.Logger
}

// Service looks for motion. See the package comment.
type Service struct {
	cfg   Config
	saver *saver

	mu       sync.Mutex // guards what follows
	watchers map[nvr.CameraID]*running
	off      map[nvr.CameraID]bool // the store knows that nobody looks
}

// running is a watcher with the means to end it.
type running struct {
	*watcher
	streams [2]nvr.StreamID // looked at, and cut thumbnails from
	cancel  context.CancelFunc
	done    chan struct{}
}

func (r *running) stop() {
	r.cancel()
	<-r.done
}

// New returns a service that looks at nothing before Run.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, saver: newSaver(cfg.Stills, cfg.Store, cfg.Log), watchers: make(map[nvr.CameraID]*running), off: make(map[nvr.CameraID]bool)}
}

// lastWords is how long storing the last events may take at the end.
const lastWords = 3 * time.Second

// lookAgain is how often the list of cameras is read without news of a change.
const lookAgain = time.Minute

// Run looks at all cameras until ctx ends. Events that last then are ended and stored.
func (s *Service) Run(ctx context.Context) error {
	news := s.cfg.Bus.Subscribe()
	defer news.Close()
	var group errgroup.Group
	saving, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	group.Go(func() error { return s.saver.run(saving) })
	changed := make(chan struct{}, 1)
	group.Go(func() error { return listen(ctx, news, changed) })
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		s.follow(ctx)
		select {
		case <-changed:
			continue
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		break
	}
	s.follow(ctx)
	s.saver.close()
	defer time.AfterFunc(lastWords, giveUp).Stop()
	if err := group.Wait(); err != nil {
		return fmt.Errorf("look for motion: %w", err)
	}
	return nil
}

// listen passes on that the list of cameras changed.
func listen(ctx context.Context, news *nvr.Subscription, changed chan<- struct{}) error {
	for {
		e, missed, err := news.Next(ctx)
		if err != nil {
			return nil //nolint:nilerr // the end of the context or of the bus
		}
		if e.Kind != nvr.CameraChanged && missed == 0 {
			continue
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// follow starts, changes and stops watchers until they are what the list of
// cameras says. After the end of ctx it stops all.
func (s *Service) follow(ctx context.Context) {
	wanted := make(map[nvr.CameraID]nvr.Camera)
	if ctx.Err() == nil {
		for _, st := range s.cfg.Cameras.List() {
			wanted[st.Camera.ID] = st.Camera
		}
	}
	s.mu.Lock()
	var stale []*running
	for id, w := range s.watchers {
		c, ok := wanted[id]
		if !ok || !watched(c) || w.streams != streamsOf(c) {
			stale = append(stale, w)
			delete(s.watchers, id)
		}
	}
	s.mu.Unlock()
	for _, w := range stale {
		w.stop()
	}
	for _, c := range slices.Collect(maps.Values(wanted)) {
		if !watched(c) {
			s.switchOff(c.ID)
			continue
		}
		s.start(ctx, c)
	}
}

// switchOff tells the store once that nobody looks at a camera.
func (s *Service) switchOff(camera nvr.CameraID) {
	s.mu.Lock()
	known := s.off[camera]
	s.off[camera] = true
	s.mu.Unlock()
	if !known {
		s.cfg.Store.MotionBlind(camera, switchedOff)
	}
}

func watched(c nvr.Camera) bool { return !c.Disabled && !c.Motion.Off && len(c.Streams) > 0 }

// streamsOf returns the stream to look at, which is the smallest, and the one
// to cut thumbnails from.
func streamsOf(c nvr.Camera) [2]nvr.StreamID {
	return [2]nvr.StreamID{c.Streams[len(c.Streams)-1].Stream, c.Streams[0].Stream}
}

// start makes sure that a camera is looked at with its settings.
func (s *Service) start(ctx context.Context, c nvr.Camera) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w, ok := s.watchers[c.ID]; ok {
		w.configure(c.Motion)
		return
	}
	ids := streamsOf(c)
	small, full := s.cfg.Cameras.Stream(ids[0]), s.cfg.Cameras.Stream(ids[1])
	if small == nil || full == nil {
		return // removed meanwhile
	}
	w := newWatcher(&s.cfg, s.saver, c, small, full)
	run, cancel := context.WithCancel(ctx)
	r := &running{watcher: w, streams: ids, cancel: cancel, done: make(chan struct{})}
	s.watchers[c.ID] = r
	delete(s.off, c.ID)
	go func() {
		defer close(r.done)
		w.run(run)
	}()
}

func (s *Service) watcher(id nvr.CameraID) *watcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.watchers[id]; ok {
		return r.watcher
	}
	return nil
}

// Moving returns the event that is on at a camera, if there is one.
func (s *Service) Moving(camera nvr.CameraID) (nvr.Event, bool) {
	w := s.watcher(camera)
	if w == nil {
		return nvr.Event{}, false
	}
	return w.now()
}

// Detection says whether motion is looked for on a camera, and why not.
func (s *Service) Detection(camera nvr.CameraID) nvr.DetectionStatus {
	w := s.watcher(camera)
	if w == nil {
		return nvr.DetectionStatus{Detail: switchedOff}
	}
	return w.detection()
}

// Still returns a JPEG of the newest key frame of a camera and when that was.
// Errors: nvr.ErrNotFound where there is no camera or no picture.
func (s *Service) Still(ctx context.Context, camera nvr.CameraID, o nvr.StillOptions) ([]byte, time.Time, error) {
	stream, key := s.newestKey(camera, o.MaxWidth)
	if key == nil {
		return nil, time.Time{}, fmt.Errorf("no picture of the camera: %w", nvr.ErrNotFound)
	}
	jpeg, err := s.cfg.Stills.JPEG(ctx, stream, []*nvr.Frame{key}, o)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("make a still: %w", err)
	}
	return jpeg, key.Time(), nil
}

// newestKey takes the smallest stream that is as wide as asked for.
func (s *Service) newestKey(camera nvr.CameraID, width int) (id nvr.StreamID, best *nvr.Frame) {
	for _, st := range s.cfg.Cameras.List() {
		if st.Camera.ID != camera {
			continue
		}
		for _, src := range st.Camera.Streams {
			stream := s.cfg.Cameras.Stream(src.Stream)
			if stream == nil {
				continue
			}
			if key := stream.LastKey(); key != nil && (best == nil || width > 0 && key.Params.Width >= width) {
				id, best = src.Stream, key
			}
		}
	}
	return id, best
}
