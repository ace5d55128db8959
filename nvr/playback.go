package nvr

import (
	"io"
	"time"
)

// Span is a stretch of footage of one stream without a hole.
type Span struct {
	From, To time.Time
}

// Timeline is what there is, and is not, of a stream between two times: every
// instant that is past lies in a span or in a gap.
type Timeline struct {
	Spans []Span
	Gaps  []Gap
}

// PlayIndex lists the fragments of a stream in a span of time, in order, so
// that a player knows what to fetch.
type PlayIndex struct {
	Inits []Init
	Parts []Part
}

// Init is an initialization segment (ISO 23000-19, 7.3.1) that parts need.
type Init struct {
	Segment SegmentID // fetches it
	Codecs  string    // RFC 6381, as for a MIME type's codecs parameter
	Width   int
	Height  int
}

// Part is one CMAF fragment: moof and mdat, at most a second.
type Part struct {
	Time     int64 // DTS of its first frame, ticks since the Unix epoch
	Duration int64 // ticks
	Bytes    int   // size of moof and mdat
	KeyBytes int   // size up to the end of its first picture if that is a key frame, else 0
	Init     int   // index in PlayIndex.Inits
}

// Key reports whether the part begins with a key frame.
func (p Part) Key() bool { return p.KeyBytes > 0 }

// Clip is an export: an mp4 file that is put together while it is read. Close it.
type Clip struct {
	io.ReadSeekCloser
	Size int64
	// From and To are the times that it really covers: From was moved to the
	// key frame before the time that was asked for, and To to the end of what
	// one set of codec parameters covers.
	From, To time.Time
}

// EventRef finds the sealed record of an event again.
type EventRef struct {
	Stream StreamID
	Start  time.Time // of the segment
	Seq    uint64    // of the segment
	Slot   uint32    // of the event's record
}

// EventRequest asks for stored events.
type EventRequest struct {
	// Streams are the main streams of cameras.
	Streams []StreamID
	// From and To choose the events that ended in [From, To).
	From, To time.Time
	// Limit is the most that are returned, 1 to 500.
	Limit int
}

// StoredEvent is an event that was found beside the footage.
type StoredEvent struct {
	Event
	Ref       EventRef
	Thumbnail bool // there is a picture of it
}

// Density is how much moved in a stretch of time; found without a key.
type Density struct {
	From, To time.Time
	Moving   time.Duration
	Known    bool // false where the index does not know
}
