package recorder_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/cmaf"
	"lares/nvr/db"
	"lares/nvr/vault"
	"lares/recorder"
)

// house is a recorder over real databases and real sealed files, with one
// camera whose frames the test makes.
type house struct {
	t       testing.TB
	dir     string
	index   *db.Index
	config  *db.Config
	rec     *recorder.Recorder
	lib     *recorder.Library
	keys    *keys
	camera  nvr.Camera
	streams map[nvr.StreamID]*nvr.Stream
	bus     *nvr.Bus
	paths   []string
	wrap    func(recorder.Index) recorder.Index
	ledger  func(recorder.Ledger) recorder.Ledger
	vaults  func(*house, *vault.MachineKey) recorder.Vaults
	stop    func()
	oldRows []nvr.Segment // of the main stream, when it was stopped
}

func (h *house) List() []nvr.CameraStatus           { return []nvr.CameraStatus{{Camera: h.camera}} }
func (h *house) Stream(id nvr.StreamID) *nvr.Stream { return h.streams[id] }
func (h *house) main() *nvr.Stream                  { return h.streams[h.camera.Streams[0].Stream] }
func (h *house) id() nvr.StreamID                   { return h.camera.Streams[0].Stream }
func (h *house) footage() string                    { return filepath.Join(h.dir, "footage") }
func quiet(testing.TB) *slog.Logger                 { return slog.New(slog.DiscardHandler) }
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newHouse opens the databases in dir, makes the recorder and runs it.
func newHouse(t testing.TB, dir string, camera nvr.Camera, k *keys, opts ...func(*house)) *house {
	t.Helper()
	h := openHouse(t, dir, camera, k, opts...)
	h.run()
	return h
}

// withPaths uses these folders as footage paths.
func withPaths(paths ...string) func(*house) { return func(h *house) { h.paths = paths } }

// withIndex puts something between the recorder and its index.
func withIndex(wrap func(recorder.Index) recorder.Index) func(*house) {
	return func(h *house) { h.wrap = wrap }
}

func openHouse(t testing.TB, dir string, camera nvr.Camera, k *keys, opts ...func(*house)) *house {
	t.Helper()
	ctx := t.Context()
	machine := must[*vault.MachineKey](t)(vault.LoadOrCreateMachineKey(filepath.Join(dir, "machine.key")))
	h := &house{t: t, dir: dir, keys: k, camera: camera, bus: nvr.NewBus(), streams: map[nvr.StreamID]*nvr.Stream{}}
	h.paths, h.wrap = []string{h.footage()}, func(x recorder.Index) recorder.Index { return x }
	h.ledger = func(l recorder.Ledger) recorder.Ledger { return l }
	h.vaults = func(*house, *vault.MachineKey) recorder.Vaults { return k }
	for _, o := range opts {
		o(h)
	}
	h.index = must[*db.Index](t)(db.OpenIndex(ctx, filepath.Join(dir, "index.db"), quiet(t)))
	h.config = must[*db.Config](t)(db.OpenConfig(ctx, filepath.Join(dir, "config.db"), machine, quiet(t)))
	for _, s := range camera.Streams {
		h.streams[s.Stream] = nvr.NewStream(s.Stream, nvr.StreamConfig{Window: 1 << 20, Hold: 1 << 30})
	}
	h.rec = must[*recorder.Recorder](t)(recorder.New(ctx, recorder.Config{
		Index: h.wrap(h.index), Gaps: h.config, Disks: h.config, Settings: h.config, Ledger: h.ledger(h.config), Vaults: h.vaults(h, machine),
		Cameras: h, Bus: h.bus, Log: quiet(t),
	}))
	for _, path := range h.paths {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := h.rec.AddDisk(ctx, path); err != nil {
			t.Fatal(err)
		}
	}
	h.lib = h.rec.Library()
	return h
}

func (h *house) run() {
	h.t.Helper()
	if err := h.rec.Prepare(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.rec.Run(ctx) }()
	h.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			h.t.Errorf("recorder: %v", err)
		}
		var err error
		if h.oldRows, err = h.index.Range(context.Background(), h.id(), time.Unix(0, 0), time.Now().Add(day)); err != nil {
			h.t.Errorf("list segments: %v", err)
		}
		if err := errors.Join(h.index.Close(), h.config.Close()); err != nil {
			h.t.Errorf("close databases: %v", err)
		}
	})
	h.t.Cleanup(h.stop)
	for _, s := range h.camera.Streams {
		eventually(h.t, "the stream is taken up", func() bool {
			return h.rec.Recording(s.Stream).Cause != nvr.CameraSwitchedOff
		})
	}
}

func testCamera(streams int) nvr.Camera {
	c := nvr.Camera{ID: nvr.NewID[nvr.Camera](), Name: "Door"}
	for i := range streams {
		c.Streams = append(c.Streams, nvr.Source{Stream: nvr.NewID[nvr.Stream](), Quality: nvr.Quality(i)})
	}
	return c
}

// source makes the frames of a camera: 25 pictures a second, a key frame every
// 2 s, numbered in their data.
type source struct {
	params *nvr.Params
	start  int64
	run    uint64
	n      int
	size   int
}

func newSource(start time.Time) *source {
	sps, _ := hex.DecodeString("6764000dacd9414196f01100000300010000030032" + "0f14299600")
	pps, _ := hex.DecodeString("68ebe3cb22c0")
	return &source{
		params: &nvr.Params{Video: nvr.H264, SPS: sps, PPS: pps, Width: 320, Height: 180},
		start:  nvr.Ticks(start), run: 1, size: 4000,
	}
}

func (s *source) next() *nvr.Frame {
	f := picture(s.n, s.size)
	f.DTS = s.start + int64(s.n)*nvr.ClockRate/25
	f.PTS, f.Run, f.Params, f.Key = f.DTS, s.run, s.params, s.n%50 == 0
	s.n++
	return f
}

// picture returns a frame whose data hold its number.
func picture(n, size int) *nvr.Frame {
	data := bytes.Repeat([]byte{byte(n)}, size+n%97)
	binary.BigEndian.PutUint32(data, uint32(len(data)-4))
	data[4] = 0x41
	binary.BigEndian.PutUint64(data[5:], uint64(n))
	return &nvr.Frame{Track: nvr.VideoTrack, Data: data}
}

func publish(s *nvr.Stream, src *source, frames int) (sent []*nvr.Frame) {
	for range frames {
		f := src.next()
		s.Publish(f)
		sent = append(sent, f)
	}
	return sent
}

// recorded reads everything of a stream back and returns its pictures.
func (h *house) recorded(stream nvr.StreamID, from, to time.Time) []pictureRead {
	h.t.Helper()
	return h.recordedFor(h.keys, stream, from, to)
}

// recordedFor is recorded with the keys of somebody.
func (h *house) recordedFor(opener nvr.Opener, stream nvr.StreamID, from, to time.Time) []pictureRead {
	h.t.Helper()
	var out []pictureRead
	index, err := h.lib.Index(h.t.Context(), opener, nvr.MediaRequest{Stream: stream, From: from, To: to, Sound: true})
	if err != nil {
		h.t.Fatalf("read index: %v", err)
	}
	for _, p := range index.Parts {
		var buf bytes.Buffer
		req := nvr.MediaRequest{Stream: stream, From: nvr.TickTime(p.Time), To: nvr.TickTime(p.Time).Add(time.Microsecond * 12), Sound: true}
		if err := h.lib.Media(h.t.Context(), opener, req, &buf); err != nil {
			h.t.Fatalf("read media: %v", err)
		}
		tracks, err := cmaf.ReadFragment(buf.Bytes(), p.Key())
		if err != nil {
			h.t.Fatalf("parse fragment: %v", err)
		}
		for _, t := range tracks {
			dts := t.Base
			for _, s := range t.Samples {
				out = append(out, pictureRead{dts: dts, pts: dts + int64(s.Offset), key: s.Key, data: s.Data})
				dts += int64(s.Duration)
			}
		}
	}
	return out
}

type pictureRead struct {
	dts, pts int64
	key      bool
	data     []byte
}

// compare fails unless exactly the sent frames came back, in order, at their times.
func compare(t testing.TB, got []pictureRead, sent []*nvr.Frame) {
	t.Helper()
	if len(got) != len(sent) {
		t.Errorf("got %d pictures, sent %d", len(got), len(sent))
	}
	for i := range min(len(got), len(sent)) {
		g, w := got[i], sent[i]
		if g.dts != w.DTS || g.pts != w.PTS || g.key != w.Key || !bytes.Equal(g.data, w.Data) {
			t.Fatalf("picture %d: got dts %d pts %d key %v (%d bytes), want %d %d %v (%d bytes)",
				i, g.dts, g.pts, g.key, len(g.data), w.DTS, w.PTS, w.Key, len(w.Data))
		}
	}
}

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("it never happened: %s", what)
}

func (h *house) drained(s *nvr.Stream) {
	h.t.Helper()
	eventually(h.t, "all frames taken", func() bool { return s.Size() <= 1<<20 })
}

func TestEveryFrameComesBackOnce(t *testing.T) {
	h := newHouse(t, t.TempDir(), testCamera(2), newKeys())
	start := time.Now().Add(-5 * time.Minute)
	var sent [2][]*nvr.Frame
	for i, s := range h.camera.Streams {
		src := newSource(start)
		src.size = []int{15000, 600}[i]
		sent[i] = publish(h.streams[s.Stream], src, 25*200)
		h.drained(h.streams[s.Stream])
	}
	for i, s := range h.camera.Streams {
		eventually(t, "the open segment is readable", func() bool {
			return len(h.recorded(s.Stream, start.Add(-time.Minute), time.Now())) == len(sent[i])
		})
		compare(t, h.recorded(s.Stream, start.Add(-time.Minute), time.Now()), sent[i])
	}
	h.stop()
	again := openHouse(t, h.dir, h.camera, h.keys)
	for i, s := range h.camera.Streams {
		compare(t, again.recorded(s.Stream, start.Add(-time.Minute), time.Now()), sent[i])
		line := must[nvr.Timeline](t)(again.lib.Timeline(t.Context(), s.Stream, start, start.Add(200*time.Second)))
		if len(line.Spans) != 1 || len(line.Gaps) != 0 {
			t.Errorf("timeline: %d spans, gaps %+v; want one span without a gap", len(line.Spans), line.Gaps)
		}
	}
	segments, _ := filepath.Glob(filepath.Join(h.footage(), "s*", "*", "*.seg"))
	if len(segments) < 2*3 {
		t.Errorf("only %d segments for two streams of 200 s", len(segments))
	}
	if err := again.index.Close(); err != nil {
		t.Error(err)
	}
	if err := again.config.Close(); err != nil {
		t.Error(err)
	}
}

// A killed process leaves what the page cache holds: a copy of the folder while
// it records. At most the last 1.5 s may be missing from it.
func TestKilledProcessLosesAtMostASecondAndAHalf(t *testing.T) {
	for name, size := range map[string]int{"3 Mbit/s": 15000, "500 kbit/s": 2500, "64 kbit/s": 320} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
			start := time.Now().Add(-3 * time.Minute)
			src := newSource(start)
			src.size = size
			sent := publish(h.main(), src, 25*100) // the rate is known after the first segment
			for extra := range 12 {
				sent = append(sent, publish(h.main(), src, 7)...)
				h.drained(h.main())
				time.Sleep(100 * time.Millisecond)
				crashed := copyTree(t, h.dir)
				if err := os.Remove(filepath.Join(crashed, "index.db")); err != nil {
					t.Fatal(err)
				}
				after := openHouse(t, crashed, h.camera, h.keys)
				if err := after.rec.Prepare(t.Context()); err != nil {
					t.Fatal(err)
				}
				after.run()
				var got []pictureRead
				eventually(t, "the index is rebuilt", func() bool {
					got = after.recorded(h.id(), start.Add(-time.Minute), time.Now())
					return len(got) >= len(sent)-75
				})
				compare(t, got, sent[:len(got)])
				if lost := float64(len(sent)-len(got)) / 25; lost > 1.5 {
					t.Errorf("try %d: %.2f s are lost", extra, lost)
				}
				after.stop()
			}
		})
	}
}

// copyTree copies a folder whose files are moved meanwhile, until it caught it at rest.
func copyTree(t *testing.T, from string) string {
	t.Helper()
	for {
		to := t.TempDir()
		err := os.CopyFS(to, os.DirFS(from))
		if err == nil {
			return to
		}
		if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

func TestBreakLeavesAGapWithItsCause(t *testing.T) {
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-2 * time.Minute)
	src := newSource(start)
	sent := publish(h.main(), src, 100)
	src.start += nvr.DurationTicks(30 * time.Second)
	src.run++
	f := src.next()
	f.Break = &nvr.Break{Cause: nvr.CameraRefused, Detail: "Wrong password."}
	h.main().Publish(f)
	sent = append(sent, f)
	sent = append(sent, publish(h.main(), src, 99)...)
	eventually(t, "all is readable", func() bool {
		return len(h.recorded(h.id(), start, time.Now())) == len(sent)
	})
	compare(t, h.recorded(h.id(), start, time.Now()), sent)
	line := must[nvr.Timeline](t)(h.lib.Timeline(t.Context(), h.id(), start, start.Add(38*time.Second)))
	if len(line.Spans) != 2 || len(line.Gaps) != 1 {
		t.Fatalf("timeline: %+v", line)
	}
	g := line.Gaps[0]
	if g.Cause != nvr.CameraRefused || g.Detail != "Wrong password." || g.To.Sub(g.From).Round(time.Second) != 30*time.Second {
		t.Errorf("gap: %+v", g)
	}
}

func TestNothingIsReadWithoutTheKey(t *testing.T) {
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-time.Minute)
	publish(h.main(), newSource(start), 500)
	eventually(t, "something is readable", func() bool { return len(h.recorded(h.id(), start, time.Now())) > 100 })
	h.keys.locked = true
	req := nvr.MediaRequest{Stream: h.id(), From: start, To: time.Now()}
	var out bytes.Buffer
	if err := h.lib.Media(t.Context(), h.keys, req, &out); !errors.Is(err, nvr.ErrLocked) || out.Len() > 0 {
		t.Errorf("media: %v and %d bytes, want ErrLocked and none", err, out.Len())
	}
	if _, err := h.lib.Index(t.Context(), h.keys, req); !errors.Is(err, nvr.ErrLocked) {
		t.Errorf("index: %v, want ErrLocked", err)
	}
	if _, err := h.lib.Export(t.Context(), h.keys, req); !errors.Is(err, nvr.ErrLocked) {
		t.Errorf("export: %v, want ErrLocked", err)
	}
}

func TestWithoutAnOwnerNothingIsRecordedAndTheGapSaysSo(t *testing.T) {
	k := newKeys()
	k.none = nvr.ErrNoOwner
	camera := testCamera(1)
	camera.Added = time.Now().Add(-time.Minute)
	h := newHouse(t, t.TempDir(), camera, k)
	src := newSource(time.Now().Add(-30 * time.Second))
	publish(h.main(), src, 100)
	eventually(t, "it says what it waits for", func() bool { return h.rec.Recording(h.id()).Cause == nvr.NoOwner })
	if files, _ := filepath.Glob(filepath.Join(h.footage(), "*", "*", "*.seg")); len(files) > 0 {
		t.Errorf("files were written: %v", files)
	}
	k.mu.Lock()
	k.none = nil
	k.mu.Unlock()
	time.Sleep(1100 * time.Millisecond) // the pause between two tries
	publish(h.main(), src, 100)
	eventually(t, "it records", func() bool { return len(h.recorded(h.id(), time.Now().Add(-time.Hour), time.Now())) == 100 })
	recorded := nvr.TickTime(src.start + int64(src.n)*nvr.ClockRate/25)
	line := must[nvr.Timeline](t)(h.lib.Timeline(t.Context(), h.id(), camera.Added, recorded))
	causes := map[nvr.Cause]bool{}
	for _, g := range line.Gaps {
		causes[g.Cause] = true
	}
	if !causes[nvr.NoOwner] || causes[nvr.CauseUnknown] {
		t.Errorf("gaps: %+v", line.Gaps)
	}
}

func TestKeysOnlyGivesEachKeyFrameUntilTheNext(t *testing.T) {
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := time.Now().Add(-2 * time.Minute).Truncate(time.Millisecond)
	sent := publish(h.main(), newSource(start), 500)
	eventually(t, "all is readable", func() bool { return len(h.recorded(h.id(), start, time.Now())) == len(sent) })
	var out bytes.Buffer
	req := nvr.MediaRequest{Stream: h.id(), From: start, To: start.Add(20 * time.Second), KeysOnly: true}
	if err := h.lib.Media(t.Context(), h.keys, req, &out); err != nil {
		t.Fatal(err)
	}
	tracks := must[[]cmaf.Track](t)(cmaf.ReadFragment(out.Bytes(), true))
	if len(tracks) != 10 {
		t.Fatalf("%d key frames in 20 s, want 10", len(tracks))
	}
	for i, track := range tracks {
		want := sent[i*50]
		if track.Base != want.DTS || len(track.Samples) != 1 || !bytes.Equal(track.Samples[0].Data, want.Data) {
			t.Errorf("key frame %d is not the one that was sent", i)
		}
		if d := track.Samples[0].Duration; d != 2*nvr.ClockRate {
			t.Errorf("key frame %d lasts %d ticks", i, d)
		}
	}
}

func TestWithoutAVaultTheDiskIsNotBlamed(t *testing.T) {
	k := newKeys()
	k.none = errors.New("the roster was changed")
	h := newHouse(t, t.TempDir(), testCamera(1), k)
	publish(h.main(), newSource(time.Now().Add(-30*time.Second)), 100)
	eventually(t, "it says that an owner must log in", func() bool { return h.rec.Recording(h.id()).Cause == nvr.NoOwner })
	disks := must[[]nvr.DiskStatus](t)(h.rec.Disks(t.Context()))
	if len(disks) != 1 || disks[0].State != nvr.DiskOK {
		t.Errorf("disks: %+v", disks)
	}
}
