package recorder

import (
	"context"
	"time"

	"lares/nvr"
)

// Index is the recorder's view of index.db: what the files hold, without paths.
type Index interface {
	// Add inserts or replaces rows by (Stream, Start, Seq).
	Add(ctx context.Context, segments ...nvr.Segment) error
	Finder
	Reaper
	Rebuilt
	Motions
}

// Finder is the part of Index that tells what there is of a stream.
type Finder interface {
	// Range returns the segments of a stream that overlap [from, to), by Start
	// and Seq.
	Range(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]nvr.Segment, error)
	// Spans returns where there is footage of a stream that overlaps [from, to),
	// in order; holes up to tolerance are not told.
	Spans(ctx context.Context, stream nvr.StreamID, from, to time.Time, tolerance time.Duration) ([]nvr.Span, error)
	// Newest returns the segment of a stream with the highest Seq, or
	// nvr.ErrNotFound.
	Newest(ctx context.Context, stream nvr.StreamID) (nvr.Segment, error)
}

// Motions is the part of Index that knows how much moved, by counts alone: where
// and what is sealed in the segments.
type Motions interface {
	// SetActivity enters the Activity of segments of which it is not known yet.
	SetActivity(ctx context.Context, segments ...nvr.Segment) error
	// Eventful returns up to limit segments of a stream that overlap [from, to)
	// and hold events or may hold some, newest first by (Start, Seq).
	Eventful(ctx context.Context, stream nvr.StreamID, from, to time.Time, limit int) ([]nvr.Segment, error)
	// Quiet returns up to limit segments of a stream without the Held flag of box
	// day maxDay or before that were watched and in which nothing moved, nor
	// closer to them than margin.
	Quiet(ctx context.Context, stream nvr.StreamID, maxDay int, margin time.Duration, limit int) ([]nvr.Segment, error)
	// Density returns how much moved in [from, to), in order, where something did
	// or nothing is known.
	Density(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]nvr.Density, error)
}

// Rebuilt is the part of Index that tells a new one from a complete one.
type Rebuilt interface {
	// Fresh reports whether the index was made anew when it was opened, so that
	// footage on the disks may be missing in it.
	Fresh() bool
	// SetComplete notes that it holds all footage again.
	SetComplete(ctx context.Context) error
}

// Reaper is the half of Index that deletion works with. A file is deleted in
// the order: rows to garbage, unlink, sync of the folder, the vault where that was
// its last, forget the garbage.
type Reaper interface {
	// Oldest returns up to limit segments without the Held flag on a disk, or of
	// one stream where it is not zero, of box day maxDay or before, oldest first by (Day, Start).
	Oldest(ctx context.Context, disk nvr.DiskID, stream nvr.StreamID, maxDay, limit int) ([]nvr.Segment, error)
	// Discard moves rows to the garbage list in one transaction.
	Discard(ctx context.Context, segments ...nvr.Segment) error
	// Garbage returns what was discarded and not yet forgotten.
	Garbage(ctx context.Context) ([]nvr.Segment, error)
	Forget(ctx context.Context, segments ...nvr.Segment) error
	// Used returns the bytes of all rows on a disk.
	Used(ctx context.Context, disk nvr.DiskID) (int64, error)
}

// Gaps is the recorder's view of the gap causes in config.db. They survive the
// loss of the index.
type Gaps interface {
	// OpenGap notes that a stream has no footage from g.From on. A gap of the
	// stream that is still open stays as it is: the first cause counts.
	OpenGap(ctx context.Context, g nvr.Gap) error
	// CloseGap ends the open gap of a stream, if there is one; one that ends
	// before it began is removed.
	CloseGap(ctx context.Context, stream nvr.StreamID, to time.Time) error
	// AddGap inserts a gap that is over.
	AddGap(ctx context.Context, g nvr.Gap) error
	// GapsIn returns the gaps of a stream that overlap [from, to), by From.
	GapsIn(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]nvr.Gap, error)
}

// Ledger is the recorder's view of what people decided about footage, in
// config.db.
type Ledger interface {
	// Holds returns what is kept as evidence.
	Holds(ctx context.Context) ([]nvr.Hold, error)
	AddHold(ctx context.Context, h nvr.Hold) error
	RemoveHold(ctx context.Context, id nvr.ID[nvr.Hold]) error
	// OpenDeletions returns the receipts that are not done.
	OpenDeletions(ctx context.Context) ([]nvr.Deletion, error)
	// SaveDeletion inserts or replaces a receipt.
	SaveDeletion(ctx context.Context, d nvr.Deletion) error
}

// Disks is the recorder's view of the footage paths in config.db.
type Disks interface {
	Disks(ctx context.Context) ([]nvr.Disk, error)
	SaveDisk(ctx context.Context, d nvr.Disk) error
}
