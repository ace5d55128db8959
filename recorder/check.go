package recorder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// CheckLevel says how closely Check looks. Each level includes those before it.
type CheckLevel int

// Names compares index and file names. Sizes reads every header. CRC reads
// everything and compares checksums. Keys decrypts everything.
const (
	Names CheckLevel = iota
	Sizes
	CRC
	Keys
)

// Finding is something that Check found wrong.
type Finding struct {
	File string `json:"file"` // below its footage path
	Text string `json:"text"`
}

// CheckReport is the result of a check.
type CheckReport struct {
	Segments int       `json:"segments"`
	Bytes    int64     `json:"bytes"`
	Findings []Finding `json:"findings"`
}

// maxFindings bounds a report; a disk that is gone would fill it otherwise.
const maxFindings = 1000

func (r *CheckReport) found(file, format string, args ...any) {
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, Finding{File: file, Text: fmt.Sprintf(format, args...)})
	}
}

// Check looks for damage on all footage paths. It changes nothing and may run
// while the recorder does: what is being written or deleted is left out. opener
// is needed for Keys only.
func (l *Library) Check(ctx context.Context, level CheckLevel, opener nvr.Opener) (CheckReport, error) {
	report := CheckReport{Findings: []Finding{}}
	for _, d := range l.rec.list() {
		if err := d.identify(); err != nil {
			report.found(d.Path, "the footage path cannot be used: %v", err)
			continue
		}
		c := &checker{lib: l, disk: d, level: level, opener: opener, report: &report}
		if err := c.run(ctx); err != nil {
			return report, err
		}
	}
	return report, nil
}

// checker looks at one footage path.
type checker struct {
	lib    *Library
	disk   *disk
	level  CheckLevel
	opener nvr.Opener
	report *CheckReport
}

func (c *checker) run(ctx context.Context) error {
	folders, err := filepath.Glob(c.disk.path(filepath.Join("s*", "*")))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		stream, ok := parseStreamDir(filepath.Base(filepath.Dir(folder)))
		start, err := time.Parse(dayLayout, filepath.Base(folder))
		if !ok || err != nil {
			continue
		}
		segments, err := c.names(ctx, stream, start)
		if err != nil {
			return err
		}
		for _, s := range segments {
			c.report.Segments++
			if c.level >= Sizes {
				c.file(ctx, s)
			}
		}
	}
	return nil
}

// names compares the rows and the files of one folder and returns what is in both.
func (c *checker) names(ctx context.Context, stream nvr.StreamID, start time.Time) ([]nvr.Segment, error) {
	l, d, report := c.lib, c.disk, c.report
	l.rec.tidy.Lock()
	defer l.rec.tidy.Unlock()
	rows, err := l.rec.index.Range(ctx, stream, start, start.Add(day))
	if err != nil {
		return nil, err
	}
	known := make(map[string]nvr.Segment, len(rows))
	for _, row := range rows {
		if row.Disk == d.ID && !row.Start.Before(start) {
			known[segName(row)] = row
		}
	}
	entries, err := os.ReadDir(d.path(dayDir(stream, start)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var both []nvr.Segment
	for _, e := range entries {
		s, ok := parseSeg(stream, e.Name())
		if !ok {
			report.found(filepath.Join(dayDir(stream, start), e.Name()), "is not a segment")
			continue
		}
		row, ok := known[segName(s)]
		if !ok {
			if s.End().Before(time.Now().Add(-time.Minute)) {
				report.found(segName(s), "is not in the index")
			}
			continue
		}
		delete(known, segName(s))
		both = append(both, row)
	}
	for name := range known {
		if _, err := os.Stat(d.path(name)); errors.Is(err, fs.ErrNotExist) {
			report.found(name, "is in the index and not on the disk")
		}
	}
	return both, nil
}

// file looks into one file.
func (c *checker) file(ctx context.Context, s nvr.Segment) {
	d, report, name := c.disk, c.report, segName(s)
	f, err := os.Open(d.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return // deleted meanwhile
	}
	if err != nil {
		report.found(name, "cannot be read: %v", err)
		return
	}
	defer f.Close() //nolint:errcheck // read-only
	stat, err := f.Stat()
	if err != nil {
		report.found(name, "cannot be read: %v", err)
		return
	}
	report.Bytes += stat.Size()
	if stat.Size() != s.Bytes {
		report.found(name, "has %d bytes, the index says %d", stat.Size(), s.Bytes)
	}
	depth := vault.CheckHeader
	if c.level >= CRC {
		depth = vault.CheckCRC
	}
	found, err := vault.Check(f, stat.Size(), depth)
	switch {
	case err != nil:
		report.found(name, "is not a segment: %v", err)
	case !found.Whole():
		report.found(name, "is damaged: front header %v, trailer %v, index damaged %v, %d damaged slots", found.Front, found.Trailer, found.Index, len(found.Damaged))
	case found.Header.Stream != [16]byte(s.Stream) || found.Header.Seq != s.Seq:
		report.found(name, "carries the header of another segment")
	}
	if c.level >= Keys {
		c.contents(ctx, part{Segment: s, names: []string{d.path(name)}})
	}
}

// contents decrypts everything in a segment.
func (c *checker) contents(ctx context.Context, p part) {
	report, name := c.report, segName(p.Segment)
	o, err := c.lib.open(ctx, c.opener, p)
	if err != nil {
		report.found(name, "does not open: %v", err)
		return
	}
	defer o.Close() //nolint:errcheck // read-only
	if _, err := o.Reader.Init(); err != nil {
		report.found(name, "its beginning does not open")
	}
	var buf []byte
	bad := 0
	for _, f := range o.fragments {
		if buf, err = o.ReadFragment(buf[:0], f, false); err != nil {
			bad++
		}
	}
	records, err := o.Records()
	if err != nil {
		report.found(name, "its records do not open")
	}
	for _, rec := range records {
		if buf, err = o.ReadRecord(buf[:0], rec); err != nil {
			bad++
		}
	}
	if bad > 0 {
		report.found(name, "%d of %d parts do not open", bad, len(o.fragments)+len(records))
	}
}
