package nvr

import "time"

// MediaRequest asks for recorded footage of a stream in a span of time: its
// index, its fragments as a player appends them, or a clip of it.
type MediaRequest struct {
	Stream StreamID
	// From and To choose the fragments whose Part.Time lies in [From, To), in
	// order. They end early where the init segment changes: what follows needs
	// another one.
	From, To time.Time
	// KeysOnly leaves out all but key frames: each becomes a fragment of its own
	// that lasts until the next key frame, the last one until To or the end of
	// its span, so that a player that runs fast has no holes.
	KeysOnly bool
	// Sound takes the sound along. It lies in the same fragments as the pictures
	// and needs a right of its own: without Sound not a byte of it comes out.
	Sound bool
}
