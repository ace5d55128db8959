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

	ActCameras  Action = "cameras"  // add, change and remove cameras
	ActSettings Action = "settings" // disks, retention, the box
	ActPeople   Action = "people"   // people, rights, keys
)

// perCamera lists the actions that need a camera which the person may see.
var perCamera = [...]Action{ActLive, ActAudio, ActReplay, ActExport, ActDelete}

// allowed is the table of what a role may do at most. What is not in it is
// denied; an owner may do everything that is an action.
func allowed(role nvr.Role) []Action {
	switch role {
	case nvr.Owner:
		return []Action{
			ActLive, ActAudio, ActReplay, ActExport, ActDelete, ActStatus, ActLog, ActAccount,
			ActCameras, ActSettings, ActPeople,
		}
	case nvr.Member:
		return []Action{ActLive, ActAudio, ActReplay, ActExport, ActStatus, ActLog, ActAccount}
	case nvr.Viewer:
		return []Action{ActLive, ActReplay, ActStatus, ActAccount}
	case nvr.Guest:
		return []Action{ActLive}
	}
	return nil
}

// Authorize decides whether the session may do a at the time at: for live
// pictures now, for footage the time that it shows. A camera is needed for the
// actions about one; a zero camera asks about the house. Anything that no rule
// allows is nvr.ErrForbidden. The possession of keys is a fence of its own
// behind this one.
func (s *Service) Authorize(_ context.Context, sess *Session, a Action, camera nvr.CameraID, at time.Time) error {
	if sess == nil || sess.ended() {
		return fmt.Errorf("%s: %w", a, ErrNoSession)
	}
	body, err := s.trust.roster()
	if err != nil {
		// Somebody tampered with the list of people. An owner who proved
		// possession of an owner's key has put it right before this is asked.
		return fmt.Errorf("%s: %w: %w", a, nvr.ErrForbidden, err)
	}
	m, ok := body.member(sess.Principal())
	if !ok || !m.may(a, camera, at) {
		return fmt.Errorf("%s: %w", a, nvr.ErrForbidden)
	}
	return nil
}

// may is the rule itself.
func (m member) may(a Action, camera nvr.CameraID, at time.Time) bool {
	if m.Kind != nvr.Person || !slices.Contains(allowed(m.Role), a) {
		return false
	}
	if m.Role == nvr.Owner {
		return true
	}
	if m.Role == nvr.Guest && (m.From.IsZero() || m.Until.IsZero()) {
		return false // a guest without an end is a mistake
	}
	if !m.From.IsZero() && at.Before(m.From) || !m.Until.IsZero() && !at.Before(m.Until) {
		return false
	}
	if slices.Contains(perCamera[:], a) || !camera.IsZero() {
		return slices.Contains(m.Cameras, camera)
	}
	return true
}
