package recorder

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lares/nvr"
)

// IsFootage returns why a folder is no footage path, nil if it is one.
func IsFootage(path string) error {
	_, err := readIdentity(path)
	return err
}

// Rebuild brings the index in step with the files before anything else is done.
// Run does so beside recording; this is for reading footage without Run, after
// Prepare.
func (r *Recorder) Rebuild(ctx context.Context) error {
	for _, d := range r.list() {
		if err := r.mend(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// Footage is how far the footage of a stream reaches.
type Footage struct {
	Stream   nvr.StreamID
	From, To time.Time
}

// Streams lists what there is on the footage paths, for somebody who has
// nothing but them.
func (l *Library) Streams(ctx context.Context) ([]Footage, error) {
	var all []Footage
	for _, id := range l.rec.streamsOnDisk() {
		first, err := l.rec.index.Oldest(ctx, nvr.DiskID{}, id, math.MaxInt32, 1)
		if err != nil {
			return nil, fmt.Errorf("list footage: %w", err)
		}
		end, err := l.rec.newestEnd(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("list footage: %w", err)
		}
		if len(first) > 0 {
			all = append(all, Footage{Stream: id, From: first[0].Start, To: end})
		}
	}
	return all, nil
}

// newestEnd returns when the newest footage of a stream ends, the zero time
// where there is none.
func (r *Recorder) newestEnd(ctx context.Context, id nvr.StreamID) (time.Time, error) {
	newest, ok, err := r.newest(ctx, id)
	if err != nil || !ok {
		return time.Time{}, err
	}
	return newest.End(), nil
}

// newest returns the newest footage of a stream, if there is any. The names of
// the files count beside the index, which may be new or lack its last rows, and
// is mended only later. Newest is what has the highest sequence number: the clock
// may have been set back.
func (r *Recorder) newest(ctx context.Context, id nvr.StreamID) (newest nvr.Segment, ok bool, err error) {
	newest, err = r.index.Newest(ctx, id)
	if err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return nvr.Segment{}, false, err
	}
	ok = err == nil
	for _, d := range r.list() {
		if s, there := d.newest(id); there && (!ok || s.Seq > newest.Seq) {
			newest, ok = s, true
		}
	}
	return newest, ok, nil
}

// newest returns what the name of the newest file in the last folder of a stream
// says; false where there is none or the disk is away.
func (d *disk) newest(id nvr.StreamID) (newest nvr.Segment, ok bool) {
	days, err := os.ReadDir(d.path("s" + id.String()))
	if err != nil {
		return newest, false
	}
	for i := len(days) - 1; i >= 0 && !ok; i-- { // by name, which is by day
		start, err := time.Parse(dayLayout, days[i].Name())
		if err != nil {
			continue // not one of our folders
		}
		entries, err := os.ReadDir(d.path(dayDir(id, start)))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if s, valid := parseSeg(id, e.Name()); valid && (!ok || s.Seq > newest.Seq) {
				newest, ok = s, true
			}
		}
	}
	return newest, ok
}

// holdFile marks a file as being written until it is closed, so that whoever
// reads the disk beside the running recorder does not cut its tail. It reports
// false where somebody else holds it. File systems without locks hold nothing.
func holdFile(f *os.File) bool {
	return !errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}
