package camera

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// drawer is a PrivacyStore in memory, with the record of who looked.
type drawer struct {
	mu       sync.Mutex
	switches map[nvr.CameraID]nvr.PrivacySwitch
	hours    []nvr.PrivateHours
	record   []nvr.PrivacyChange
	broken   error // of the store
	mute     error // of the record
}

func (d *drawer) PrivacySwitches(context.Context) (all []nvr.PrivacySwitch, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.switches {
		all = append(all, s)
	}
	return all, d.broken
}

func (d *drawer) SavePrivacySwitch(_ context.Context, s nvr.PrivacySwitch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken == nil {
		d.switches[s.Camera] = s
	}
	return d.broken
}

func (d *drawer) EndPrivacySwitch(_ context.Context, camera nvr.CameraID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken == nil {
		delete(d.switches, camera)
	}
	return d.broken
}

func (d *drawer) PrivateHours(context.Context) ([]nvr.PrivateHours, error) { return d.hours, nil }

func (d *drawer) SavePrivateHours(_ context.Context, hours []nvr.PrivateHours) error {
	d.hours = hours
	return nil
}

func (d *drawer) Record(_ context.Context, c nvr.PrivacyChange) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mute == nil {
		d.record = append(d.record, c)
	}
	return d.mute
}

func (d *drawer) kinds() (kinds []nvr.PrivacyChangeKind) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.record {
		kinds = append(kinds, c.Kind)
	}
	return kinds
}

func (d *drawer) stored(camera nvr.CameraID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.switches[camera]
	return ok
}

// privateFleet is a fleet that keeps privacy mode in a drawer.
func privateFleet(t *testing.T, d *drawer, cameras ...nvr.Camera) *Fleet {
	t.Helper()
	f, _, _ := newFleet(t, cameras...)
	f.cfg.Privacy, f.cfg.Record = d, d.Record
	return f
}

func newDrawer() *drawer { return &drawer{switches: make(map[nvr.CameraID]nvr.PrivacySwitch)} }

// waitOpen waits until the connection of before privacy mode has ended and
// pictures may come.
func waitOpen(t *testing.T, f *Fleet, id nvr.CameraID) {
	t.Helper()
	wait(t, "pictures may come", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return !f.entries[id].blind
	})
}

func TestR12PictureOnItsWayIsDroppedWithoutATrace(t *testing.T) {
	feed := NewFeed(nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{}))
	picture := func(at int64) *nvr.Frame {
		return &nvr.Frame{Track: nvr.VideoTrack, Key: true, DTS: at, PTS: at, Data: []byte{1}}
	}
	params := &nvr.Params{Video: nvr.H264}
	feed.publishVideo(picture(1), params, 0)
	feed.shut(nvr.TickTime(2))
	if feed.publishVideo(picture(3), params, 0) || feed.stream.LastKey() != nil {
		t.Error("a picture came in")
	}
	feed.down(nvr.TickTime(4), nvr.CameraOffline, "")
	if got := feed.stream.State().Down.Cause; got != nvr.Privacy {
		t.Errorf("the stream is down for %v", got)
	}
	feed.open(time.Now())
	feed.publishVideo(picture(5), params, 0)
	if b := feed.stream.LastKey().Break; b == nil || b.Cause != nvr.Privacy || !b.Since.Equal(nvr.TickTime(1)) {
		t.Errorf("the next run begins after %+v", b)
	}
}

// until reads frames until the stream is shut.
func until(t *testing.T, r *nvr.Reader, shut error) (frames []*nvr.Frame) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	for {
		f, _, err := r.Next(ctx)
		if errors.Is(err, shut) {
			return frames
		} else if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
}

func sums(sent []camsim.SentFrame) map[[32]byte]bool {
	all := make(map[[32]byte]bool)
	for _, f := range sent {
		all[f.Sum] = true
	}
	return all
}

func TestR12PrivateCameraIsLeftAndSeesNothing(t *testing.T) {
	t.Parallel()
	public, hidden := clip(t, "plain.mp4"), clip(t, "longgop.mp4")
	sim := simulate(t, camsim.Config{Main: public, Sub: public, Speed: 4})
	c := describe(sim, nvr.Main, nvr.Sub)
	d := newDrawer()
	f := privateFleet(t, d, c)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader, window := follow(t, f, c.Streams[0].Stream), f.Stream(c.Streams[0].Stream)
	runFleet(t, f)
	pictures(t, reader, public.Frames()+1) // all that it may show

	who := nvr.NewID[nvr.Principal]()
	if err := f.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: c.ID, On: true, By: who}); err != nil {
		t.Fatal(err)
	}
	if window.LastKey() != nil || window.Size() != 0 || window.State().Down.Cause != nvr.Privacy {
		t.Errorf("when SetPrivate returns: %d bytes, %+v", window.Size(), window.State())
	}
	if got := f.Private(c.ID); !got.On || got.By != who || got.House || got.Since.IsZero() {
		t.Errorf("state %+v", got)
	}
	until(t, reader, nvr.ErrPrivate)
	wait(t, "the connections are gone", func() bool { return sim.Connected() == 0 })
	sim.Switch(nvr.Main, hidden)
	opened, known := sim.Connections(), sums(sim.Sent(nvr.Main))
	shown := make(map[[32]byte]bool) // to nobody
	wait(t, "the camera shows something else", func() bool {
		shown = sums(sim.Sent(nvr.Main))
		maps.DeleteFunc(shown, func(sum [32]byte, _ bool) bool { return known[sum] })
		return len(shown) > 5
	})
	if err := f.Retry(c.ID); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("a private camera is tried again: %v", err)
	}

	sim.Switch(nvr.Main, public)
	wait(t, "the camera shows what it did before", func() bool {
		sent := sim.Sent(nvr.Main)
		return known[sent[len(sent)-1].Sum]
	})
	if err := f.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: c.ID, By: who}); err != nil {
		t.Fatal(err)
	}
	waitOpen(t, f, c.ID)
	again := window.NewReader(nvr.ReaderOptions{Hold: true, From: time.Unix(0, 0)})
	defer again.Close()
	after, _ := pictures(t, again, 50)
	if after[0].Break == nil || after[0].Break.Cause != nvr.Privacy || !after[0].Key {
		t.Errorf("the first picture after it: key %v, break %+v", after[0].Key, after[0].Break)
	}
	if got := sim.Connections(); got != opened+2 {
		t.Errorf("%d connections while it was private and after, want 2", got-opened)
	}
	for i, frame := range after {
		if shown[sha256.Sum256(frame.Data)] {
			t.Errorf("picture %d is of the private time", i)
		}
	}
	if got, want := d.kinds(), []nvr.PrivacyChangeKind{nvr.PrivacyBegan, nvr.PrivacyLifted}; !slices.Equal(got, want) {
		t.Errorf("the record says %v, want %v", got, want)
	}
}

func TestR12LiftedAtOnceShowsNothingOfTheConnectionBefore(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	c := describe(sim, nvr.Main)
	f := privateFleet(t, newDrawer(), c)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader := follow(t, f, c.Streams[0].Stream)
	runFleet(t, f)
	for range 5 {
		if _, _, err := reader.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		opened := sim.Connections()
		for _, on := range []bool{true, false} {
			if err := f.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: c.ID, On: on}); err != nil {
				t.Fatal(err)
			}
		}
		waitOpen(t, f, c.ID)
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		first, _, err := reader.Next(ctx)
		cancel()
		if err != nil || sim.Connections() == opened {
			t.Fatalf("a picture came before the camera was connected to again: %v, %v", first, err)
		}
	}
}

// TestR12FirstPicturesAreNotOfThePrivateTime plays cameras that send at once, to
// whoever connects, what they saw last.
func TestR12FirstPicturesAreNotOfThePrivateTime(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const interval, gop = nvr.ClockRate / 10, 10 // a second
	for name, c := range map[string]struct {
		buffered int // pictures that come at once
		want     int // the first that is shown; the first that comes is 0
	}{
		"none is old":             {1, 0},
		"a part of a second":      {4, 10},
		"a second":                {10, 10},
		"from a key frame before": {14, 20},
	} {
		var e early
		lifted := start.Add(-20 * time.Millisecond) // connecting took that long
		shown := -1
		for n := 0; n < 40 && shown < 0; n++ {
			late := time.Duration(max(0, n-c.buffered+1)) * 100 * time.Millisecond
			now := instant{wall: start.Add(late), mono: time.Hour + late}
			if n%gop != 0 && !e.holds() {
				continue // waits for a key frame
			}
			f := &nvr.Frame{Key: n%gop == 0, PTS: nvr.Ticks(start) + int64(n*interval)}
			if out := e.hold(f, now, lifted); len(out) > 0 {
				shown = int(out[0].PTS-nvr.Ticks(start)) / interval
			}
		}
		if shown != c.want {
			t.Errorf("%s: the first that is shown is %d, want %d", name, shown, c.want)
		}
	}
}

func TestR12BoxThatWasPrivateStartsPrivate(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	c := describe(sim, nvr.Main)
	d := newDrawer()
	before := privateFleet(t, d, c)
	if err := before.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := before.SetPrivate(t.Context(), nvr.PrivacyRequest{On: true}); err != nil {
		t.Fatal(err)
	}

	f := privateFleet(t, d, c)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !f.Private(c.ID).House {
		t.Fatalf("after the start: %+v", f.Private(c.ID))
	}
	runFleet(t, f)
	fresh := describe(sim, nvr.Main)
	fresh.Name = "another"
	added, err := f.Add(t.Context(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	changed := c
	changed.Streams = []nvr.Source{{Quality: nvr.Main, URL: sim.URL(nvr.Main)}} // a new stream
	if _, err := f.Update(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if !f.Private(added.ID).On || sim.Connections() > 0 {
		t.Errorf("a camera that was added to a private house: %+v, %d connections", f.Private(added.ID), sim.Connections())
	}
	if err := f.SetPrivate(t.Context(), nvr.PrivacyRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, st := range f.List() {
		waitOpen(t, f, st.Camera.ID)
		pictures(t, follow(t, f, st.Streams[0].Source.Stream), 2)
	}
}

func TestR12StateThatCannotBeReadStopsTheStart(t *testing.T) {
	d := newDrawer()
	d.broken = fs.ErrInvalid
	f := privateFleet(t, d, describe(simulate(t, camsim.Config{Main: clip(t, "plain.mp4")}), nvr.Main))
	if err := f.Run(t.Context()); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestR12SwitchingOnNeedsNoDiskAndLiftingTheRecord(t *testing.T) {
	t.Parallel()
	c := nvr.Camera{ID: nvr.NewID[nvr.Camera](), Name: "hall", Streams: []nvr.Source{{Stream: nvr.NewID[nvr.Stream](), URL: "rtsp://127.0.0.1:9/"}}}
	d := newDrawer()
	f := privateFleet(t, d, c)
	now := f.clock()
	var late time.Duration
	f.clock = func() instant { return instant{now.wall.Add(late), now.mono + late} }
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	d.broken, d.mute = full, nvr.ErrLogUnavailable
	if err := f.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: c.ID, On: true}); !errors.Is(err, nvr.ErrNotKept) || !errors.Is(err, full) {
		t.Errorf("got %v, want ErrNotKept", err)
	}
	if !f.Private(c.ID).On {
		t.Error("not private because it could not be stored")
	}
	if err := f.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: c.ID}); !errors.Is(err, nvr.ErrLogUnavailable) || !f.Private(c.ID).On {
		t.Errorf("lifted without a record: %v", err)
	}
	d.broken, d.mute = nil, nil
	late = keepAgain
	f.change(t.Context(), func() {})
	if !d.stored(c.ID) {
		t.Error("it was not stored again")
	}
	d.broken = full
	if err := f.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: c.ID}); !errors.Is(err, nvr.ErrNotKept) || f.Private(c.ID).On {
		t.Errorf("lifting that cannot be stored: %v, %+v", err, f.Private(c.ID))
	}
}

func TestPrivacyOfWhatIsNotThereIsRefused(t *testing.T) {
	f := privateFleet(t, newDrawer())
	for want, r := range map[error]nvr.PrivacyRequest{
		nvr.ErrNotFound: {Camera: nvr.NewID[nvr.Camera](), On: true},
		nvr.ErrInvalid:  {On: true, Until: time.Now().Add(-time.Minute)},
	} {
		if err := f.SetPrivate(t.Context(), r); !errors.Is(err, want) {
			t.Errorf("%+v: got %v, want %v", r, err, want)
		}
	}
	for _, h := range []nvr.PrivateHours{{}, {Days: 1, From: -1}, {Days: 1, To: 1440}, {Days: 1 << 7}} {
		if err := f.SetPrivateHours(t.Context(), nvr.PrivacyPlan{Hours: []nvr.PrivateHours{h}}); !errors.Is(err, nvr.ErrInvalid) {
			t.Errorf("%+v: got %v, want ErrInvalid", h, err)
		}
	}
}

func TestRejectedPasswordIsNotTriedAgainAfterPrivacy(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Auth: camsim.DigestMD5, User: "u", Password: "right"})
	c := describe(sim, nvr.Main)
	c.User, c.Password = "u", "wrong"
	f := privateFleet(t, newDrawer(), c)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	runFleet(t, f)
	window := f.Stream(c.Streams[0].Stream)
	refused := func() bool { return window.State().Down.Cause == nvr.CameraRefused }
	wait(t, "the camera refuses", refused)
	tried := sim.WrongPasswords()
	for _, on := range []bool{true, false} {
		if err := f.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: c.ID, On: on}); err != nil {
			t.Fatal(err)
		}
		wait(t, "the supervisor ended, or says again that the camera refuses", func() bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			return on && f.entries[c.ID].task == nil || !on && refused()
		})
	}
	if got := sim.WrongPasswords(); got != tried {
		t.Errorf("the wrong password was tried %d times more", got-tried)
	}
}

func TestR12PrivateCameraIsNotSeenUnderAnotherName(t *testing.T) {
	t.Parallel()
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4"), Speed: 4})
	c, other := describe(sim, nvr.Main), describe(sim, nvr.Main)
	other.Name = "another"
	f := privateFleet(t, newDrawer(), c)
	if err := f.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, which := range []nvr.CameraID{c.ID, {}} {
		if err := f.SetPrivate(t.Context(), nvr.PrivacyRequest{Camera: which, On: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Probe(t.Context(), other); !errors.Is(err, nvr.ErrPrivate) {
			t.Errorf("probed: %v", err)
		}
		if _, err := f.Add(t.Context(), other); !errors.Is(err, nvr.ErrPrivate) && !which.IsZero() {
			t.Errorf("added: %v", err)
		}
	}
	if sim.Connections() > 0 {
		t.Errorf("%d connections", sim.Connections())
	}
}
