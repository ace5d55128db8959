package watch_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lares/motion/watch"
	"lares/nvr"
)

const (
	width, height = 160, 90
	rate          = 10 // pictures a second
)

// house is a camera whose frames are the pictures themselves, so that the
// decoder of a test has nothing to decode.
type house struct {
	t        *testing.T
	camera   nvr.Camera
	streams  map[nvr.StreamID]*nvr.Stream
	bus      *nvr.Bus
	store    *store
	decoder  *decoder
	settings sync.Mutex // guards camera
	next     time.Time
	run      uint64
	params   *nvr.Params
	gap      *nvr.Break
	pictures int
}

func newHouse(t *testing.T) *house {
	h := &house{
		t: t, bus: nvr.NewBus(), store: &store{blind: map[nvr.CameraID]string{}}, decoder: &decoder{},
		streams: map[nvr.StreamID]*nvr.Stream{}, next: time.Now(), run: 1,
		params: &nvr.Params{Video: nvr.H264, Width: width, Height: height},
	}
	h.camera = nvr.Camera{ID: nvr.NewID[nvr.Camera](), Name: "Yard"}
	for _, q := range []nvr.Quality{nvr.Main, nvr.Sub} {
		src := nvr.Source{Stream: nvr.NewID[nvr.Stream](), Quality: q}
		h.camera.Streams = append(h.camera.Streams, src)
		h.streams[src.Stream] = nvr.NewStream(src.Stream, nvr.StreamConfig{})
	}
	return h
}

func (h *house) List() []nvr.CameraStatus {
	h.settings.Lock()
	defer h.settings.Unlock()
	return []nvr.CameraStatus{{Camera: h.camera}}
}

func (h *house) Stream(id nvr.StreamID) *nvr.Stream { return h.streams[id] }

// change edits the camera and says so.
func (h *house) change(edit func(*nvr.Camera)) {
	h.settings.Lock()
	edit(&h.camera)
	h.settings.Unlock()
	h.bus.Publish(nvr.Event{Kind: nvr.CameraChanged, Camera: h.camera.ID})
	synctest.Wait()
}

// start runs a service until the test ends.
func (h *house) start() *watch.Service {
	s := watch.New(watch.Config{
		Cameras: h, Store: h.store, Bus: h.bus, Stills: h.decoder, Log: slog.New(slog.DiscardHandler),
		Worker: func(nvr.CameraID) watch.Pictures { return h.decoder },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	})
	synctest.Wait()
	return s
}

// scene draws a picture: noise-free ground with some texture, and a figure with
// its left edge at x, or none where x is negative.
func scene(x int) []byte {
	pix := make([]byte, width*height)
	for i := range pix {
		pix[i] = byte(90 + (i%width*7+i/width*13)%23)
	}
	if x < 0 {
		return pix
	}
	for row := 30; row < 75; row++ {
		for col := x; col < min(x+18, width); col++ {
			pix[row*width+col] = byte(180 + (row*5+col*11)%40)
		}
	}
	return pix
}

// play publishes pictures on both streams in step with the clock.
func (h *house) play(d time.Duration, figure func(i int) int) {
	for i := range int(d.Seconds() * rate) {
		for _, s := range h.streams {
			s.Publish(&nvr.Frame{
				Track: nvr.VideoTrack, Key: h.pictures%(2*rate) == 0 || h.gap != nil, DTS: nvr.Ticks(h.next), PTS: nvr.Ticks(h.next),
				Run: h.run, Break: h.gap, Params: h.params, Data: scene(figure(i)),
			})
		}
		h.gap = nil
		h.pictures++
		h.next = h.next.Add(time.Second / rate)
		time.Sleep(time.Second / rate)
		synctest.Wait()
	}
}

func nobody(int) int { return -1 }

// walker crosses the picture in two and a half seconds.
func walker(i int) int { return 7 * i }

// next returns the next event on the bus within a minute.
func next(t *testing.T, news *nvr.Subscription) nvr.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	e, _, err := news.Next(ctx)
	if err != nil {
		t.Fatal("nothing on the bus")
	}
	return e
}

// decoder is a worker without a codec.
type decoder struct {
	mu    sync.Mutex // guards what follows
	last  int64
	fail  error
	slow  time.Duration // of each call
	blank bool          // no picture comes of what it is given
	given int
}

func (d *decoder) Pictures(_ context.Context, frames []*nvr.Frame, o nvr.PictureOptions, yield func(nvr.Grey)) error {
	d.mu.Lock()
	err, slow := d.fail, d.slow
	d.mu.Unlock()
	time.Sleep(slow)
	if err != nil {
		return err
	}
	for _, f := range frames {
		d.mu.Lock()
		d.given++
		due := !d.blank && f.PTS >= d.last+nvr.DurationTicks(o.Every)
		if due {
			d.last = f.PTS
		}
		d.mu.Unlock()
		if due {
			yield(nvr.Grey{PTS: f.PTS, Width: width, Height: height, Pix: f.Data})
		}
	}
	return nil
}

func (d *decoder) Fence() string { return "" }
func (d *decoder) Close()        {}

// JPEG returns the newest frame as it is.
func (d *decoder) JPEG(_ context.Context, _ nvr.StreamID, frames []*nvr.Frame, _ nvr.StillOptions) ([]byte, error) {
	if !frames[0].Key {
		return nil, errors.New("the first frame is no key frame")
	}
	return frames[len(frames)-1].Data, nil
}

func (d *decoder) slowDown(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.slow = by
}

func (d *decoder) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.given
}

func (d *decoder) breakDown(err error) { d.change(func(d *decoder) { d.fail = err }) }

func (d *decoder) change(do func(*decoder)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do(d)
}

// store notes what it is told.
type store struct {
	mu      sync.Mutex // guards what follows
	events  []nvr.Event
	jpegs   [][]byte
	seconds []nvr.MotionSecond
	gate    []string
	blind   map[nvr.CameraID]string
}

func (s *store) SaveEvent(_ context.Context, e nvr.Event, jpeg []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	s.jpegs = append(s.jpegs, jpeg)
	return nil
}

func (s *store) SaveMotion(_ nvr.CameraID, m nvr.MotionSecond) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seconds = append(s.seconds, m)
}

func (s *store) MotionBegan(nvr.CameraID, time.Time) { s.note("began") }
func (s *store) MotionEnded(nvr.CameraID, time.Time) { s.note("ended") }
func (s *store) MotionBlind(c nvr.CameraID, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blind[c] = why
}

func (s *store) MotionWatched(c nvr.CameraID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blind, c)
}

func (s *store) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate = append(s.gate, what)
}

func (s *store) blindness(c nvr.CameraID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blind[c]
}
