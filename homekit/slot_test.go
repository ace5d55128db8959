package homekit

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/rtcp"

	"lares/homekit/internal/haptest"
	"lares/nvr"
)

// wantFree waits until a slot is free.
func (h *house) wantFree(slot int) {
	h.t.Helper()
	h.until("a free slot", func() bool { return h.serving(h.camera.ID).slots[slot].state()[2] == 0 })
}

func TestSlotIsFreeAgainHoweverAViewEnds(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	for name, end := range map[string]func(*phone, *view){
		"end":    func(p *phone, v *view) { p.write(http.StatusNoContent, v.selected, v.command(commandEnd, 0, 0, 0)) },
		"closed": func(p *phone, _ *view) { _ = p.Close() },
		"refused": func(p *phone, v *view) {
			_ = v.socket.Close()
		},
		"replaced": func(p *phone, v *view) {
			next := p.setUp(0)
			if state := next.answer(); state != setupGood {
				t.Errorf("a second set-up on a connection: state %d", state)
			}
			p.write(http.StatusNoContent, next.selected, next.command(commandEnd, 0, 0, 0))
		},
	} {
		p := p.again()
		v := p.setUp(0)
		if state := v.answer(); state != setupGood {
			t.Fatalf("before %s: state %d", name, state)
		}
		v.start(1280, 720, 20)
		v.receive(func() bool { return len(v.rtp) > 0 })
		if got := p.readTLV(p.characteristics(statusType)[0])[1][0]; got != 1 {
			t.Errorf("%s: status %d while somebody watches", name, got)
		}
		end(p, v)
		h.wantFree(0)
	}
}

func TestViewersReadTheirOwnAnswers(t *testing.T) {
	h := newHouse(t)
	anna := h.pair(h.offer(nvr.ReachAway), "anna")
	hub := anna.again()
	first, second := anna.setUp(0), hub.setUp(0)
	if state := first.answer(); state != setupGood {
		t.Errorf("first: state %d", state)
	}
	if state := second.answer(); state != setupBusy {
		t.Errorf("second, on the slot of the first: state %d", state)
	}
	for slot := 1; slot < slots; slot++ {
		v := hub.setUp(slot)
		if state := v.answer(); state != setupGood {
			t.Errorf("slot %d: state %d", slot, state)
		}
		v.start(1280, 720, 20)
		v.receive(func() bool { return len(v.rtp) > 10 })
	}
	hub.write(http.StatusMultiStatus, second.selected, second.command(commandStart, 1280, 720, 20))
}

// Four views at once, each to its end.
func TestFourWatchAtOnce(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	var views []*view
	for slot := range slots {
		v := p.again().setUp(slot)
		if state := v.answer(); state != setupGood {
			t.Fatalf("slot %d: state %d", slot, state)
		}
		v.start(1280, 720, 20)
		views = append(views, v)
	}
	for _, v := range views {
		v.receive(func() bool { return len(v.rtp) > 60 })
	}
}

func TestUnpairingEndsTheViewsOfThatPhoneOnly(t *testing.T) {
	h := newHouse(t)
	about := h.offer(nvr.ReachAway)
	anna := h.pair(about, "anna")
	ben := &phone{Controller: haptest.NewController(t, "ben"), t: t, at: anna.at}
	if _, err := anna.Tell("/pairings", haptest.Item{Type: 6, Value: []byte{1}}, haptest.Item{Type: 0, Value: []byte{3}},
		haptest.Item{Type: 1, Value: []byte("ben")}, haptest.Item{Type: 3, Value: ben.Pub}, haptest.Item{Type: 11, Value: []byte{0}}); err != nil {
		t.Fatal(err)
	}
	ben = ben.again()
	mine, his := anna.setUp(0), ben.setUp(1)
	for _, v := range []*view{mine, his} {
		if state := v.answer(); state != setupGood {
			t.Fatalf("state %d", state)
		}
		v.start(1280, 720, 20)
		v.receive(func() bool { return len(v.rtp) > 0 })
	}
	if got := h.about(h.camera.ID).Pairings; len(got) != 2 || got[0].Name != "Anna's iPhone" || got[1].Name != "" {
		t.Fatalf("paired: %+v", got)
	}
	if err := h.Withdraw(t.Context(), h.camera.ID, h.principal("ben")); err != nil {
		t.Fatal(err)
	}
	h.wantFree(1)
	before := len(mine.rtp)
	mine.receive(func() bool { return len(mine.rtp) > before+50 })
	if h.gate.count(LogUnpaired) != 1 || h.gate.count(LogPaired) != 2 {
		t.Errorf("record: %+v", h.gate.entries)
	}
}

func TestInsideOnlyMeansNoViewFromAfarAndNoSnapshot(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachHouse), "anna")
	v := p.setUp(0)
	if state := v.answer(); state != setupGood {
		t.Fatalf("state %d", state)
	}
	v.start(1280, 720, 60)
	h.wantFree(0)
	p.picture(640, 360)
	if h.gate.count(LogLive)+h.gate.count(LogSnapshots)+h.painter.calls != 0 {
		t.Errorf("something was seen: %+v", h.gate.entries)
	}
	v = p.setUp(0)
	if state := v.answer(); state != setupGood {
		t.Fatalf("state %d", state)
	}
	v.start(1280, 720, 20)
	v.receive(func() bool { return len(v.rtp) > 0 })
}

func TestCameraInAHomeOpensForNobodyElse(t *testing.T) {
	h := newHouse(t)
	h.pair(h.offer(nvr.ReachHouse), "anna")
	if a := h.offer(nvr.ReachAway); !a.PairingUntil.IsZero() || a.Reach != nvr.ReachAway {
		t.Errorf("%+v", a)
	}
	who := h.principal("anna")
	if err := h.Withdraw(t.Context(), h.camera.ID, who); err != nil {
		t.Fatal(err)
	}
	if a := h.about(h.camera.ID); !a.PairingUntil.IsZero() || len(a.Pairings) != 0 {
		t.Errorf("it opens with the last pairing's end: %+v", a)
	}
}

func TestPrivacyEndsViewsAndShowsACard(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	v := p.setUp(0)
	if state := v.answer(); state != setupGood {
		t.Fatalf("state %d", state)
	}
	v.start(1280, 720, 20)
	v.receive(func() bool { return len(v.rtp) > 0 })
	p.picture(640, 360)
	on := p.characteristics("25")[0]
	p.write(http.StatusNoContent, on, true)
	if !h.fleet.Private(h.camera.ID).On {
		t.Fatal("the switch does not make the camera private")
	}
	h.wantFree(0)
	drawn := h.painter.calls
	p.picture(640, 360)
	if h.painter.calls != drawn || h.album(h.camera.ID).last != nil {
		t.Error("a picture is there in privacy mode")
	}
	if state := p.setUp(0).answer(); state != setupError {
		t.Errorf("set-up in privacy mode: state %d", state)
	}
	p.write(http.StatusMultiStatus, on, false) // it cannot be lifted from here
	if !h.fleet.Private(h.camera.ID).On {
		t.Error("the Home app lifted privacy mode")
	}
}

func TestNothingIsSeenThatCannotBeEntered(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	v := p.setUp(0)
	if state := v.answer(); state != setupGood {
		t.Fatalf("state %d", state)
	}
	h.gate.refuse(nvr.ErrLogUnavailable)
	v.start(1280, 720, 20)
	h.wantFree(0)
	p.picture(640, 360)
	if h.painter.calls != 0 {
		t.Error("a snapshot was made")
	}
}

func TestViewerWhoMissesPicturesGetsAKeyFrameAtOnce(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	v := p.setUp(0)
	if state := v.answer(); state != setupGood {
		t.Fatalf("state %d", state)
	}
	v.start(1280, 720, 20)
	v.receive(func() bool { return v.reports > 2 })
	plain, err := (&rtcp.PictureLossIndication{SenderSSRC: 1, MediaSSRC: v.ssrc}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := v.out.EncryptRTCP(nil, plain, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.socket.WriteToUDP(sealed, v.peer); err != nil {
		t.Fatal(err)
	}
	parameters := func() (n int) {
		for _, typ := range v.units() {
			if typ == 7 {
				n++
			}
		}
		return n
	}
	begin, before := v.rtp[len(v.rtp)-1].Timestamp, parameters()
	v.receive(func() bool { return parameters() > before })
	if took := v.rtp[len(v.rtp)-1].Timestamp - begin; took > nvr.ClockRate {
		t.Errorf("a key frame after %d ticks", took)
	}
}

func TestStreamThatIsNotStartedEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &session{commands: make(chan selection, 1), quit: make(chan struct{})}
		s.order(selection{command: commandSuspend})
		begin := time.Now()
		if _, err := s.started(t.Context()); !errors.Is(err, errNotStarted) || time.Since(begin) != startLimit {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestSilentViewerIsGone(t *testing.T) {
	begin := time.Now()
	var o outlet
	if err := o.gone(begin.Add(silence), begin); err != nil {
		t.Error(err)
	}
	if err := o.gone(begin.Add(silence+1), begin); !errors.Is(err, errSilent) {
		t.Errorf("never heard: %v", err)
	}
	o.heard.Store(begin.Add(time.Minute).UnixNano())
	if err := o.gone(begin.Add(time.Minute+silence), begin); err != nil {
		t.Errorf("heard of: %v", err)
	}
}

func TestStreamIsChosenByWhoWatches(t *testing.T) {
	stream := func() *nvr.Stream { return nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{}) }
	uhd, hd, small := source{stream(), 3840, 2160}, source{stream(), 1280, 720}, source{stream(), 640, 360}
	all := []source{uhd, hd, small}
	for name, c := range map[string]struct {
		width, height int
		packet        time.Duration
		of            []source
		want          *nvr.Stream
	}{
		"phone":            {1280, 720, 20 * time.Millisecond, all, hd.stream},
		"Apple TV":         {1920, 1080, 20 * time.Millisecond, all, hd.stream},
		"smaller than any": {640, 320, 20 * time.Millisecond, []source{uhd, hd}, uhd.stream},
		"watch":            {320, 240, 20 * time.Millisecond, all, small.stream},
		"from afar":        {1280, 720, 60 * time.Millisecond, all, small.stream},
		"nothing":          {1280, 720, 20 * time.Millisecond, nil, nil},
	} {
		if got := (selection{width: c.width, height: c.height, packetTime: c.packet}).choose(c.of); got != c.want {
			t.Errorf("%s gets another stream", name)
		}
	}
}

func TestPicturesAreSentIntoTheHouseOnly(t *testing.T) {
	for _, c := range []struct {
		host, here, peer string
		want             bool
	}{
		{"192.168.1.7", "192.168.1.2", "192.168.1.7", true},
		{"192.168.1.8", "192.168.1.2", "192.168.1.7", true},
		{"203.0.113.5", "192.168.1.2", "192.168.1.7", false},
		{"203.0.113.5", "203.0.113.2", "203.0.113.5", true},
		{"127.0.0.1", "192.168.1.2", "192.168.1.7", false},
		{"224.0.0.1", "192.168.1.2", "192.168.1.7", false},
		{"0.0.0.0", "192.168.1.2", "192.168.1.7", false},
		{"fe80::7", "fe80::2%eth0", "fe80::9%eth0", true},
		{"2001:db8:1::7", "2001:db8:1::2", "2001:db8:1::9", true},
		{"2001:db8:2::7", "2001:db8:1::2", "2001:db8:1::9", false},
		{"2001:db8:2::7", "192.168.1.2", "192.168.1.7", false},
	} {
		if got := inHouse(netip.MustParseAddr(c.host), netip.MustParseAddr(c.here), netip.MustParseAddr(c.peer)); got != c.want {
			t.Errorf("to %s by %s at %s: %v", c.host, c.peer, c.here, got)
		}
	}
}

func TestRemoteViewerIsWaitedFor(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	v := p.setUp(0)
	if state := v.answer(); state != setupGood {
		t.Fatalf("state %d", state)
	}
	begin := time.Now()
	v.start(1280, 720, 60)
	v.receive(func() bool { return len(v.rtp) > 0 })
	if time.Since(begin) < firstReport {
		t.Error("packets come before the way for them is open")
	}
}

func FuzzStreamMessages(f *testing.F) {
	e := endpoints{host: netip.MustParseAddr("192.168.1.7"), video: leg{1, secret{make([]byte, keyBytes), make([]byte, saltBytes)}}}
	f.Add(e.answer(e.host, 1, 2, 3, 4))
	f.Add((&view{id: make([]byte, 16)}).command(commandStart, 1280, 720, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := parseEndpoints(b); err == nil && (len(e.video.key) != keyBytes || !e.host.IsValid() || e.video.port == 0) {
			t.Errorf("%v is taken for %+v", b, e)
		}
		if s, err := parseSelection(b); err == nil && (s.command > commandReconfigure || s.video.reports <= 0) {
			t.Errorf("%v is taken for %+v", b, s)
		}
	})
}

// A frame that says it is longer than it is ends the view, not the program.
func TestDamagedPictureEndsTheView(t *testing.T) {
	remote := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 9)
	o, err := openOutlet(netip.MustParseAddr("127.0.0.1"), remote, secret{make([]byte, keyBytes), make([]byte, saltBytes)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = o.close() }()
	stream := nvr.NewStream(nvr.NewID[nvr.Stream](), nvr.StreamConfig{})
	stream.Publish(&nvr.Frame{Track: nvr.VideoTrack, Key: true, Params: &nvr.Params{Video: nvr.H264}, Data: []byte{0, 0, 0, 1, 0x65}})
	stream.Publish(&nvr.Frame{Track: nvr.VideoTrack, DTS: 1, PTS: 1, Params: &nvr.Params{Video: nvr.H264}, Data: []byte{0, 0, 0, 100, 1}})
	v := &video{outlet: o}
	v.watch(stream)
	defer v.rest()
	if _, err := v.next(context.Background()); err != nil {
		t.Errorf("a whole picture: %v", err)
	}
	if _, err := v.next(context.Background()); err == nil {
		t.Error("a picture that is cut off is sent")
	}
}

func TestViewChangesToWhatFitsTheNewSize(t *testing.T) {
	h := newHouse(t)
	p := h.pair(h.offer(nvr.ReachAway), "anna")
	v := p.setUp(0)
	if state := v.answer(); state != setupGood {
		t.Fatalf("state %d", state)
	}
	v.start(1280, 720, 20)
	v.receive(func() bool { return len(v.rtp) > 20 })
	large := v.parameters()
	p.write(http.StatusNoContent, v.selected, v.command(commandSuspend, 0, 0, 0))
	p.write(http.StatusNoContent, v.selected, v.command(commandReconfigure, 480, 270, 0))
	v.receive(func() bool { return !bytes.Equal(v.parameters(), large) })
}

// parameters returns the newest SPS that was received.
func (v *view) parameters() (sps []byte) {
	for _, p := range v.rtp {
		if p.Payload[0]&0x1f == 7 {
			sps = p.Payload
		}
	}
	return sps
}
