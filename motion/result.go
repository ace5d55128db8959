package motion

import "lares/nvr"

// Phase is what a picture means for the event of a camera.
type Phase uint8

// Quiet: no event. Began: the first result of an event. Lasts: it goes on, or
// may go on, because the thing stands still or was lost for a moment. Ended: the
// last result of an event.
const (
	Quiet Phase = iota
	Began
	Lasts
	Ended
)

// Result is what the detector makes of a picture. There is one event at a time:
// things that move at once belong to the same one. All but Phase is zero while
// it is quiet.
type Result struct {
	Phase Phase
	// Number tells the events of a detector apart; the first is 1.
	Number uint64
	// Start is the PTS of the first picture in which the thing moved, usually
	// some pictures before the one in which that became certain. End is that of
	// the last one in which something moved, so far.
	Start, End int64
	// Box is around what moves in this picture; while nothing does, and when the
	// event ended, where it was last.
	Box nvr.Box
	// Score says how sure the detector is, 0 to 1; it only grows during an event.
	Score float64
	// Moving says that something moves in this very picture.
	Moving bool
	// Best says that nothing in the event was seen better than the thing in this
	// picture: larger and sharper.
	Best bool
	// Map holds where things that belong to the event moved in this picture.
	Map nvr.MotionMap
}
