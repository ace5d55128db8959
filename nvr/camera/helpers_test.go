package camera

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// deadline is how long a test waits for something that must happen; reaching
// it is a failure, never a measurement.
const deadline = 45 * time.Second

func clip(t testing.TB, name string) *camsim.Clip {
	t.Helper()
	c, err := camsim.Load(filepath.Join("camsim", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shared returns a path in the folder of shared material, or skips the test.
func shared(t *testing.T, parts ...string) string {
	t.Helper()
	root := os.Getenv("LARES_SHARED")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared")
	}
	name := filepath.Join(append([]string{root}, parts...)...)
	if _, err := os.Stat(name); err != nil {
		t.Skipf("%s is missing: set LARES_SHARED to the folder with the shared test material", filepath.Join(parts...))
	}
	return name
}

func simulate(t testing.TB, cfg camsim.Config) *camsim.Camera {
	t.Helper()
	cfg.Record = true
	c, err := camsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Errorf("simulated camera: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return c
}

// rig is a supervisor on a camera, with its streams.
type rig struct {
	*Supervisor
	feeds []*Feed
	bus   *nvr.Bus
	pins  chan []byte
	stop  func()
}

func describe(sim *camsim.Camera, qualities ...nvr.Quality) nvr.Camera {
	c := nvr.Camera{ID: nvr.NewID[nvr.Camera](), Name: "test"}
	for _, q := range qualities {
		c.Streams = append(c.Streams, nvr.Source{
			Stream: nvr.NewID[nvr.Stream](), Quality: q, URL: sim.URL(q),
		})
	}
	return c
}

func supervise(t testing.TB, c nvr.Camera, adjust ...func(*Supervisor)) *rig {
	t.Helper()
	return superviseSound(t, c, nil, adjust...)
}

// superviseSound is supervise with what converts sound.
func superviseSound(t testing.TB, c nvr.Camera, sound func(nvr.Quality) Transcoder, adjust ...func(*Supervisor)) *rig {
	t.Helper()
	r := &rig{bus: nvr.NewBus(), pins: make(chan []byte, 8)}
	for _, source := range c.Streams {
		r.feeds = append(r.feeds, NewFeed(nvr.NewStream(source.Stream, nvr.StreamConfig{Window: 64 << 20})))
	}
	r.Supervisor = NewSupervisor(SupervisorConfig{
		Camera: c, Feeds: r.feeds, Bus: r.bus, Log: slog.New(slog.DiscardHandler),
		OnPin:      func(_ nvr.StreamID, pin []byte) { r.pins <- pin },
		Transcoder: sound,
	})
	for _, f := range adjust {
		f(r.Supervisor)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("supervisor: %v", err)
		}
	})
	r.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(r.stop)
	return r
}

// read returns the next frame of a reader.
func read(t testing.TB, r *nvr.Reader) *nvr.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	f, missed, err := r.Next(ctx)
	if err != nil {
		t.Fatalf("no frame: %v", err)
	}
	if missed != 0 {
		t.Fatalf("%d frames missed", missed)
	}
	return f
}

// pictures returns the next n pictures, and the sound among them.
func pictures(t testing.TB, r *nvr.Reader, n int) (video, sound []*nvr.Frame) {
	t.Helper()
	for len(video) < n {
		if f := read(t, r); f.Track == nvr.VideoTrack {
			video = append(video, f)
		} else {
			sound = append(sound, f)
		}
	}
	return video, sound
}

// wait polls for a condition that has no event of its own.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// same fails unless the frames are those that the camera sent, each once, in
// order, with the right distances in time.
func same(t testing.TB, got []*nvr.Frame, sent []camsim.SentFrame) {
	t.Helper()
	at := -1
	for i, f := range sent {
		if f.Sum == sha256.Sum256(got[0].Data) && len(sent)-i >= len(got) {
			at = i
			break
		}
	}
	if at < 0 {
		t.Fatal("the first frame was never sent")
	}
	sent = sent[at:]
	for i, f := range got {
		want := sent[i]
		if want.Sum != sha256.Sum256(f.Data) {
			t.Fatalf("frame %d: got %d bytes, sent %d bytes, or other ones", i, len(f.Data), want.Size)
		}
		if f.Key != want.Key {
			t.Errorf("frame %d: key %v, sent %v", i, f.Key, want.Key)
		}
		if d := (f.PTS - got[0].PTS) - (want.PTS - sent[0].PTS); d < -1 || d > 1 {
			t.Fatalf("frame %d: %d ticks off", i, d)
		}
		if i > 0 && f.Run == got[i-1].Run && f.DTS <= got[i-1].DTS {
			t.Fatalf("frame %d: DTS %d after %d", i, f.DTS, got[i-1].DTS)
		}
	}
}

func sum(f *nvr.Frame) []byte {
	s := sha256.Sum256(f.Data)
	return s[:]
}
