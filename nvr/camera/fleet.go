package camera

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"lares/nvr"
	"lares/nvr/egress"
)

const (
	maxCameras       = 64
	maxName          = 100 // bytes
	maxRetentionDays = 3650
)

// Store keeps the cameras of the house.
type Store interface {
	Cameras(ctx context.Context) ([]nvr.Camera, error)
	SaveCamera(ctx context.Context, c nvr.Camera) error
	RemoveCamera(ctx context.Context, id nvr.CameraID) error
}

// FleetConfig is what a fleet needs.
type FleetConfig struct {
	Store Store
	Bus   *nvr.Bus
	Log   *slog.Logger
	// Stream bounds the memory of each stream.
	Stream nvr.StreamConfig
	// Transcoder returns what turns sound of a camera into AAC: for each stream
	// one of its own. It is asked for cameras that record sound only. May be nil
	// and may return nil: then only AAC is recorded.
	Transcoder func(camera nvr.CameraID, q nvr.Quality) Transcoder
	// House says what is dialled; nil is the narrowest rule.
	House *egress.Guard
	// Privacy keeps privacy mode over a restart. Without it nothing is kept.
	Privacy PrivacyStore
	// Record enters a change of privacy mode in the record of who looked. Error:
	// nvr.ErrLogUnavailable. May be nil.
	Record func(ctx context.Context, c nvr.PrivacyChange) error
	// Zone is where the clocks of the plan of privacy mode are; time.Local if nil.
	Zone *time.Location
}

// Fleet holds all cameras of the house and pulls those that are switched on
// while it runs.
type Fleet struct {
	cfg  FleetConfig
	kick chan struct{} // says that Run should look at the entries again
	pins chan pinNews
	// clock tells when privacy mode ends.
	clock sourceClock

	// keeping is held while privacy mode is stored, so that what is stored last
	// is what is so. It is taken before mu.
	keeping sync.Mutex
	// planning is held while the plan of the week is changed, before mu as well.
	planning sync.Mutex

	// edit is held while the cameras of the house are changed, so that what is
	// stored and what is pulled stay the same. It is taken before mu.
	edit sync.Mutex

	mu      sync.Mutex
	loaded  bool
	entries map[nvr.CameraID]*entry
	privacy privacy
	// unkept says of what privacy mode is not stored as it is, and when to try again.
	unkept map[nvr.CameraID]time.Duration
}

// entry is a camera with what pulls it.
type entry struct {
	camera nvr.Camera
	feeds  []*Feed // in the order of camera.Streams
	task   *task   // nil: not pulled
	held   bool    // is being changed: not to be started

	private bool     // is to be blind
	blind   bool     // its feeds are shut
	refused *failure // what the camera said before it became private
}

// task is a running supervisor.
type task struct {
	supervisor *Supervisor
	cancel     context.CancelFunc
	done       chan struct{}
}

func (t *task) stop() {
	if t != nil {
		t.cancel()
		<-t.done
	}
}

// pinNews is a certificate that a camera has shown for the first time.
type pinNews struct {
	camera nvr.CameraID
	stream nvr.StreamID
	pin    []byte
}

// NewFleet returns a fleet without cameras; Load or Run brings them.
func NewFleet(cfg FleetConfig) *Fleet {
	return &Fleet{
		cfg: cfg, kick: make(chan struct{}, 1), pins: make(chan pinNews, 2*maxCameras),
		entries: make(map[nvr.CameraID]*entry), clock: systemClock(),
		privacy: newPrivacy(cfg.Zone), unkept: make(map[nvr.CameraID]time.Duration),
	}
}

// Load reads the cameras from the store and makes their streams, so that
// readers can wait for them before Run. Calling it again does nothing.
func (f *Fleet) Load(ctx context.Context) error {
	f.edit.Lock()
	defer f.edit.Unlock()
	return f.loadLocked(ctx)
}

// loadLocked is Load while edit is held.
func (f *Fleet) loadLocked(ctx context.Context) error {
	if f.isLoaded() {
		return nil
	}
	cameras, err := f.cfg.Store.Cameras(ctx)
	if err != nil {
		return fmt.Errorf("load cameras: %w", err)
	}
	if err := f.loadPrivacy(ctx); err != nil {
		return err
	}
	f.change(ctx, func() {
		for _, c := range cameras {
			f.entries[c.ID] = f.newEntry(c)
		}
		f.loaded = true
	})
	return nil
}

func (f *Fleet) isLoaded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.loaded
}

func (f *Fleet) newEntry(c nvr.Camera) *entry {
	e := &entry{camera: c}
	for _, source := range c.Streams {
		feed := NewFeed(nvr.NewStream(source.Stream, f.cfg.Stream))
		if c.Disabled {
			feed.down(time.Now(), nvr.CameraSwitchedOff, "")
		}
		e.feeds = append(e.feeds, feed)
	}
	return e
}

// Run pulls all cameras that are switched on until ctx ends; then it closes
// their streams and returns nil. Errors: that of Load. It can be called once.
func (f *Fleet) Run(ctx context.Context) error {
	if err := f.Load(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	tick := time.NewTicker(privacyTick)
	defer tick.Stop()
	for {
		f.startMissing(ctx, &wg)
		select {
		case <-f.kick:
		case news := <-f.pins:
			f.savePin(ctx, news)
		case <-tick.C:
			f.change(ctx, func() {})
		case <-ctx.Done():
			wg.Wait()
			f.closeStreams()
			return nil
		}
	}
}

// startMissing starts the supervisors that should run and do not.
func (f *Fleet) startMissing(ctx context.Context, wg *sync.WaitGroup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.entries {
		if e.task != nil || e.held || e.private {
			continue
		}
		if e.blind {
			e.open()
		}
		if e.camera.Disabled {
			continue
		}
		id := e.camera.ID
		ctx, cancel := context.WithCancel(ctx)
		var transcoder func(nvr.Quality) Transcoder
		if f.cfg.Transcoder != nil {
			transcoder = func(q nvr.Quality) Transcoder { return f.cfg.Transcoder(id, q) }
		}
		t := &task{cancel: cancel, done: make(chan struct{})}
		t.supervisor = NewSupervisor(SupervisorConfig{
			Camera: e.camera, Feeds: e.feeds, Bus: f.cfg.Bus, Log: f.cfg.Log, Transcoder: transcoder, House: f.cfg.House,
			OnPin: func(stream nvr.StreamID, pin []byte) {
				select {
				case f.pins <- pinNews{id, stream, pin}:
				default: // the next connection says it again
				}
			},
		})
		t.supervisor.refused = e.refused
		e.task = t
		wg.Go(func() {
			defer close(t.done)
			defer f.ended(e, t)
			if err := t.supervisor.Run(ctx); err != nil {
				f.cfg.Log.LogAttrs(ctx, slog.LevelError, "camera cannot be pulled",
					slog.String("camera", id.String()), slog.String("error", err.Error()))
			}
		})
	}
}

func (f *Fleet) closeStreams() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.entries {
		for _, feed := range e.feeds {
			feed.stream.Close()
		}
	}
}

// savePin stores a certificate that was seen for the first time. The running
// supervisor knows it already.
func (f *Fleet) savePin(ctx context.Context, news pinNews) {
	f.edit.Lock()
	defer f.edit.Unlock()
	c, err := f.Camera(news.camera)
	if err != nil {
		return // removed meanwhile
	}
	c.Streams = slices.Clone(c.Streams)
	changed := false
	for i := range c.Streams {
		if c.Streams[i].Stream == news.stream && len(c.Streams[i].Pin) == 0 {
			c.Streams[i].Pin, changed = news.pin, true
		}
	}
	if !changed {
		return
	}
	if err := f.cfg.Store.SaveCamera(ctx, c); err != nil {
		f.cfg.Log.LogAttrs(ctx, slog.LevelError, "certificate of camera not stored",
			slog.String("camera", c.ID.String()), slog.String("error", err.Error()))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if e := f.entries[c.ID]; e != nil {
		e.camera = c
	}
}

// List returns all cameras with what they do, in the order of the owner.
func (f *Fleet) List() []nvr.CameraStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]nvr.CameraStatus, 0, len(f.entries))
	for _, e := range f.entries {
		status := nvr.CameraStatus{Camera: e.camera}
		if e.task != nil {
			status.Streams = e.task.supervisor.Status()
			for i := range status.Streams { // the pin may be newer than the supervisor
				status.Streams[i].Source = e.camera.Streams[i]
			}
		} else {
			for i, source := range e.camera.Streams {
				status.Streams = append(status.Streams, e.feeds[i].status(source, 0))
			}
		}
		out = append(out, status)
	}
	slices.SortFunc(out, func(a, b nvr.CameraStatus) int {
		if a.Camera.Order != b.Camera.Order {
			return a.Camera.Order - b.Camera.Order
		}
		if c := a.Camera.Added.Compare(b.Camera.Added); c != 0 {
			return c
		}
		return strings.Compare(a.Camera.Name, b.Camera.Name)
	})
	return out
}

// Camera returns a camera as its owner set it up. Errors: nvr.ErrNotFound.
func (f *Fleet) Camera(id nvr.CameraID) (nvr.Camera, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entries[id]
	if e == nil {
		return nvr.Camera{}, fmt.Errorf("camera %s: %w", id, nvr.ErrNotFound)
	}
	return e.camera, nil
}

// Stream returns the window of a stream, nil if there is no such stream.
func (f *Fleet) Stream(id nvr.StreamID) *nvr.Stream {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.entries {
		for _, feed := range e.feeds {
			if feed.stream.ID() == id {
				return feed.stream
			}
		}
	}
	return nil
}

// Retry connects a camera again at once, whatever it waits for. Errors:
// nvr.ErrNotFound, also when the camera is switched off.
func (f *Fleet) Retry(id nvr.CameraID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.entries[id]
	if e == nil || e.task == nil {
		return fmt.Errorf("retry camera %s: %w", id, nvr.ErrNotFound)
	}
	e.task.supervisor.Retry()
	return nil
}

func (f *Fleet) wake() {
	select {
	case f.kick <- struct{}{}:
	default:
	}
}
