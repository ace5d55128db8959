package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
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
// less than Range. Of a long stretch only the quarters of an hour that are not
// full are read segment by segment.
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
		var full []nvr.Span
		if to.Sub(from) > fineDensity {
			if full, err = fullQuarters(ctx, tx, num, nvr.Span{From: from, To: to}, tolerance); err != nil {
				return err
			}
		}
		at := from
		for _, f := range append(full, nvr.Span{From: to, To: to}) {
			found, err := mergeSpans(ctx, tx, tolerance, num, at.UnixMilli(), longest, ceilMS(f.From))
			if err != nil {
				return err
			}
			for _, s := range append(found, f) {
				spans = joinSpan(spans, s, tolerance)
			}
			at = f.To
		}
		return nil
	})
	return spans, err
}

// joinSpan adds a span that begins no earlier than those before it, unless it is empty.
func joinSpan(spans []nvr.Span, s nvr.Span, tolerance time.Duration) []nvr.Span {
	n := len(spans)
	switch {
	case s.From.Equal(s.To):
	case n == 0 || s.From.Sub(spans[n-1].To) > tolerance:
		spans = append(spans, s)
	case s.To.After(spans[n-1].To):
		spans[n-1].To = s.To
	}
	return spans
}

// fullQuarters returns the runs of at least an hour within a span of which
// no more than tolerance is missing in any quarter. One with more footage than
// time, which a clock that was set back makes, is not taken for full.
func fullQuarters(ctx context.Context, tx *sql.Tx, stream int64, in nvr.Span, tolerance time.Duration) ([]nvr.Span, error) {
	fill := func(scan scan, quarter *int64) error { return scan(quarter) }
	quarters, err := list(ctx, tx, fill, `SELECT quarter FROM quarter WHERE stream = ?1 AND quarter >= ?2 AND quarter < ?3
		AND ms BETWEEN ?4 - ?5 AND ?4 + ?5 ORDER BY quarter`,
		stream, floorDiv(in.From.UnixMilli()+quarterMS-1, quarterMS), floorDiv(in.To.UnixMilli(), quarterMS), quarterMS, tolerance.Milliseconds())
	if err != nil {
		return nil, err
	}
	var runs []nvr.Span
	for _, q := range quarters {
		start := time.UnixMilli(q * quarterMS).UTC()
		runs = joinSpan(runs, nvr.Span{From: start, To: start.Add(quarterMS * time.Millisecond)}, 0)
	}
	return slices.DeleteFunc(runs, func(s nvr.Span) bool { return s.To.Sub(s.From) < time.Hour }), nil
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
