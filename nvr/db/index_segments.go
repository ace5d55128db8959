package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"lares/nvr"
)

// maxDuration is far beyond what any segment lasts; more is a header that was
// misread, and would slow down every look-up.
const maxDuration = 24 * time.Hour

// key is the key of a segment's row. Milliseconds are those since the Unix epoch.
type key struct {
	stream  int64
	startMS int64
	seq     uint64
}

// columns and tables read whole segments, see fillSegment. CROSS JOIN keeps
// SQLite from starting with one of the small tables.
const (
	columns = `st.id, s.start_ms, s.seq, s.dur_ms, s.bytes, d.id, v.id, s.day, s.flags, s.activity`
	numbers = `CROSS JOIN stream st ON st.num = s.stream CROSS JOIN disk d ON d.num = s.disk CROSS JOIN vault v ON v.num = s.vault`
)

// Add inserts or replaces rows by (Stream, Start, Seq) in one transaction.
// Start is kept in whole milliseconds, Duration is rounded up to them. A segment
// with a negative size or duration, or of more than a day, is nvr.ErrInvalid.
func (x *Index) Add(ctx context.Context, segments ...nvr.Segment) error {
	if len(segments) == 0 {
		return nil
	}
	return x.db.update(ctx, "add to the index", func(ctx context.Context, tx *sql.Tx) error {
		c := newChange(tx)
		for i := range segments {
			if err := c.add(ctx, &segments[i]); err != nil {
				return err
			}
		}
		return c.finish(ctx)
	})
}

// Range returns the segments of a stream that overlap [from, to), by Start and Seq.
func (x *Index) Range(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]nvr.Segment, error) {
	if !from.Before(to) {
		return nil, nil
	}
	var found []nvr.Segment
	err := x.db.view(ctx, "look up footage", func(ctx context.Context, tx *sql.Tx) error {
		num, longest, err := lookBack(ctx, tx, stream)
		if isNone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		found, err = list(ctx, tx, fillSegment, `SELECT `+columns+` FROM segment s `+numbers+`
			WHERE s.stream = ?1 AND s.start_ms >= ?2 - ?3 AND s.start_ms < ?4 AND s.start_ms + max(s.dur_ms, 1) > ?2
			ORDER BY s.start_ms, s.seq`, num, from.UnixMilli(), longest, ceilMS(to))
		return err
	})
	return found, err
}

// Spans returns where there is footage of a stream that overlaps [from, to), in
// order: segments that are at most tolerance apart are one span. It costs far
// less than Range.
func (x *Index) Spans(ctx context.Context, stream nvr.StreamID, from, to time.Time, tolerance time.Duration) ([]nvr.Span, error) {
	if !from.Before(to) {
		return nil, nil
	}
	var spans []nvr.Span
	err := x.db.view(ctx, "look up spans of footage", func(ctx context.Context, tx *sql.Tx) error {
		num, longest, err := lookBack(ctx, tx, stream)
		if isNone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		spans, err = mergeSpans(ctx, tx, tolerance, num, from.UnixMilli(), longest, ceilMS(to))
		return err
	})
	return spans, err
}

// mergeSpans reads two numbers a row: a month of one stream is 43 200 rows. The
// arguments are the stream, from when on, the longest segment, and until when.
func mergeSpans(ctx context.Context, tx *sql.Tx, tolerance time.Duration, args ...any) (spans []nvr.Span, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT start_ms, dur_ms FROM segment
		WHERE stream = ?1 AND start_ms >= ?2 - ?3 AND start_ms < ?4 AND start_ms + max(dur_ms, 1) > ?2
		ORDER BY start_ms`, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var start, dur, from, end int64 // ms
	some := false
	emit := func() {
		if some {
			spans = append(spans, nvr.Span{From: time.UnixMilli(from).UTC(), To: time.UnixMilli(end).UTC()})
		}
	}
	for rows.Next() {
		if err := rows.Scan(&start, &dur); err != nil {
			return nil, err
		}
		if some && start-end <= tolerance.Milliseconds() {
			end = max(end, start+dur)
			continue
		}
		emit()
		from, end, some = start, start+dur, true
	}
	emit()
	return spans, rows.Err()
}

// Newest returns the segment of a stream with the highest Seq, or nvr.ErrNotFound.
func (x *Index) Newest(ctx context.Context, stream nvr.StreamID) (nvr.Segment, error) {
	var found []nvr.Segment
	err := x.db.view(ctx, "look up the newest footage", func(ctx context.Context, tx *sql.Tx) (err error) {
		found, err = list(ctx, tx, fillSegment, `SELECT `+columns+` FROM stream n CROSS JOIN segment s
			ON s.stream = n.num AND s.start_ms = n.newest_start AND s.seq = n.newest_seq `+numbers+`
			WHERE n.id = ?`, stream[:])
		if err == nil && len(found) == 0 {
			return nvr.ErrNotFound
		}
		return err
	})
	if err != nil {
		return nvr.Segment{}, err
	}
	return found[0], nil
}

// fillSegment reads a row of columns.
func fillSegment(scan scan, s *nvr.Segment) error {
	var start, dur int64
	if err := scan(id(&s.Stream), &start, &s.Seq, &dur, &s.Bytes, id(&s.Disk), id(&s.Vault), &s.Day, &s.Flags, activityOf{&s.Activity}); err != nil {
		return err
	}
	s.Start = time.UnixMilli(start).UTC()
	s.Duration = time.Duration(dur) * time.Millisecond
	return nil
}

// ceilMS returns the first whole millisecond that is not before t.
func ceilMS(t time.Time) int64 {
	ms := t.UnixMilli()
	if t.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	return ms
}

func durationMS(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

func checkSegment(s *nvr.Segment) error {
	if s.Duration < 0 || s.Duration > maxDuration || s.Bytes < 0 {
		return fmt.Errorf("segment of %v and %d bytes: %w", s.Duration, s.Bytes, nvr.ErrInvalid)
	}
	return nil
}
