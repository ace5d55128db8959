package nvr

import "time"

// CameraStatus is a camera with what it does at the moment.
type CameraStatus struct {
	Camera  Camera
	Streams []StreamStatus // in the order of Camera.Streams
}

// StreamStatus is the health of one stream of a camera.
type StreamStatus struct {
	Source    Source
	State     StreamState
	Params    *Params // nil before the first frame
	FrameRate float64 // measured, pictures a second; 0 before it is known
	BitRate   float64 // measured, bit/s
	GOP       time.Duration
	// Left out media, in words for the owner: "sound in G.711 is not recorded yet".
	Notes []string
}

// RecordingStatus says whether a stream is being recorded.
type RecordingStatus struct {
	Recording bool
	Since     time.Time // of the current state
	Cause     Cause     // while not recording
	Detail    string
}

// Waits reports whether nothing is recorded because nothing moves and the owner
// wants no more than that.
func (s RecordingStatus) Waits() bool { return !s.Recording && s.Cause == NoMotion }

// DiskStatus is the health of a footage path.
type DiskStatus struct {
	Disk    Disk
	State   DiskState
	Detail  string // what to do, for the owner
	Used    int64  // bytes of our footage
	Free    int64  // bytes free on the file system
	Total   int64  // bytes of the file system
	Reserve int64  // bytes that are kept free
}

// DiskState is whether a footage path can be written.
type DiskState uint8

// States of a footage path.
const (
	DiskOK DiskState = iota
	DiskLost
	DiskForeign
	DiskReadOnly
	DiskNoRoom
)

// ProbeReport is what a camera answered to one look at it.
type ProbeReport struct {
	Streams []ProbedStream
	Problem Cause  // CauseUnknown: none
	Advice  string // what to do, for the owner
}

// ProbedStream is one stream that a camera offers.
type ProbedStream struct {
	Source    Source
	Params    *Params
	FrameRate float64
	BitRate   float64       // measured, bit/s; 0: too little came
	GOP       time.Duration // measured; 0: too little came
	Notes     []string
	Key       *Frame // the newest key frame
}

// DetectionStatus says whether motion is looked for on a camera.
type DetectionStatus struct {
	Works bool
	// Detail says why not or, while it works, what is less than usual; in words
	// for the owner, empty if there is nothing to say.
	Detail string
	// KeysOnly: the box is short of CPU, so key frames alone are looked at.
	KeysOnly bool
	// Fence says why the process that decodes is not fenced in as well as it
	// could be; empty if it is.
	Fence string
}
