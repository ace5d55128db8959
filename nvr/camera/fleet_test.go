package camera

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// shelf is a Store in memory.
type shelf struct {
	mu      sync.Mutex
	cameras map[nvr.CameraID]nvr.Camera
	broken  error
}

func (s *shelf) Cameras(context.Context) ([]nvr.Camera, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []nvr.Camera
	for _, c := range s.cameras {
		out = append(out, c)
	}
	return out, s.broken
}

func (s *shelf) SaveCamera(_ context.Context, c nvr.Camera) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.cameras[c.ID] = c
	}
	return s.broken
}

func (s *shelf) RemoveCamera(_ context.Context, id nvr.CameraID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cameras, id)
	return s.broken
}

func (s *shelf) get(id nvr.CameraID) nvr.Camera {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cameras[id]
}

func newFleet(t *testing.T, cameras ...nvr.Camera) (*Fleet, *shelf, *nvr.Bus) {
	t.Helper()
	store := &shelf{cameras: make(map[nvr.CameraID]nvr.Camera)}
	for _, c := range cameras {
		store.cameras[c.ID] = c
	}
	bus := nvr.NewBus()
	return NewFleet(FleetConfig{Store: store, Bus: bus, Log: slog.New(slog.DiscardHandler)}), store, bus
}

func runFleet(t *testing.T, f *Fleet) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f.Run(ctx); err != nil {
			t.Errorf("fleet: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

func follow(t *testing.T, f *Fleet, id nvr.StreamID) *nvr.Reader {
	t.Helper()
	r := f.Stream(id).NewReader(nvr.ReaderOptions{Hold: true})
	t.Cleanup(r.Close)
	return r
}

func TestStreamsExistBeforeTheFleetRuns(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Sub: clip(t, "h265.mp4"), Speed: 4})
	c := describe(sim, nvr.Main, nvr.Sub)
	f, _, _ := newFleet(t, c)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	var readers []*nvr.Reader
	for _, source := range c.Streams {
		if s := f.Stream(source.Stream); s == nil || s.State().Up {
			t.Fatalf("stream %v before the run: %v", source.Quality, s)
		}
		readers = append(readers, follow(t, f, source.Stream))
	}
	stop := runFleet(t, f)
	for _, r := range readers {
		pictures(t, r, 2)
	}
	stop()
	for {
		if _, _, err := readers[0].Next(t.Context()); errors.Is(err, nvr.ErrClosed) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAddedCameraIsStoredAndPulled(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	f, store, bus := newFleet(t)
	runFleet(t, f)
	news := bus.Subscribe()
	defer news.Close()
	c, err := f.Add(t.Context(), nvr.Camera{Name: " Gate ", Streams: []nvr.Source{{URL: sim.URL(nvr.Main)}}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != "Gate" || c.ID.IsZero() || c.Streams[0].Stream.IsZero() || c.Added.IsZero() {
		t.Errorf("added as %+v", c)
	}
	if store.get(c.ID).Name != "Gate" {
		t.Error("not stored")
	}
	if e, _, err := news.Next(t.Context()); err != nil || e.Kind != nvr.CameraChanged || e.Camera != c.ID {
		t.Errorf("event %+v, %v", e, err)
	}
	pictures(t, follow(t, f, c.Streams[0].Stream), 2)
	if list := f.List(); len(list) != 1 || len(list[0].Streams) != 1 || !list[0].Streams[0].State.Up {
		t.Errorf("list %+v", list)
	}
}

func TestUpdatedCameraGoesOnInItsStream(t *testing.T) {
	t.Parallel()
	first := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	second := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Sub: clip(t, "h265.mp4"), Speed: 4})
	f, store, _ := newFleet(t)
	runFleet(t, f)
	c, err := f.Add(t.Context(), nvr.Camera{Name: "Gate", Streams: []nvr.Source{{URL: first.URL(nvr.Main)}}})
	if err != nil {
		t.Fatal(err)
	}
	reader := follow(t, f, c.Streams[0].Stream)
	old, _ := pictures(t, reader, 2)
	c.Streams = []nvr.Source{
		{Stream: c.Streams[0].Stream, URL: second.URL(nvr.Main)}, {Quality: nvr.Sub, URL: second.URL(nvr.Sub)},
	}
	c, err = f.Update(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for fr := old[1]; ; fr = read(t, reader) {
		if fr.Run > old[0].Run {
			if !fr.Key || fr.Break == nil {
				t.Errorf("the new run begins with key %v, break %+v", fr.Key, fr.Break)
			}
			break
		}
	}
	pictures(t, follow(t, f, c.Streams[1].Stream), 2)
	if len(store.get(c.ID).Streams) != 2 {
		t.Error("not stored")
	}
	c.Disabled = true
	if _, err := f.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if s := f.Stream(c.Streams[0].Stream).State(); s.Up || s.Down.Cause != nvr.CameraSwitchedOff {
		t.Errorf("switched off: %+v", s)
	}
	if err := f.Retry(c.ID); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("retry of a camera that is off: %v", err)
	}
}

func TestSettingsThatAreNotOfTheConnectionLeaveItAlone(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	f, _, _ := newFleet(t)
	runFleet(t, f)
	c, err := f.Add(t.Context(), nvr.Camera{Name: "Gate", Streams: []nvr.Source{{URL: sim.URL(nvr.Main)}}})
	if err != nil {
		t.Fatal(err)
	}
	reader := follow(t, f, c.Streams[0].Stream)
	old, _ := pictures(t, reader, 2)
	connections := sim.Connections()
	c.Name, c.RetentionDays, c.Record = "Drive", 3, nvr.RecordMotion
	c.Motion.Zones = []nvr.Zone{{Ignore: true, Points: []nvr.Point{{}, {X: 1}, {Y: 1}}}}
	if _, err = f.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if now, err := f.Camera(c.ID); err != nil || now.Name != c.Name || !now.Motion.Equal(c.Motion) || now.Record != c.Record {
		t.Errorf("got %+v, %v", now, err)
	}
	for range 60 { // longer than connecting anew takes
		if fr := read(t, reader); fr.Run != old[0].Run || fr.Break != nil {
			t.Fatalf("interrupted: %+v", fr.Break)
		}
	}
	if n := sim.Connections(); n != connections {
		t.Errorf("%d connections, were %d", n, connections)
	}
}

func TestRemovedCameraLeavesNothingToSee(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	f, store, _ := newFleet(t)
	runFleet(t, f)
	c, err := f.Add(t.Context(), nvr.Camera{Name: "Gate", Streams: []nvr.Source{{URL: sim.URL(nvr.Main)}}})
	if err != nil {
		t.Fatal(err)
	}
	stream := f.Stream(c.Streams[0].Stream)
	pictures(t, follow(t, f, stream.ID()), 2)
	if err := f.Remove(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	if stream.Size() != 0 || stream.LastKey() != nil || f.Stream(stream.ID()) != nil {
		t.Error("pictures are left")
	}
	if !store.get(c.ID).ID.IsZero() {
		t.Error("still stored")
	}
	if _, err := f.Camera(c.ID); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("camera: %v", err)
	}
	if err := f.Remove(t.Context(), c.ID); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestWrongSettingsAreRefusedInPlainWords(t *testing.T) {
	t.Parallel()
	f, _, _ := newFleet(t)
	good := []nvr.Source{{URL: "rtsp://192.168.1.2/a"}}
	if _, err := f.Add(t.Context(), nvr.Camera{Name: "Gate", Disabled: true, Streams: good}); err != nil {
		t.Fatal(err)
	}
	for words, c := range map[string]nvr.Camera{
		"give the camera a name": {Name: "  ", Streams: good},
		"already":                {Name: "gATE", Streams: good},
		"one or two streams":     {Name: "x"},
		"main stream comes":      {Name: "x", Streams: []nvr.Source{{Quality: nvr.Sub, URL: "rtsp://h/"}}},
		"user name and password": {Name: "x", Streams: []nvr.Source{{URL: "rtsp://u:p@192.168.1.2/a"}}},
		"begin with rtsp":        {Name: "x", Streams: []nvr.Source{{URL: "http://192.168.1.2/a"}}},
		"1 to 3650":              {Name: "x", Streams: good, RetentionDays: 4000},
		"colon":                  {Name: "x", Streams: good, User: "a:b"},
	} {
		_, err := f.Add(t.Context(), c)
		if !errors.Is(err, nvr.ErrInvalid) || !strings.Contains(err.Error(), words) {
			t.Errorf("%v: want %q", err, words)
		}
		if err != nil && strings.Contains(err.Error(), "u:p") {
			t.Error("the password is in the error")
		}
	}
}

func TestPinIsStored(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4, TLS: true})
	f, store, _ := newFleet(t)
	runFleet(t, f)
	c, err := f.Add(t.Context(), nvr.Camera{Name: "Gate", Streams: []nvr.Source{{URL: sim.URL(nvr.Main)}}})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "pin", func() bool { return len(store.get(c.ID).Streams[0].Pin) == 32 })
	wait(t, "pin in the list", func() bool { return len(f.List()[0].Streams[0].Source.Pin) == 32 })
}

func TestProbeTellsWhatTheCameraOffers(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{
		Main: clip(t, "bframes_aac.mp4"), Sub: clip(t, "h265.mp4"), Auth: camsim.DigestMD5, User: "u", Password: "p",
	})
	f, _, _ := newFleet(t)
	c := describe(sim, nvr.Main, nvr.Sub)
	c.User, c.Password = "u", "p"
	got, err := f.Probe(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got.Problem != nvr.CauseUnknown || got.Advice != "" || len(got.Streams) != 2 {
		t.Fatalf("report %+v", got)
	}
	if got.Streams[0].Params.Video != nvr.H264 || got.Streams[1].Params.Video != nvr.H265 || got.Streams[0].FrameRate < 10 {
		t.Errorf("streams %+v", got.Streams)
	}
	c.Password = "wrong"
	got, err = f.Probe(t.Context(), c)
	if err != nil || got.Problem != nvr.CameraRefused || !strings.Contains(got.Advice, "rejects") || len(got.Streams) != 0 {
		t.Errorf("report %+v, %v", got, err)
	}
	if n := sim.WrongPasswords(); n != 1 {
		t.Errorf("the wrong password was tried %d times", n)
	}
}

func TestCameraAddedBeforeTheRunIsPulledOnce(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	f, _, _ := newFleet(t)
	c, err := f.Add(t.Context(), nvr.Camera{Name: "Gate", Streams: []nvr.Source{{URL: sim.URL(nvr.Main)}}})
	if err != nil {
		t.Fatal(err)
	}
	reader := follow(t, f, c.Streams[0].Stream)
	runFleet(t, f)
	pictures(t, reader, 2)
	if n := sim.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

func TestFailingStoreChangesNothing(t *testing.T) {
	t.Parallel()
	f, store, _ := newFleet(t)
	store.broken = errors.New("disk full")
	if _, err := f.Add(t.Context(), nvr.Camera{Name: "x", Streams: []nvr.Source{{URL: "rtsp://h/"}}}); err == nil {
		t.Error("added though it cannot be stored")
	}
	if len(f.List()) != 0 {
		t.Error("the camera is there")
	}
}
