package homekit

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	hapaccessory "github.com/brutella/hap/accessory"
	"github.com/brutella/hap/characteristic"
	"github.com/brutella/hap/service"

	"lares/homekit/guard"
	"lares/nvr"
)

// slots is how many viewers a camera has at once: a family and a home hub.
const slots = 4

// motionLeast is how long motion stays on at least: a phone that is told of the
// end with the beginning tells nobody.
const motionLeast = 10 * time.Second

// thing is what an accessory stands for.
type thing struct {
	camera nvr.CameraID // zero: the house
	name   string
	bell   bool // it has a button at the door
}

// category is what the Home app shows it as.
func (t thing) category() byte {
	switch {
	case t.camera.IsZero():
		return categoryBridge
	case t.bell:
		return categoryDoorbell
	}
	return categoryCamera
}

func (t thing) model() string {
	if t.camera.IsZero() {
		return "House"
	}
	return "Camera"
}

// serial names it to controllers, which want at least two characters.
func (t thing) serial() string {
	if t.camera.IsZero() {
		return "lares"
	}
	return t.camera.String()
}

// accessory is one server: that of a camera, or of the house.
type accessory struct {
	thing
	house *Service
	store *store
	guard *guard.Guard
	log   *slog.Logger

	slots   []*slot                // of a camera
	mute    *characteristic.Mute   // of a camera
	motion  *service.MotionSensor  // of a camera
	bell    *service.Doorbell      // of a camera with a button
	trouble *service.ContactSensor // of the house
	private *service.Switch        // of both

	starting chan func(context.Context) // what is to run beside the server
	moves    chan bool                  // something moves, or nothing does any more

	mu    sync.Mutex // guards what follows
	label string     // of who pairs next
}

// newAccessory makes the server of a thing.
func (s *Service) newAccessory(of thing, kept *store) (*accessory, error) {
	a := &accessory{
		thing: of, house: s, store: kept,
		log:      s.cfg.Log.With(slog.String("accessory", of.name)),
		starting: make(chan func(context.Context), 2*slots), moves: make(chan bool, 16),
	}
	about := kept.about()
	ip := hapaccessory.New(hapaccessory.Info{
		Name: of.name, Manufacturer: "Lares", Model: of.model(), SerialNumber: of.serial(), Firmware: s.cfg.Version,
	}, of.category())
	ip.Id = 1
	for _, part := range a.services() {
		ip.AddS(part)
	}
	var err error
	a.guard, err = guard.New(guard.Config{
		Addr: net.JoinHostPort(s.cfg.Host, strconv.Itoa(about.Port)), Code: about.Code, SetupID: about.SetupID,
		Ifaces: s.cfg.Ifaces, Store: kept, Log: a.log,
		Hooks: guard.Hooks{Closed: a.left, Paired: a.paired, Unpaired: a.unpaired, WrongCode: a.wrongCode},
	}, ip)
	if err != nil {
		return nil, fmt.Errorf("show %s in the Home app: %w", of.name, err)
	}
	if !of.camera.IsZero() {
		a.guard.Handle("/resource", http.HandlerFunc(a.resource))
	}
	return a, nil
}

// services makes what the accessory has. Their order is part of its identity: new
// ones come last.
func (a *accessory) services() []*service.S {
	var all []*service.S
	if a.camera.IsZero() {
		a.trouble = service.NewContactSensor()
		a.trouble.AddC(newName("Recording problem"))
		all = append(all, a.trouble.S)
	} else {
		for range slots {
			one := newSlot(a.mayWatch, a.start, a.log)
			a.slots = append(a.slots, one)
			all = append(all, one.service.S)
		}
		a.motion = service.NewMotionSensor()
		all = append(all, a.newMicrophone(), a.motion.S)
	}
	if a.house.cfg.Privacy != nil {
		a.private = a.newPrivacySwitch()
		all = append(all, a.private.S)
	}
	if a.thing.bell {
		a.bell = service.NewDoorbell()
		a.bell.Primary = true
		all = append(all, a.bell.S)
	}
	return all
}

// run serves until ctx ends or the port cannot be had. It calls up when phones can
// connect.
func (a *accessory) run(ctx context.Context, up func()) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case f := <-a.starting:
				wg.Go(func() { f(ctx) })
			case <-ctx.Done():
				return
			}
		}
	})
	wg.Go(func() { a.move(ctx) })
	wg.Go(func() {
		select {
		case <-a.guard.Bound():
			up()
		case <-ctx.Done():
		}
	})
	err := a.guard.Run(ctx)
	cancel()
	wg.Wait()
	for {
		select {
		case f := <-a.starting:
			f(ctx) // which is over: it only closes what was opened
		default:
			return err
		}
	}
}

// mayWatch says whether the controller of a request may see the camera now.
func (a *accessory) mayWatch(r *http.Request) error {
	if a.house.isPrivate(a.camera) {
		return errPrivate
	}
	return a.house.may(r.Context(), guard.Controller(r), a.camera)
}

// start runs a stream that was set up. It does not wait, and reports false where
// too many are being set up.
func (a *accessory) start(at *slot, made *session) bool {
	select {
	case a.starting <- func(ctx context.Context) { a.serve(ctx, at, made) }:
		return true
	default:
		return false
	}
}

// serve runs a stream to its end.
func (a *accessory) serve(ctx context.Context, at *slot, made *session) {
	begin := func(sel selection) (watched, error) { return a.watch(ctx, made, sel) }
	err := made.run(ctx, begin)
	a.log.Info("HomeKit stream ended", slog.String("remote", made.remote), slog.String("why", cause(err)))
	at.release(made)
	a.guard.Update(func() { at.service.StreamingStatus.SetValue(at.state()) })
}

// watch decides what a viewer gets, and enters it in the record of who looked.
func (a *accessory) watch(ctx context.Context, by *session, sel selection) (watched, error) {
	if sel.remote() && a.store.about().Reach != nvr.ReachAway {
		return watched{}, errHouseOnly
	}
	if err := a.house.may(ctx, by.controller, a.camera); err != nil {
		return watched{}, err
	}
	detail := fmt.Sprintf("%d × %d", sel.width, sel.height)
	if sel.remote() {
		detail += ", from afar"
	}
	if err := a.house.record(ctx, by.controller, Entry{Action: LogLive, Camera: a.camera, Addr: hostOf(by.remote), Detail: detail}); err != nil {
		return watched{}, err
	}
	w := watched{
		pictures: func(sel selection) *nvr.Stream { return sel.choose(sources(a.house.cfg.Cameras, a.camera)) },
		muted:    a.mute.Value, log: a.log,
	}
	if a.house.cfg.Opus != nil {
		if w.sound = a.house.sound(a.camera); w.sound != nil {
			w.opus = a.house.cfg.Opus(a.camera)
		}
	}
	return w, nil
}

// left ends the streams of a connection that is closed.
func (a *accessory) left(remote string) {
	for _, s := range a.slots {
		s.leave(remote)
	}
}

// blind ends all streams.
func (a *accessory) blind() {
	for _, s := range a.slots {
		s.stop(errPrivate)
	}
}

// moved passes on that something moves, or that nothing does any more. News that
// nobody takes is lost: the next one is as good.
func (a *accessory) moved(on bool) {
	select {
	case a.moves <- on:
	default:
	}
}

// move shows motion until ctx ends.
func (a *accessory) move(ctx context.Context) {
	if a.motion == nil {
		return
	}
	var since time.Time
	wanted := false
	off := time.NewTimer(0)
	<-off.C
	for {
		select {
		case <-ctx.Done():
			off.Stop()
			return
		case wanted = <-a.moves:
			off.Stop()
			if wanted {
				since = time.Now()
				a.guard.Update(func() { a.motion.MotionDetected.SetValue(true) })
			} else {
				off.Reset(max(0, motionLeast-time.Since(since)))
			}
		case <-off.C:
			a.guard.Update(func() { a.motion.MotionDetected.SetValue(false) })
		}
	}
}

// ring tells that somebody pressed the button.
func (a *accessory) ring() {
	if a.bell == nil {
		return
	}
	a.guard.Update(func() {
		if err := a.bell.ProgrammableSwitchEvent.SetValue(characteristic.ProgrammableSwitchEventSinglePress); err != nil {
			a.log.Error("ring", slog.Any("error", err))
		}
	})
}

// setTrouble shows whether something is not recorded that should be.
func (a *accessory) setTrouble(on bool) {
	state := 0 // contact: all is well
	if on {
		state = 1
	}
	a.guard.Update(func() {
		if err := a.trouble.ContactSensorState.SetValue(state); err != nil {
			a.log.Error("show a recording problem", slog.Any("error", err))
		}
	})
}
