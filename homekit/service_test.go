package homekit

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lares/homekit/internal/haptest"
	"lares/nvr"
)

func TestNothingIsOfferedByItself(t *testing.T) {
	h := newHouse(t)
	if st := h.Status(); st.On || len(st.Accessories) != 2 || st.Accessories[1].Up || st.Accessories[1].Code != "" {
		t.Errorf("before the owner said anything: %+v", st)
	}
	if names := h.settings.names(); len(names) != 0 {
		t.Errorf("kept: %v", names)
	}
	if err := h.Switch(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	h.until("the house", func() bool { return h.about(nvr.CameraID{}).Up })
	if a := h.about(h.camera.ID); a.Up || a.Reach != nvr.ReachUnset {
		t.Errorf("the camera is offered with the house: %+v", a)
	}
	if err := h.Offer(t.Context(), nvr.HomeOffer{Camera: h.camera.ID}); err == nil {
		t.Error("a camera is offered without saying from where it may be seen")
	}
}

func TestSwitchedOffIsGoneAndComesBackAsItWas(t *testing.T) {
	h := newHouse(t)
	before := h.offer(nvr.ReachAway)
	p := h.pair(before, "anna")
	if err := h.Switch(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	h.until("the end of all servers", func() bool { return !h.about(h.camera.ID).Up && !h.about(nvr.CameraID{}).Up })
	if c, err := net.Dial("tcp", p.at); err == nil {
		_ = c.Close()
		t.Error("the port is open while HomeKit is off")
	}
	if err := h.Switch(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	h.until("the camera", func() bool { return h.about(h.camera.ID).Up })
	p.again()
}

// What a controller knows an accessory by stays over restarts and new names.
func TestIdentityStays(t *testing.T) {
	h := newHouse(t)
	before := h.offer(nvr.ReachAway)
	p := h.pair(before, "anna")
	uuid, err := h.stores[h.camera.ID].Get("uuid")
	if err != nil {
		t.Fatal(err)
	}
	version, err := h.stores[h.camera.ID].Get("version")
	if err != nil {
		t.Fatal(err)
	}
	services := p.characteristics(endpointsType)
	h.stop()
	h.start()
	h.until("the camera", func() bool { return h.about(h.camera.ID).Up })
	p = p.again()
	after := h.about(h.camera.ID)
	if after.Code != before.Code || after.URI != before.URI || after.Port != before.Port || after.Reach != before.Reach {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if now, err := h.stores[h.camera.ID].Get("version"); err != nil || string(now) != string(version) {
		t.Errorf("configuration number %s, before %s: %v", now, version, err)
	}
	renamed := h.camera
	renamed.Name = "Gate"
	if _, err := h.fleet.Update(t.Context(), renamed); err != nil {
		t.Fatal(err)
	}
	h.until("the new name", func() bool { a := h.serving(h.camera.ID); return a != nil && a.name == "Gate" })
	p = p.again()
	if !slices.Equal(p.characteristics(endpointsType), services) {
		t.Error("the services have other numbers under the new name")
	}
	if now, err := h.stores[h.camera.ID].Get("uuid"); err != nil || string(now) != string(uuid) {
		t.Errorf("id %s, before %s: %v", now, uuid, err)
	}
}

func TestRemovedCameraIsForgotten(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	if err := h.fleet.Remove(t.Context(), h.camera.ID); err != nil {
		t.Fatal(err)
	}
	h.until("that nothing is kept", func() bool { return !slices.Contains(h.settings.names(), storeName(h.camera.ID)) })
	if c, err := net.Dial("tcp", p.at); err == nil {
		_ = c.Close()
		t.Error("the port is open after the camera was removed")
	}
}

func TestWithdrawnCameraGetsANewCode(t *testing.T) {
	h := newHouse(t)
	before := h.offer(nvr.ReachAway)
	p := h.pair(before, "anna")
	if err := h.Withdraw(t.Context(), h.camera.ID, nvr.PrincipalID{}); err != nil {
		t.Fatal(err)
	}
	after := h.offer(nvr.ReachAway)
	if after.Code == before.Code || after.URI == before.URI || len(after.Pairings) != 0 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if err := haptest.Dial(t, net.JoinHostPort(h.host, strconv.Itoa(after.Port))).Verify(p.Controller); err == nil {
		t.Error("the phone of before is still paired")
	}
}

func TestPortOfAnotherProgramIsLeftToIt(t *testing.T) {
	h := newHouse(t)
	before := h.offer(nvr.ReachAway)
	p := h.pair(before, "anna")
	h.stop()
	l, err := net.Listen("tcp", p.at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	h.start()
	h.until("another port", func() bool { a := h.about(h.camera.ID); return a.Up && a.Port != before.Port })
	p.at = net.JoinHostPort(h.host, strconv.Itoa(h.about(h.camera.ID).Port))
	p.again()
}

func TestHouseTellsOfRecordingProblems(t *testing.T) {
	h := newHouse(t)
	if err := h.Switch(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := h.Offer(t.Context(), nvr.HomeOffer{Reach: nvr.ReachHouse, Name: "Anna's iPhone"}); err != nil {
		t.Fatal(err)
	}
	p := h.pair(h.about(nvr.CameraID{}), "anna")
	contact := p.characteristics("6A")[0]
	if got := p.read(contact); got != 0.0 {
		t.Errorf("contact %v while all is well", got)
	}
	p.subscribe(contact)
	h.tape.fail(nvr.DiskFull)
	h.bus.Publish(nvr.Event{Kind: nvr.RecordingDown})
	m, err := p.Next()
	if err != nil || !m.Event || haptest.Values(t, m.Body)[contact] != 1.0 {
		t.Errorf("told %s, %v", m.Body, err)
	}
}

func TestMotionStaysOnForTenSeconds(t *testing.T) {
	h := newHouse(t)
	a, err := h.newAccessory(cameraThing(h.camera), mustStore(t))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		a.moves = make(chan bool, 16)
		ctx, cancel := context.WithCancel(t.Context())
		go a.move(ctx)
		wantMotion := func(want bool) {
			t.Helper()
			synctest.Wait()
			if got := a.motion.MotionDetected.Value(); got != want {
				t.Errorf("motion %v", got)
			}
		}
		a.moved(true)
		wantMotion(true)
		a.moved(false)
		time.Sleep(motionLeast - time.Second)
		wantMotion(true)
		time.Sleep(2 * time.Second)
		wantMotion(false)
		a.moved(true)
		time.Sleep(time.Minute)
		a.moved(false)
		wantMotion(false)
		a.moved(true)
		a.moved(false)
		a.moved(true)
		time.Sleep(time.Minute)
		wantMotion(true)
		cancel()
		synctest.Wait()
	})
}

func TestDoorbellRingsAtOnce(t *testing.T) {
	h := newHouse(t)
	h.camera.Identity.Bell = true
	if _, err := h.fleet.Replace(t.Context(), h.camera); err != nil {
		t.Fatal(err)
	}
	about := h.offer(nvr.ReachAway)
	if uri, err := setupURI(categoryDoorbell, about.Code, about.URI[len(about.URI)-4:]); err != nil || about.URI != uri {
		t.Errorf("the QR code says %s, and a doorbell's is %s", about.URI, uri)
	}
	p := h.pair(about, "anna")
	bell := p.characteristics("73")[0]
	p.subscribe(bell)
	for range 2 {
		h.bus.Publish(nvr.Event{Kind: nvr.Doorbell, Camera: h.camera.ID, Start: time.Now()})
		m, err := p.Next()
		if err != nil || !m.Event || haptest.Values(t, m.Body)[bell] != 0.0 {
			t.Errorf("told %s, %v", m.Body, err)
		}
	}
}

func mustStore(t *testing.T) *store {
	t.Helper()
	s, err := makeStore(&settings{values: make(map[string][]byte)}, "homekit/test", firstPort)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMotionIsTold(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	motion := p.characteristics(motionType)[0]
	p.subscribe(motion)
	h.bus.Publish(nvr.Event{Kind: nvr.Motion, Camera: h.camera.ID, Start: time.Now()})
	m, err := p.Next()
	if err != nil || !m.Event || haptest.Values(t, m.Body)[motion] != true {
		t.Errorf("told %s, %v", m.Body, err)
	}
	drawn := h.painter.calls
	if drawn == 0 {
		t.Error("no picture of the moment is kept")
	}
	p.picture(640, 360)
	if h.painter.calls != drawn {
		t.Error("whoever is told gets a picture of later")
	}
}

func TestSnapshotsAreMadeOnceAndEnteredOnce(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	phones := []*phone{p, p.again(), p.again(), p.again()}
	var wg sync.WaitGroup
	for _, p := range phones {
		wg.Go(func() {
			for range 25 {
				p.picture(640, 360)
			}
		})
	}
	wg.Wait()
	if keys := h.painter.calls; keys > 10 { // a key frame each two seconds
		t.Errorf("%d pictures were made for 100 snapshots", keys)
	}
	if n := h.gate.count(LogSnapshots); n != 1 {
		t.Errorf("%d entries for one series", n)
	}
}

// Events while pictures are on their way are what breaks other bridges.
func TestSnapshotsInAStormOfMotion(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	p.subscribe(p.characteristics(motionType)[0])
	a := h.serving(h.camera.ID)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for on := true; ; on = !on {
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
				a.guard.Update(func() { a.motion.MotionDetected.SetValue(on) })
			}
		}
	})
	defer wg.Wait()
	defer close(done)
	for i := range 500 {
		if size := p.picture(320+i, 240).Bounds().Dx(); size != 320+i {
			t.Fatalf("picture %d is %d wide", i, size)
		}
	}
	t.Logf("%d events between 500 snapshots", len(p.Events))
}

func TestCameraThatIsAwayShowsItsLastPicture(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	p.picture(1280, 720)
	for _, src := range h.camera.Streams {
		h.fleet.Stream(src.Stream).SetDown(nvr.Break{Since: time.Now(), Cause: nvr.CameraOffline})
	}
	album := h.album(h.camera.ID)
	last := h.away(album, size{1280, 720})
	if len(last) == 0 || slices.Equal(last, h.card(size{1280, 720}, cardNeutral)) {
		t.Error("the last picture is not shown")
	}
	if first := newAlbum(); !slices.Equal(h.away(first, size{640, 360}), h.card(size{640, 360}, cardNeutral)) {
		t.Error("without a last picture there is no card")
	}
}

func TestCardsAreDrawnInAnySize(t *testing.T) {
	for _, want := range []size{{1, 1}, {17, 400}, {320, 240}, {1920, 1080}} {
		for _, kind := range []cardKind{cardNeutral, cardPrivate} {
			b, err := drawCard(want, kind)
			if err != nil {
				t.Fatal(err)
			}
			away, err := drawAway(b, awaySince(time.Now()))
			if err != nil || len(away) == 0 {
				t.Errorf("%v: %v", want, err)
			}
		}
	}
}

// Accessories of a house have a port each, whatever begins first.
func TestPortsDiffer(t *testing.T) {
	h := newHouse(t)
	h.offer(nvr.ReachAway)
	if house, camera := h.about(nvr.CameraID{}).Port, h.about(h.camera.ID).Port; house == camera || house < firstPort {
		t.Errorf("ports %d and %d", house, camera)
	}
}

func TestContainerNetworkIsTold(t *testing.T) {
	if !hostNetwork(t.TempDir() + "/missing") {
		t.Error("a box that does not say is taken for a container")
	}
	for name, c := range map[string]struct {
		index, link, event string
		want               bool
	}{
		"card":      {"2", "2", "INTERFACE=eth0", true},
		"container": {"2", "41", "INTERFACE=eth0", false},
		"macvlan":   {"2", "41", "DEVTYPE=macvlan\nINTERFACE=eth0", true},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"lo/ifindex": "1", "lo/iflink": "1", "eth0/ifindex": c.index, "eth0/iflink": c.link, "eth0/uevent": c.event} {
			writeFile(t, dir, file, text)
		}
		if got := hostNetwork(dir); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSelfTestFindsTheCamera(t *testing.T) {
	h := newHouse(t)
	h.offer(nvr.ReachAway)
	found, err := h.Test(t.Context(), h.camera.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", found)
	if len(found.Reached) != 0 {
		t.Error("a server that listens at the loopback only is reached from the network") // the fence of this test
	}
	if _, err := h.Test(t.Context(), nvr.NewID[nvr.Camera]()); err == nil {
		t.Error("a camera that is none is tested")
	}
}

// All tiles of a house are asked for at once, every ten seconds: the second time
// their pictures are there.
func TestPictureOfATileIsMadeAheadOfItsRequest(t *testing.T) {
	h := newHouse(t)
	a, err := h.newAccessory(cameraThing(h.camera), mustStore(t))
	if err != nil {
		t.Fatal(err)
	}
	album, want := newAlbum(), size{640, 360}
	if !album.expect(want, time.Now()) || album.expect(want, time.Now()) {
		t.Error("a picture is prepared by nobody, or twice")
	}
	album.polls[want] = poll{asked: time.Now().Add(ahead + 50*time.Millisecond - usualPoll), every: usualPoll}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.prepare(ctx, album, want)
	}()
	h.until("the picture", func() bool { return album.ready(want, time.Now()) != nil })
	if album.ready(want, time.Now().Add(fresh+time.Second)) != nil {
		t.Error("an old picture is given out as a fresh one")
	}
	cancel()
	<-done
}

func TestFloodOfSizesIsBounded(t *testing.T) {
	album := newAlbum()
	for i := range 100 {
		album.expect(size{i, i}, time.Now())
	}
	if len(album.polls) > sizes {
		t.Errorf("%d sizes are prepared", len(album.polls))
	}
}
