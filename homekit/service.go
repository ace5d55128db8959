package homekit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"lares/nvr"
)

// Words of the record of who looked.
const (
	LogLive      = "homekit-live"
	LogSnapshots = "homekit-snapshots"
	LogPaired    = "homekit-paired"
	LogUnpaired  = "homekit-unpaired"
	LogWrongCode = "homekit-wrong-code"
)

// Cameras tells what cameras there are. camera.Fleet implements it. A
// nvr.CameraChanged event on the bus says that the list changed.
type Cameras interface {
	List() []nvr.CameraStatus
	Stream(id nvr.StreamID) *nvr.Stream
}

// Privacy is privacy mode. camera.Fleet implements it.
type Privacy interface {
	Private(camera nvr.CameraID) nvr.PrivacyState
	SetPrivate(ctx context.Context, r nvr.PrivacyRequest) error
}

// Recording says whether streams are recorded. recorder.Recorder implements it.
type Recording interface {
	Recording(stream nvr.StreamID) nvr.RecordingStatus
}

// Gate decides who may look, and keeps the record of it.
type Gate interface {
	// May says whether a pairing may see a camera live at this moment.
	May(ctx context.Context, camera nvr.CameraID) error
	// Record enters what a pairing did, before it gets what it asked for.
	Record(ctx context.Context, e Entry) error
}

// Entry is something that a pairing did.
type Entry struct {
	Action  string
	Pairing nvr.PrincipalID // zero: somebody who is not paired
	Camera  nvr.CameraID    // zero: the house
	Addr    string
	Detail  string
}

// Config is what a Service works with. All above Privacy is required.
type Config struct {
	Cameras   Cameras
	Stills    Stills
	Settings  Settings
	Recording Recording
	Gate      Gate
	Bus       *nvr.Bus
	Log       *slog.Logger
	Version   string  // of the firmware, as it is shown: "1.2.3"
	Privacy   Privacy // nil: there is no privacy mode
	// Opus makes what converts the sound for one viewer of a camera; nil: there is
	// no sound.
	Opus   func(camera nvr.CameraID) Opus
	Host   string   // address to listen at; empty for all
	Ifaces []string // interfaces to announce at; empty for all
}

// Service shows the house in the Home app. See the package comment.
type Service struct {
	cfg     Config
	changed chan struct{} // has a token when what runs may not be what is wanted

	mu     sync.Mutex // guards what follows
	house  houseSettings
	stores map[nvr.CameraID]*store // of what is offered; the zero camera is the house
	run    map[nvr.CameraID]*running
	albums map[nvr.CameraID]*album
}

// running is a server with the means to end it.
type running struct {
	thing
	at     string // the addresses of this box when it began
	cancel context.CancelFunc
	done   chan struct{}

	mu      sync.Mutex // guards what follows
	current *accessory // nil while it does not serve
	problem string
}

func (r *running) now() (*accessory, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current, r.problem
}

func (r *running) set(a *accessory, problem string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.current, r.problem = a, problem
}

// New reads what the owner decided before. Nothing is served before Run.
func New(ctx context.Context, cfg Config) (*Service, error) {
	s := &Service{
		cfg: cfg, changed: make(chan struct{}, 1),
		stores: make(map[nvr.CameraID]*store), run: make(map[nvr.CameraID]*running), albums: make(map[nvr.CameraID]*album),
	}
	if err := s.house.load(ctx, cfg.Settings); err != nil {
		return nil, err
	}
	ids := []nvr.CameraID{{}}
	for _, st := range cfg.Cameras.List() {
		ids = append(ids, st.Camera.ID)
	}
	for _, id := range ids {
		kept, err := openStore(ctx, cfg.Settings, storeName(id))
		switch {
		case err == nil:
			s.stores[id] = kept
		case !errors.Is(err, nvr.ErrNotFound):
			return nil, err
		}
	}
	return s, nil
}

func storeName(id nvr.CameraID) string {
	if id.IsZero() {
		return "homekit/bridge"
	}
	return "homekit/" + id.String()
}

// lookAgain is how often it is looked what is recorded and what changed without
// news.
const lookAgain = 30 * time.Second

// Run serves what is offered until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	news := s.cfg.Bus.Subscribe()
	defer news.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.listen(ctx, news, &wg) })
	tick := time.NewTicker(lookAgain)
	defer tick.Stop()
	for {
		s.follow(ctx)
		s.showTrouble()
		select {
		case <-s.changed:
		case <-tick.C:
		case <-ctx.Done():
			s.follow(ctx)
			return nil
		}
	}
}

// listen follows what happens in the house.
func (s *Service) listen(ctx context.Context, news *nvr.Subscription, wg *sync.WaitGroup) {
	for {
		e, missed, err := news.Next(ctx)
		if err != nil {
			return // the end of the context or of the bus
		}
		switch e.Kind {
		case nvr.Motion:
			if a := s.serving(e.Camera); a != nil {
				wg.Go(func() {
					s.begin(ctx, e.Camera, time.Now())
					a.moved(true)
				})
			}
		case nvr.Doorbell:
			if a := s.serving(e.Camera); a != nil {
				a.ring()
				wg.Go(func() { s.begin(ctx, e.Camera, time.Now()) })
			}
		case nvr.MotionEnded:
			if a := s.serving(e.Camera); a != nil {
				a.moved(false)
			}
		case nvr.PrivacyChanged:
			s.privacyChanged()
		case nvr.CameraChanged, nvr.RecordingUp, nvr.RecordingDown, nvr.CameraUp, nvr.CameraDown:
			s.wake()
		}
		if missed > 0 {
			s.wake()
		}
	}
}

func (s *Service) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// follow starts and stops servers until they are what the owner wants. After the
// end of ctx it stops all.
func (s *Service) follow(ctx context.Context) {
	wanted, gone := s.wanted(ctx)
	at := fmt.Sprint(addresses())
	for _, id := range gone {
		if err := s.forget(ctx, id); err != nil {
			s.cfg.Log.ErrorContext(ctx, "forget the HomeKit pairings of a camera that was removed", slog.Any("error", err))
		}
	}
	s.mu.Lock()
	var stale []*running
	for id, r := range s.run {
		// A box with another address is announced anew: phones ask for the one
		// that they know.
		if of, ok := wanted[id]; !ok || of != r.thing || at != r.at {
			stale = append(stale, r)
			delete(s.run, id)
		}
	}
	s.mu.Unlock()
	for _, r := range stale {
		r.cancel()
	}
	for _, r := range stale {
		<-r.done
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, of := range wanted {
		if s.run[id] == nil {
			s.startLocked(ctx, of, at)
		}
	}
}

// wanted returns what is to be served, and which cameras are gone for good.
func (s *Service) wanted(ctx context.Context) (things map[nvr.CameraID]thing, gone []nvr.CameraID) {
	list := s.cfg.Cameras.List()
	s.mu.Lock()
	defer s.mu.Unlock()
	things = make(map[nvr.CameraID]thing)
	there := map[nvr.CameraID]bool{{}: true}
	if s.house.On && s.stores[nvr.CameraID{}] != nil {
		things[nvr.CameraID{}] = houseThing()
	}
	for _, st := range list {
		there[st.Camera.ID] = true
		if s.house.On && s.stores[st.Camera.ID] != nil && !st.Camera.Disabled {
			things[st.Camera.ID] = cameraThing(st.Camera)
		}
	}
	for id := range s.stores {
		if !there[id] {
			gone = append(gone, id)
		}
	}
	if ctx.Err() != nil {
		return nil, nil
	}
	return things, gone
}

// houseThing is the house, under the name that it has in the Home app.
func houseThing() thing { return thing{name: "Lares"} }

func cameraThing(c nvr.Camera) thing { return thing{camera: c.ID, name: c.Name, bell: c.Identity.Bell} }

func (s *Service) startLocked(ctx context.Context, of thing, at string) {
	run, cancel := context.WithCancel(ctx)
	r := &running{thing: of, at: at, cancel: cancel, done: make(chan struct{})}
	kept := s.stores[of.camera]
	s.run[of.camera] = r
	go func() {
		defer close(r.done)
		s.keep(run, r, kept)
	}()
}

// keep serves an accessory until ctx ends, again and again if need be.
func (s *Service) keep(ctx context.Context, r *running, kept *store) {
	const again = 20 * time.Second
	for ctx.Err() == nil {
		if err := s.free(ctx, kept); err != nil {
			s.cfg.Log.WarnContext(ctx, "no port for HomeKit", slog.Any("error", err))
		}
		a, err := s.newAccessory(r.thing, kept)
		if err == nil {
			if r.camera.IsZero() {
				a.setTrouble(s.trouble())
			}
			err = a.run(ctx, func() { r.set(a, "") })
		}
		if err == nil {
			break
		}
		r.set(nil, err.Error())
		s.cfg.Log.ErrorContext(ctx, "HomeKit does not work", slog.String("accessory", r.name), slog.Any("error", err))
		if sleepUntil(ctx, time.Now().Add(again)) != nil {
			break
		}
	}
	r.set(nil, "")
}

// free makes sure that the port of an accessory can be had; if another program
// has it, it gets the next one.
func (s *Service) free(ctx context.Context, kept *store) error {
	port, err := s.freePort(ctx, kept)
	if err != nil || port == kept.about().Port {
		return err
	}
	return kept.change(ctx, func(id *identity) { id.Port = port })
}

// Ports of accessories: below those that systems give out by themselves.
const (
	firstPort = 21900
	portCount = 500
)

// freePort returns the port of an accessory if it can be had, or the next one
// that can and that no other accessory has. A new accessory is nil.
func (s *Service) freePort(ctx context.Context, kept *store) (int, error) {
	taken := s.ports(kept)
	begin := 0
	if kept != nil {
		begin = max(0, kept.about().Port-firstPort)
	}
	var config net.ListenConfig
	for i := range portCount {
		port := firstPort + (begin+i)%portCount
		if taken[port] {
			continue
		}
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort(s.cfg.Host, fmt.Sprint(port)))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("find a port for HomeKit: all from %d to %d are in use", firstPort, firstPort+portCount-1)
}

// ports lists the ports of accessories, but for one.
func (s *Service) ports(but *store) map[int]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := make(map[int]bool)
	for _, kept := range s.stores {
		if kept != but {
			taken[kept.about().Port] = true
		}
	}
	return taken
}

// serving returns the server of a camera, nil while there is none.
func (s *Service) serving(id nvr.CameraID) *accessory {
	s.mu.Lock()
	r := s.run[id]
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	a, _ := r.now()
	return a
}

// album returns the snapshots of a camera.
func (s *Service) album(id nvr.CameraID) *album {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.albums[id] == nil {
		s.albums[id] = newAlbum()
	}
	return s.albums[id]
}

// sound returns a stream of a camera that has sound, nil where none has.
func (s *Service) sound(id nvr.CameraID) *nvr.Stream {
	for _, st := range s.cfg.Cameras.List() {
		if st.Camera.ID != id || !st.Camera.Audio {
			continue
		}
		for _, src := range st.Camera.Streams {
			if stream := s.cfg.Cameras.Stream(src.Stream); stream != nil {
				if p := stream.Params(); p != nil && p.Audio == nvr.AAC {
					return stream
				}
			}
		}
	}
	return nil
}

func (s *Service) isPrivate(id nvr.CameraID) bool {
	return s.cfg.Privacy != nil && s.cfg.Privacy.Private(id).On
}

// privacyChanged makes private cameras blind and shows what privacy mode is.
func (s *Service) privacyChanged() {
	s.mu.Lock()
	var all []*accessory
	for id, r := range s.run {
		if a, _ := r.now(); a != nil {
			all = append(all, a)
		}
		if album := s.albums[id]; album != nil && s.isPrivate(id) {
			album.forget()
		}
	}
	s.mu.Unlock()
	for _, a := range all {
		if s.isPrivate(a.camera) {
			a.blind()
			a.moved(false)
		}
		a.showPrivacy()
	}
}

// trouble reports whether something is not recorded that should be.
func (s *Service) trouble() bool {
	for _, st := range s.cfg.Cameras.List() {
		if st.Camera.Disabled {
			continue
		}
		for _, src := range st.Camera.Streams {
			r := s.cfg.Recording.Recording(src.Stream)
			if !r.Recording && !r.Waits() && r.Cause != nvr.Privacy && time.Since(r.Since) > lookAgain {
				return true
			}
		}
	}
	return false
}

func (s *Service) showTrouble() {
	if a := s.serving(nvr.CameraID{}); a != nil {
		a.setTrouble(s.trouble())
	}
}
