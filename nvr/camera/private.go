package camera

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lares/nvr"
)

const (
	// privacyTick is how often the clocks are looked at for what ends or begins.
	privacyTick = time.Second
	// keepAgain is how long after a failure a switch is stored again.
	keepAgain = 10 * time.Second
)

// PrivacyStore keeps what is private over a restart.
type PrivacyStore interface {
	PrivacySwitches(ctx context.Context) ([]nvr.PrivacySwitch, error)
	// SavePrivacySwitch replaces that of the camera or the house.
	SavePrivacySwitch(ctx context.Context, s nvr.PrivacySwitch) error
	// EndPrivacySwitch does nothing where there is none.
	EndPrivacySwitch(ctx context.Context, camera nvr.CameraID) error
	PrivateHours(ctx context.Context) ([]nvr.PrivateHours, error)
	SavePrivateHours(ctx context.Context, hours []nvr.PrivateHours) error
}

// loadPrivacy reads what is private, before anything is connected to.
func (f *Fleet) loadPrivacy(ctx context.Context) error {
	if f.cfg.Privacy == nil {
		return nil
	}
	switches, err := f.cfg.Privacy.PrivacySwitches(ctx)
	if err != nil {
		return fmt.Errorf("load privacy mode: %w", err)
	}
	hours, err := f.cfg.Privacy.PrivateHours(ctx)
	if err != nil {
		return fmt.Errorf("load the plan of privacy mode: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.privacy.week = hours
	for _, s := range switches {
		f.privacy.set(s, f.clock())
	}
	return nil
}

// Private says whether a camera is private; of a zero id, whether somebody
// switched privacy mode on for the house.
func (f *Fleet) Private(camera nvr.CameraID) nvr.PrivacyState {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.privacy.of(camera)
}

// SetPrivate switches privacy mode on or lifts it, for a camera or the house.
//
// Switched on it is in force when SetPrivate returns, whatever it returns but
// nvr.ErrNotFound and nvr.ErrInvalid: nvr.ErrNotKept says that it could not be
// stored, which is tried again, or not be entered in the record of who looked. It
// never ends what is on already any sooner. Lifting is entered before it happens;
// where that is not possible it is refused with nvr.ErrLogUnavailable. A camera
// stays private while the house is. Whether somebody may do it is the caller's
// question.
func (f *Fleet) SetPrivate(ctx context.Context, r nvr.PrivacyRequest) error {
	ctx = context.WithoutCancel(ctx)
	if !r.Camera.IsZero() {
		if _, err := f.Camera(r.Camera); err != nil {
			return err
		}
	}
	if r.On {
		return f.hide(ctx, r)
	}
	return f.reveal(ctx, r)
}

func (f *Fleet) hide(ctx context.Context, r nvr.PrivacyRequest) error {
	now := f.clock()
	if !r.Until.IsZero() && !r.Until.After(now.wall) {
		return fmt.Errorf("private until %s: %w", r.Until, nvr.ErrInvalid)
	}
	s := nvr.PrivacySwitch{Camera: r.Camera, Since: now.wall.UTC(), By: r.By}
	if !r.Until.IsZero() {
		s.Until = r.Until.Round(0).UTC()
	}
	f.mu.Lock()
	f.privacy.set(s, now)
	changed := f.applyLocked(now)
	f.mu.Unlock()
	f.tell(r.Camera, changed)
	err := errors.Join(f.keep(ctx, r.Camera), f.record(ctx, nvr.PrivacyChange{
		Kind: nvr.PrivacyBegan, Camera: r.Camera, By: r.By, Addr: r.Addr, From: s.Since, To: s.Until,
	}))
	if err != nil {
		return fmt.Errorf("%w: %w", nvr.ErrNotKept, err)
	}
	return nil
}

func (f *Fleet) reveal(ctx context.Context, r nvr.PrivacyRequest) error {
	now := f.clock()
	f.mu.Lock()
	since, on := f.privacy.since(r.Camera)
	f.mu.Unlock()
	if !on {
		return nil
	}
	err := f.record(ctx, nvr.PrivacyChange{
		Kind: nvr.PrivacyLifted, Camera: r.Camera, By: r.By, Addr: r.Addr, From: since, To: now.wall.UTC(),
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.privacy.lift(r.Camera, f.camerasLocked(r.Camera), now)
	changed := f.applyLocked(now)
	f.mu.Unlock()
	f.tell(r.Camera, changed)
	if err := f.keep(ctx, r.Camera); err != nil {
		return fmt.Errorf("%w: %w", nvr.ErrNotKept, err)
	}
	return nil
}

// PrivateHours returns the plan of the week.
func (f *Fleet) PrivateHours() []nvr.PrivateHours {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.privacy.week)
}

// SetPrivateHours replaces the plan of the week. It may end what the plan before
// holds now. Errors: nvr.ErrInvalid, nvr.ErrLogUnavailable.
func (f *Fleet) SetPrivateHours(ctx context.Context, plan nvr.PrivacyPlan) error {
	if len(plan.Hours) > nvr.MaxPrivateHours {
		return fmt.Errorf("a plan of more than %d lines: %w", nvr.MaxPrivateHours, nvr.ErrInvalid)
	}
	const day = 24 * 60
	for _, h := range plan.Hours {
		if h.Days == 0 || h.Days >= 1<<7 || h.From < 0 || h.From >= day || h.To < 0 || h.To >= day {
			return fmt.Errorf("a line without a day or time: %w", nvr.ErrInvalid)
		}
	}
	f.planning.Lock()
	defer f.planning.Unlock()
	if err := f.record(ctx, nvr.PrivacyChange{Kind: nvr.PrivacyPlanned, By: plan.By, Addr: plan.Addr}); err != nil {
		return err
	}
	if f.cfg.Privacy != nil {
		if err := f.cfg.Privacy.SavePrivateHours(ctx, plan.Hours); err != nil {
			return fmt.Errorf("store the plan of privacy mode: %w", err)
		}
	}
	f.change(ctx, func() {
		f.privacy.week = slices.Clone(plan.Hours)
		clear(f.privacy.plan)
		clear(f.privacy.lifted)
	})
	return nil
}

// change does do under the lock, and all that follows from it and from the
// clocks: every camera is then as private as it should be. It stores what could
// not be stored before.
func (f *Fleet) change(ctx context.Context, do func()) {
	now := f.clock()
	f.mu.Lock()
	do()
	news := f.privacy.pass(f.camerasLocked(nvr.CameraID{}), now)
	changed := f.applyLocked(now)
	var unkept []nvr.CameraID
	for id, again := range f.unkept {
		if now.mono >= again {
			unkept = append(unkept, id)
		}
	}
	f.mu.Unlock()
	for _, id := range changed {
		f.tell(id, nil)
	}
	for _, n := range news {
		if n.Camera.IsZero() {
			f.tell(n.Camera, nil)
		}
		if n.Kind == nvr.PrivacyEnded {
			unkept = append(unkept, n.Camera)
		}
		if err := f.record(ctx, n); err != nil {
			f.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "privacy mode is not in the record of who looked", slog.Any("error", err))
		}
	}
	for _, id := range unkept {
		if err := f.keep(ctx, id); err != nil {
			f.cfg.Log.LogAttrs(ctx, slog.LevelError, "privacy mode is not stored", slog.Any("camera", id), slog.Any("error", err))
		}
	}
}

// keep stores what is switched on for a camera or the house, as it is by now.
func (f *Fleet) keep(ctx context.Context, camera nvr.CameraID) error {
	if f.cfg.Privacy == nil {
		return nil
	}
	f.keeping.Lock()
	defer f.keeping.Unlock()
	f.mu.Lock()
	h := f.privacy.switches[camera]
	var s nvr.PrivacySwitch
	if h != nil {
		s = h.PrivacySwitch
	}
	f.mu.Unlock()
	var err error
	if h != nil {
		err = f.cfg.Privacy.SavePrivacySwitch(ctx, s)
	} else {
		err = f.cfg.Privacy.EndPrivacySwitch(ctx, camera)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.unkept, camera)
	if err != nil {
		f.unkept[camera] = f.clock().mono + keepAgain
		return fmt.Errorf("store privacy mode: %w", err)
	}
	return nil
}

func (f *Fleet) record(ctx context.Context, c nvr.PrivacyChange) error {
	if f.cfg.Record == nil {
		return nil
	}
	return f.cfg.Record(ctx, c)
}

// camerasLocked returns a camera, or all of them for a zero id.
func (f *Fleet) camerasLocked(id nvr.CameraID) (all []nvr.Camera) {
	for _, e := range f.entries {
		if id.IsZero() || e.camera.ID == id {
			all = append(all, e.camera)
		}
	}
	return all
}

// applyLocked makes every camera what it should be and returns those that
// changed. Those that become private are blind when it returns.
func (f *Fleet) applyLocked(now instant) (changed []nvr.CameraID) {
	for id, e := range f.entries {
		private := f.privacy.of(id).On
		if private == e.private {
			continue
		}
		e.private = private
		if private {
			e.shut(now.wall)
		} else {
			f.wake()
		}
		changed = append(changed, id)
	}
	return changed
}

// shut blinds a camera and lets its connections go.
func (e *entry) shut(now time.Time) {
	e.blind = true
	for _, feed := range e.feeds {
		feed.shut(now)
	}
	if e.task != nil {
		e.task.cancel()
	}
}

// open lets pictures in again. Only when the connection of before has ended:
// what waited in it is of the private time.
func (e *entry) open() {
	e.blind = false
	for _, feed := range e.feeds {
		feed.open(time.Now())
		if e.camera.Disabled {
			feed.down(time.Now(), nvr.CameraSwitchedOff, "")
		}
	}
}

// ended notes that the supervisor of a camera ended for privacy mode.
func (f *Fleet) ended(e *entry, t *task) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !e.blind || e.task != t {
		return
	}
	e.task, e.refused = nil, t.supervisor.refusal()
	f.wake()
}

// tell says that privacy mode changed for what somebody asked about, and for cameras.
func (f *Fleet) tell(asked nvr.CameraID, changed []nvr.CameraID) {
	if !slices.Contains(changed, asked) {
		changed = append(changed, asked)
	}
	for _, id := range changed {
		f.cfg.Bus.Publish(nvr.Event{
			ID: nvr.NewID[nvr.Event](), Kind: nvr.PrivacyChanged, Source: "camera", Camera: id, Start: time.Now(),
		})
	}
}

// besidePrivate returns nvr.ErrPrivate where a camera has the address of one that
// is private: under another name it would be seen all the same.
func (f *Fleet) besidePrivate(c nvr.Camera) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.entries {
		if e.private && slices.ContainsFunc(e.camera.Streams, func(hidden nvr.Source) bool {
			return slices.ContainsFunc(c.Streams, func(s nvr.Source) bool { return hostOf(s.URL) == hostOf(hidden.URL) })
		}) {
			return fmt.Errorf("a camera with this address: %w", nvr.ErrPrivate)
		}
	}
	return nil
}
