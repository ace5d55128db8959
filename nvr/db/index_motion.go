package db

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"lares/nvr"
)

// How Activity is packed into one number; index_002.sql says why.
const (
	activityMoving = 1 << 1
	activityEvents = 1 << 13
	maxMoving      = activityEvents/activityMoving - 1
	maxEvents      = 1 << 16
)

// storedMoving returns the seconds that the packed number keeps.
func storedMoving(a nvr.Activity) int { return max(0, min(a.Moving, maxMoving)) }

// storeActivity packs counts; what is not known is NULL.
func storeActivity(a nvr.Activity) any {
	if !a.Known {
		return nil
	}
	n := int64(storedMoving(a))*activityMoving + int64(max(0, min(a.Events, maxEvents)))*activityEvents
	if a.Watched {
		n++
	}
	return n
}

// activityOf scans what storeActivity packed.
type activityOf struct{ p *nvr.Activity }

// Scan implements sql.Scanner.
func (v activityOf) Scan(src any) error {
	switch n := src.(type) {
	case nil:
		*v.p = nvr.Activity{}
	case int64:
		if n < 0 || n/activityEvents > maxEvents {
			return fmt.Errorf("%w: an activity of %d", ErrCorrupt, n)
		}
		*v.p = nvr.Activity{
			Known: true, Watched: n&1 != 0, Moving: int(n % activityEvents / activityMoving), Events: int(n / activityEvents),
		}
	default:
		return fmt.Errorf("%w: an activity is not a number", ErrCorrupt)
	}
	return nil
}

// SetActivity enters what is in segments where the index does not know it yet.
// A segment without a row is passed over.
func (x *Index) SetActivity(ctx context.Context, segments ...nvr.Segment) error {
	if len(segments) == 0 {
		return nil
	}
	return x.db.update(ctx, "note what moved", func(ctx context.Context, tx *sql.Tx) error {
		c := newChange(tx)
		for i := range segments {
			if err := c.learn(ctx, &segments[i]); err != nil {
				return err
			}
		}
		return c.finish(ctx)
	})
}

func (c *change) learn(ctx context.Context, s *nvr.Segment) error {
	if !s.Activity.Known {
		return nil
	}
	stream, err := c.number(ctx, "stream", s.Stream)
	if err != nil {
		return err
	}
	r := row{key: key{stream, s.Start.UnixMilli(), s.Seq}}
	err = c.tx.QueryRowContext(ctx, `UPDATE segment SET activity = ? WHERE stream = ? AND start_ms = ? AND seq = ? AND activity IS NULL
		RETURNING disk, dur_ms, bytes`, storeActivity(s.Activity), r.stream, r.startMS, r.seq).Scan(&r.disk, &r.durMS, &r.bytes)
	if isNone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	c.count(r, -1)
	r.activity = s.Activity
	c.count(r, 1)
	return nil
}

// Eventful returns up to limit segments of a stream that overlap [from, to) and
// hold events or may hold some, newest first by (Start, Seq).
func (x *Index) Eventful(ctx context.Context, stream nvr.StreamID, from, to time.Time, limit int) ([]nvr.Segment, error) {
	var found []nvr.Segment
	err := x.db.view(ctx, "look up events", func(ctx context.Context, tx *sql.Tx) error {
		num, longest, err := lookBack(ctx, tx, stream)
		if isNone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		found, err = list(ctx, tx, fillSegment, `SELECT `+columns+` FROM segment s `+numbers+`
			WHERE s.stream = ?1 AND s.start_ms >= ?2 - ?3 AND s.start_ms < ?4 AND s.start_ms + max(s.dur_ms, 1) > ?2
			AND (s.activity IS NULL OR s.activity >= ?5)
			ORDER BY s.start_ms DESC, s.seq DESC LIMIT ?6`, num, from.UnixMilli(), longest, ceilMS(to), activityEvents, max(limit, 0))
		return err
	})
	return found, err
}

// Quiet returns up to limit segments of a stream of box day maxDay or before,
// without the Held flag, in which nothing moved though the detector watched all
// of them, and near which nothing moved either: no other segment of the stream
// that lies closer than margin is known to be less quiet, or not known.
func (x *Index) Quiet(ctx context.Context, stream nvr.StreamID, maxDay int, margin time.Duration, limit int) ([]nvr.Segment, error) {
	var quiet []nvr.Segment
	err := x.db.view(ctx, "look up quiet footage", func(ctx context.Context, tx *sql.Tx) error {
		_, longest, err := lookBack(ctx, tx, stream)
		if isNone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		shares, err := findShares(ctx, tx, nvr.DiskID{}, stream)
		if err != nil {
			return err
		}
		for _, share := range shares {
			some, err := list(ctx, tx, fillSegment, `SELECT `+columns+` FROM segment s INDEXED BY segment_age `+numbers+`
				WHERE s.disk = ?1 AND s.stream = ?2 AND s.flags & 2 = 0 AND s.day <= ?3 AND s.activity = 1
				AND NOT EXISTS (SELECT 1 FROM segment n WHERE n.stream = ?2 AND n.activity IS NOT 1
					AND n.start_ms > s.start_ms - ?4 - ?5 AND n.start_ms < s.start_ms + s.dur_ms + ?5
					AND n.start_ms + n.dur_ms > s.start_ms - ?5)
				ORDER BY s.day, s.start_ms LIMIT ?6`,
				share.disk, share.stream, maxDay, longest, margin.Milliseconds(), max(limit-len(quiet), 0))
			if err != nil {
				return err
			}
			quiet = append(quiet, some...)
		}
		return nil
	})
	return quiet, err
}

// fineDensity is the longest stretch of which Density tells each segment.
const fineDensity = 49 * time.Hour

// Density returns how much moved in [from, to), in order: of each segment where
// that is about two days or less, else of each quarter of an hour. Stretches in
// which nothing moved are left out, neighbours of which nothing is known joined.
func (x *Index) Density(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]nvr.Density, error) {
	if !from.Before(to) {
		return nil, nil
	}
	var rows []nvr.Density
	err := x.db.view(ctx, "look up how much moved", func(ctx context.Context, tx *sql.Tx) error {
		num, longest, err := lookBack(ctx, tx, stream)
		if isNone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if to.Sub(from) > fineDensity {
			rows, err = list(ctx, tx, fillDensity, `SELECT quarter * ?1, ?1, moving, unknown = 0 FROM quarter
				WHERE stream = ?2 AND quarter >= ?3 AND quarter < ?4 AND (moving > 0 OR unknown > 0) ORDER BY quarter`,
				quarterMS, num, floorDiv(from.UnixMilli(), quarterMS), floorDiv(ceilMS(to)+quarterMS-1, quarterMS))
			return err
		}
		rows, err = list(ctx, tx, fillDensity, `SELECT start_ms, dur_ms, coalesce(activity, 0) % ?5 / ?6, activity IS NOT NULL FROM segment
			WHERE stream = ?1 AND start_ms >= ?2 - ?3 AND start_ms < ?4 AND start_ms + max(dur_ms, 1) > ?2
			AND (activity IS NULL OR activity % ?5 >= ?6) ORDER BY start_ms, seq`,
			num, from.UnixMilli(), longest, ceilMS(to), activityEvents, activityMoving)
		return err
	})
	return joinUnknown(rows), err
}

func fillDensity(scan scan, d *nvr.Density) error {
	var start, dur, moving int64
	if err := scan(&start, &dur, &moving, &d.Known); err != nil {
		return err
	}
	d.From, d.To = time.UnixMilli(start).UTC(), time.UnixMilli(start+dur).UTC()
	d.Moving = time.Duration(moving) * time.Second
	return nil
}

// joinUnknown joins neighbours of which nothing is known.
func joinUnknown(rows []nvr.Density) []nvr.Density {
	const touching = time.Second
	out := rows[:0]
	for _, d := range rows {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if !last.Known && !d.Known && last.Moving+d.Moving == 0 && d.From.Sub(last.To) <= touching {
				if d.To.After(last.To) {
					last.To = d.To
				}
				continue
			}
		}
		out = append(out, d)
	}
	return out
}

// lookBack returns the number of a stream and the length (ms) of its longest
// segment. Errors: sql.ErrNoRows for one that is not known.
func lookBack(ctx context.Context, tx *sql.Tx, stream nvr.StreamID) (num, longest int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT num, longest_ms FROM stream WHERE id = ?`, stream[:]).Scan(&num, &longest)
	return num, longest, err
}
