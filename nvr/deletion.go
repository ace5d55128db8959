package nvr

import (
	"slices"
	"time"
)

// Hold keeps a span of a camera's footage as evidence: neither its age nor the
// quota nor a deletion takes it until somebody lifts the hold.
type Hold struct {
	ID       ID[Hold]
	Camera   CameraID
	Streams  []StreamID // of the camera, when it was made
	From, To time.Time  // as it was asked for; whole segments are kept
	Why      string
	By       PrincipalID
	Created  time.Time
}

// Keeps reports whether a segment belongs to what the hold keeps.
func (h Hold) Keeps(s Segment) bool {
	return slices.Contains(h.Streams, s.Stream) && s.Start.Before(h.To) && s.End().After(h.From)
}

// Deletion is the receipt of footage that somebody deleted. It is stored before
// anything is deleted, so that the next start finishes what a crash interrupts.
type Deletion struct {
	ID      ID[Deletion]
	Camera  CameraID
	Parts   []Gap      // what goes, of each stream, as whole segments
	Vaults  []DayVault // whose keys go
	By      PrincipalID
	Created time.Time
	Done    time.Time // zero: not all of it is gone
}

// DayVault is a vault with the UTC day whose footage is sealed to it.
type DayVault struct {
	Vault VaultID
	Day   time.Time
}

// KeptFootage is a hold with what it keeps.
type KeptFootage struct {
	Hold
	Bytes int64
}

// DeletionRequest names footage that is to go.
type DeletionRequest struct {
	// Camera is whose footage it is; zero: that of cameras which are gone.
	Camera   CameraID
	From, To time.Time
	By       PrincipalID // stands in the timeline
}

// DeletionPlan says what goes with a deletion. Segments go as a whole.
type DeletionPlan struct {
	From, To time.Time // of what goes, all streams together
	// Beyond are further segments, because they hold events or motion of the
	// time that goes.
	Beyond  []Span
	Footage time.Duration // of the main stream
	Bytes   int64
	Events  int
	Days    int // UTC days of which something goes
	// Kept are holds that overlap what was asked for: their footage stays.
	Kept []Hold
}

// Empty reports whether nothing goes.
func (p DeletionPlan) Empty() bool { return p.Bytes == 0 }
