package nvr

import (
	"slices"
	"time"
)

// Sensitivity is how easily motion makes an event.
type Sensitivity uint8

// The three steps; the zero value is the default. The values are stored.
const (
	NormalSensitivity Sensitivity = iota
	LowSensitivity
	HighSensitivity
)

// Zone is a polygon of at least three points that detection heeds. Where a
// camera has zones that are not Ignore, only what moves in one of them counts.
// A zone hides nothing from the recording.
type Zone struct {
	Ignore bool
	Points []Point
}

// MotionSettings says what counts as motion on a camera.
type MotionSettings struct {
	Off         bool
	Sensitivity Sensitivity
	// MinSize is the least size of a thing, as part of the picture's area, 0 to
	// 1; 0 leaves it to the detector.
	MinSize float64
	Zones   []Zone
}

// Equal reports whether both say the same.
func (m MotionSettings) Equal(o MotionSettings) bool {
	return m.Off == o.Off && m.Sensitivity == o.Sensitivity && m.MinSize == o.MinSize &&
		slices.EqualFunc(m.Zones, o.Zones, func(a, b Zone) bool {
			return a.Ignore == b.Ignore && slices.Equal(a.Points, b.Points)
		})
}

// RecordMode says what of a camera is kept. The values are stored.
type RecordMode uint8

// RecordAlways keeps everything for the camera's days. RecordQuietShorter keeps
// footage without motion for QuietDays only. RecordMotion writes footage around
// motion alone.
const (
	RecordAlways RecordMode = iota
	RecordQuietShorter
	RecordMotion
)

// Sight is where a moving thing was at a moment.
type Sight struct {
	At  time.Time
	Box Box
}

// Columns and rows of a MotionMap.
const (
	MapColumns = 32
	MapRows    = 18
)

// MotionMap says where in the picture something moved in one second: one bit a
// cell, row by row, column 0 in the lowest bit.
type MotionMap [MapRows]uint32

// Mark adds the cells that a box touches.
func (m *MotionMap) Mark(b Box) {
	row := cellMask(b.X, b.W)
	for y := cell(b.Y, MapRows); y <= cell(b.Y+b.H, MapRows); y++ {
		m[y] |= row
	}
}

// Touches reports whether something moved in a box.
func (m *MotionMap) Touches(b Box) bool {
	row := cellMask(b.X, b.W)
	for y := cell(b.Y, MapRows); y <= cell(b.Y+b.H, MapRows); y++ {
		if m[y]&row != 0 {
			return true
		}
	}
	return false
}

// Add takes the cells of another map in.
func (m *MotionMap) Add(o *MotionMap) {
	for i, row := range o {
		m[i] |= row
	}
}

// Empty reports whether nothing moved.
func (m *MotionMap) Empty() bool { return *m == MotionMap{} }

// cell returns the cell that a coordinate lies in; out of the picture is its edge.
func cell(v float64, cells int) int { return int(max(0, min(v*float64(cells), float64(cells-1)))) }

func cellMask(x, w float64) uint32 {
	first, last := cell(x, MapColumns), cell(x+w, MapColumns)
	return uint32(uint64(1)<<(last+1) - uint64(1)<<first)
}

// MotionSecond is the motion map of one second of a camera.
type MotionSecond struct {
	Second int64 // since the Unix epoch, UTC
	Map    MotionMap
}
