package auth

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lares/nvr"
)

// Action is something that a person may or may not do.
type Action string

// The actions. Those from ActLive to ActDelete are asked for one camera.
const (
	ActLive    Action = "live"    // live pictures
	ActAudio   Action = "audio"   // sound, live or stored
	ActReplay  Action = "replay"  // stored footage, its timeline and events
	ActExport  Action = "export"  // save footage as a file
	ActDelete  Action = "delete"  // destroy footage before its time
	ActStatus  Action = "status"  // what the box and its cameras do
	ActLog     Action = "log"     // who looked
	ActAccount Action = "account" // one's own password and sessions

	ActPrivacy Action = "privacy" // make a camera, or the house, private
	ActReveal  Action = "reveal"  // end that

	ActCameras  Action = "cameras"  // add, change and remove cameras
	ActSettings Action = "settings" // disks, retention, the box
	ActPeople   Action = "people"   // people, rights, keys
)

// AllRights is everything that a person can do with a camera.
const AllRights = nvr.MayLive | nvr.MayReplay | nvr.MayAudio | nvr.MayExport | nvr.MayDelete

// right returns the right that an action on a camera needs; 0 for the others.
func (a Action) right() nvr.Rights {
	switch a {
	case ActLive:
		return nvr.MayLive
	case ActAudio:
		return nvr.MayAudio
	case ActReplay:
		return nvr.MayReplay
	case ActExport:
		return nvr.MayExport
	case ActDelete:
		return nvr.MayDelete
	}
	return 0
}

// needsProof reports whether a password that was typed long ago is not enough.
func (a Action) needsProof() bool {
	switch a {
	case ActExport, ActDelete, ActPeople:
		return true
	}
	return false
}

// allowed is the table of what a role may do at most. What is not in it is
// denied; an owner may do everything that is an action.
func allowed(role nvr.Role) []Action {
	switch role {
	case nvr.Owner:
		return []Action{
			ActLive, ActAudio, ActReplay, ActExport, ActDelete, ActStatus, ActLog, ActAccount, ActPrivacy, ActReveal,
			ActCameras, ActSettings, ActPeople,
		}
	case nvr.Member:
		return []Action{ActLive, ActAudio, ActReplay, ActExport, ActDelete, ActStatus, ActLog, ActAccount, ActPrivacy, ActReveal}
	case nvr.Viewer:
		return []Action{ActLive, ActReplay, ActStatus, ActAccount, ActPrivacy}
	case nvr.Guest:
		return []Action{ActLive, ActAccount}
	}
	return nil
}

// Bound returns the rights on a camera that a role allows at most.
func Bound(role nvr.Role) nvr.Rights {
	var most nvr.Rights
	for _, a := range allowed(role) {
		most |= a.right()
	}
	return most
}

// Authorize decides whether the session may do a at the time at: for live
// pictures now, for footage the time that it shows. A camera is needed for the
// actions about one; a zero camera asks about the house. Anything that no rule
// allows is nvr.ErrForbidden. The possession of keys is a fence of its own
// behind this one. See also CheckProof.
func (s *Service) Authorize(_ context.Context, sess *Session, a Action, camera nvr.CameraID, at time.Time) error {
	if sess == nil || sess.ended() {
		return fmt.Errorf("%s: %w", a, ErrNoSession)
	}
	if sess.link != nil {
		if !s.linkMay(*sess.link, a, camera, at) {
			return fmt.Errorf("%s: %w", a, nvr.ErrForbidden)
		}
		return nil
	}
	body, err := s.trust.roster()
	if err != nil {
		// Somebody tampered with the list of people. An owner who proved
		// possession of an owner's key has put it right before this is asked.
		return fmt.Errorf("%s: %w: %w", a, nvr.ErrForbidden, err)
	}
	m, ok := body.member(sess.Principal())
	if !ok || !m.inForce(time.Now()) || !m.may(a, camera, at) {
		return fmt.Errorf("%s: %w", a, nvr.ErrForbidden)
	}
	return nil
}

// may is the rule itself, for a member who is in force.
func (m member) may(a Action, camera nvr.CameraID, at time.Time) bool {
	if m.Kind != nvr.Person || !slices.Contains(allowed(m.Role), a) {
		return false
	}
	if m.Role == nvr.Owner {
		return true
	}
	if m.Role == nvr.Guest && (m.From.IsZero() || m.Until.IsZero()) || !m.within(at) {
		return false
	}
	if need := a.right(); need != 0 {
		return m.rights(camera)&need != 0
	}
	return camera.IsZero() || m.rights(camera) != 0
}
