package nvr

import (
	"context"
	"time"
)

// Segment is a sealed file of about a minute of one stream, as the index knows
// it. The key of its row is (Stream, Start, Seq).
type Segment struct {
	Stream   StreamID
	Start    time.Time // UTC, whole milliseconds: it stands in the file name
	Seq      uint64    // grows with each segment of the stream, whatever the clock does
	Duration time.Duration
	Bytes    int64
	Disk     DiskID
	Vault    VaultID
	// Day is the day of the box on which the segment began: days that it saw
	// pass on its monotonic clock. Age is counted in it.
	Day   int
	Flags SegmentFlags
	// Activity is what the index knows of motion in the segment without a key:
	// not Known where it was rebuilt from files that nobody opened since.
	Activity Activity
}

// Activity counts what is sealed beside the footage of a segment.
type Activity struct {
	Known  bool
	Events int // events that ended in it
	Moving int // seconds with motion
	// Watched: the detector looked at all of it, so that no motion means that
	// nothing moved. It is lost with the index.
	Watched bool
}

// End returns Start plus Duration.
func (s Segment) End() time.Time { return s.Start.Add(s.Duration) }

// SegmentFlags are bits of a segment's row. The values are stored.
type SegmentFlags uint8

// Recovered: the tail was cut by start-up recovery. Held: an evidence hold
// keeps it from retention. Doomed: its vault was destroyed, the file waits to
// be unlinked.
const (
	Recovered SegmentFlags = 1 << iota
	Held
	Doomed
)

// Disk is a footage path.
type Disk struct {
	ID    DiskID
	Path  string
	Quota int64 // bytes; 0: all but the reserve
}

// Opener opens a segment key that was sealed to a vault. The session of a
// logged-in person implements it; ui hands it through unread and only recorder
// calls it.
type Opener interface {
	// OpenKey returns the 32-byte key in sealed. Errors: ErrLocked when the
	// session's keys are gone, ErrForbidden when the principal has no grant for
	// the vault, ErrDestroyed when the vault is no more, ErrCorrupt.
	OpenKey(ctx context.Context, vault VaultID, info, sealed []byte) ([]byte, error)
}

// Recipient is what a recorder needs to seal for a camera: the public half of
// its vault of the day.
type Recipient struct {
	Vault  VaultID
	Public []byte // X-Wing public key
	// EscrowFile lies beside the footage: the vault's seed sealed to the
	// recovery principal alone. Opaque.
	EscrowFile []byte
}
