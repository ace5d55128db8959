package nvr

import "time"

// EventKind says what happened. The values are stored: never renumber.
type EventKind uint8

// Kinds of events. Motion and later kinds are stored sealed in the footage;
// the others are news of the moment.
const (
	Motion EventKind = iota + 1
	MotionEnded
	CameraUp
	CameraDown
	CameraChanged
	RecordingUp
	RecordingDown
	DiskDown
	DiskUp
	Problem
	PrivacyChanged // of a camera, or with a zero Camera the switch of the house
	Doorbell       // somebody rings at a camera
)

// Event is something that happened, on the [Bus] or stored in a segment.
type Event struct {
	ID     EventID
	Kind   EventKind
	Source string // the part or camera feature that says so
	Camera CameraID
	Start  time.Time
	End    time.Time // zero while it lasts
	Labels []string
	Score  float64 // 0 to 1
	Cause  Cause
	Detail string // for the owner, without secrets

	// Of Motion and MotionEnded: where the thing was when it was seen best (in
	// Motion: first), when that was, and its way, at most MaxPath places.
	Box  Box
	Best time.Time
	Path []Sight
}

// MaxPath bounds the places in an event's path; longer ones are thinned out.
const MaxPath = 64
