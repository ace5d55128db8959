package camera

import (
	"time"

	"lares/nvr"
)

// privacy is what is private in the house, and until when. It is used under the
// lock of its fleet.
//
// What ends by itself ends when both clocks of the box say so: a wall clock that
// is set must not lift privacy, it can only last longer. Over a restart the wall
// clock alone counts.
type privacy struct {
	zone     *time.Location // of the plan
	week     []nvr.PrivateHours
	switches map[nvr.CameraID]*hidden // switched on; that of the house under the zero id
	plan     map[nvr.CameraID]*hidden // what the plan holds now
	lifted   map[nvr.CameraID]window  // of the plan, that somebody lifted
}

// hidden is privacy that is on.
type hidden struct {
	nvr.PrivacySwitch
	deadline time.Duration // on the monotonic clock; meaningful with Until
}

func newPrivacy(zone *time.Location) privacy {
	if zone == nil {
		zone = time.Local
	}
	return privacy{
		zone: zone, switches: make(map[nvr.CameraID]*hidden),
		plan: make(map[nvr.CameraID]*hidden), lifted: make(map[nvr.CameraID]window),
	}
}

func (h *hidden) over(now instant) bool {
	return !h.Until.IsZero() && !now.wall.Before(h.Until) && now.mono >= h.deadline
}

// extend lets it last until a time at least; zero is for ever.
func (h *hidden) extend(until time.Time, now instant) {
	switch {
	case h.Until.IsZero():
	case until.IsZero():
		h.Until = until
	default:
		if until.After(h.Until) {
			h.Until = until
		}
		h.deadline = max(h.deadline, now.mono+until.Sub(now.wall))
	}
}

// lasts reports whether it ends later than another.
func (h *hidden) lasts(other *hidden) bool {
	return other == nil || !other.Until.IsZero() && (h.Until.IsZero() || h.Until.After(other.Until))
}

// set takes over what was switched on. Of two that hold for the same the one
// that lasts longer counts: somebody who may not lift it cannot cut it short.
func (p *privacy) set(s nvr.PrivacySwitch, now instant) {
	fresh := &hidden{PrivacySwitch: s}
	if !s.Until.IsZero() {
		fresh.deadline = now.mono + s.Until.Sub(now.wall)
	}
	old := p.switches[s.Camera]
	if old == nil {
		p.switches[s.Camera] = fresh
		return
	}
	if fresh.lasts(old) {
		old.By = s.By
	}
	old.extend(s.Until, now)
}

// of returns the state of a camera: that of what ends last.
func (p *privacy) of(camera nvr.CameraID) nvr.PrivacyState {
	var longest *hidden
	for _, h := range [...]*hidden{p.switches[nvr.CameraID{}], p.switches[camera], p.plan[camera]} {
		if h != nil && h.lasts(longest) {
			longest = h
		}
	}
	if longest == nil {
		return nvr.PrivacyState{}
	}
	return nvr.PrivacyState{
		On: true, Since: longest.Since, Until: longest.Until, By: longest.By,
		House: longest == p.switches[nvr.CameraID{}],
	}
}

// lift ends what somebody switched on for a camera, or for the house under the
// zero id, and what the plan holds of these cameras. The plan goes on with its
// next window.
func (p *privacy) lift(id nvr.CameraID, cameras []nvr.Camera, now instant) {
	delete(p.switches, id)
	for _, c := range cameras {
		delete(p.plan, c.ID)
		if w, ok := planned(p.week, c, now.wall, p.zone); ok {
			p.lifted[c.ID] = w
		}
	}
}

// since returns since when there is something that lift would end.
func (p *privacy) since(id nvr.CameraID) (at time.Time, on bool) {
	for _, h := range [...]*hidden{p.switches[id], p.plan[id]} {
		if h != nil {
			return h.Since, true
		}
	}
	return time.Time{}, id.IsZero() && len(p.plan) > 0
}

// pass does what the time brings. It returns what ended or began by itself.
func (p *privacy) pass(cameras []nvr.Camera, now instant) (news []nvr.PrivacyChange) {
	for id, h := range p.switches {
		if h.over(now) {
			delete(p.switches, id)
			news = append(news, nvr.PrivacyChange{Kind: nvr.PrivacyEnded, Camera: id, From: h.Since, To: now.wall})
		}
	}
	for _, c := range cameras {
		news = append(news, p.follow(c, now)...)
	}
	return news
}

// follow does what the plan says about a camera.
func (p *privacy) follow(c nvr.Camera, now instant) []nvr.PrivacyChange {
	w, ok := planned(p.week, c, now.wall, p.zone)
	if lifted, is := p.lifted[c.ID]; is {
		ok = ok && !w.equal(lifted)
		if !lifted.holds(now.wall) {
			delete(p.lifted, c.ID)
		}
	}
	h := p.plan[c.ID]
	switch {
	case ok && h == nil:
		h = &hidden{PrivacySwitch: nvr.PrivacySwitch{Camera: c.ID, Since: now.wall, Until: w.end}}
		h.deadline = now.mono + w.end.Sub(now.wall)
		p.plan[c.ID] = h
		return []nvr.PrivacyChange{{Kind: nvr.PrivacyBegan, Camera: c.ID, From: h.Since, To: h.Until}}
	case ok:
		h.extend(w.end, now)
	case h != nil && h.over(now):
		delete(p.plan, c.ID)
		return []nvr.PrivacyChange{{Kind: nvr.PrivacyEnded, Camera: c.ID, From: h.Since, To: now.wall}}
	}
	return nil
}

// forget drops what is known of a camera that is gone.
func (p *privacy) forget(camera nvr.CameraID) {
	delete(p.switches, camera)
	delete(p.plan, camera)
	delete(p.lifted, camera)
}
