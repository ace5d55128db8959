package db

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"lares/nvr"
)

// quarterMS is a quarter of an hour in milliseconds: every time zone of today
// is whole quarters from UTC.
const quarterMS = 15 * 60 * 1000

// change gathers what a transaction does to the rows, so that the totals are
// touched once for each stream, disk and quarter of an hour.
type change struct {
	tx       *sql.Tx
	numbers  map[numberKey]int64
	shares   map[shareKey]total
	quarters map[quarterKey]total
	streams  map[int64]*streamChange
}

type (
	numberKey struct {
		table string
		id    [16]byte
	}
	shareKey   struct{ disk, stream int64 }
	quarterKey struct{ stream, quarter int64 }
	// total is a sum of segments; amount counts segments or milliseconds.
	// moving (s) and unknown (ms) are of quarters only.
	total        struct{ amount, bytes, moving, unknown int64 }
	streamChange struct {
		longest int64 // ms
		newest  key
		added   bool
		removed []key
	}
)

// row is a stored segment as the totals need it.
type row struct {
	key
	disk     int64
	durMS    int64
	bytes    int64
	activity nvr.Activity
}

func newChange(tx *sql.Tx) *change {
	return &change{
		tx: tx, numbers: make(map[numberKey]int64), shares: make(map[shareKey]total),
		quarters: make(map[quarterKey]total), streams: make(map[int64]*streamChange),
	}
}

// number returns the small number of an identifier in the table stream, disk or
// vault, which it assigns if need be.
func (c *change) number(ctx context.Context, table string, id [16]byte) (int64, error) {
	k := numberKey{table, id}
	if n, ok := c.numbers[k]; ok {
		return n, nil
	}
	var n int64
	err := c.tx.QueryRowContext(ctx, `SELECT num FROM `+table+` WHERE id = ?`, id[:]).Scan(&n) // #nosec G202 -- one of three constants
	if isNone(err) {
		err = c.tx.QueryRowContext(ctx, `INSERT INTO `+table+` (id) VALUES (?) RETURNING num`, id[:]).Scan(&n) // #nosec G202 -- as above
	}
	if err != nil {
		return 0, fmt.Errorf("number a %s: %w", table, err)
	}
	c.numbers[k] = n
	return n, nil
}

// place returns the numbers of a segment's stream, disk and vault.
func (c *change) place(ctx context.Context, s *nvr.Segment) (stream, disk, vault int64, err error) {
	if stream, err = c.number(ctx, "stream", s.Stream); err != nil {
		return 0, 0, 0, err
	}
	if disk, err = c.number(ctx, "disk", s.Disk); err != nil {
		return 0, 0, 0, err
	}
	vault, err = c.number(ctx, "vault", s.Vault)
	return stream, disk, vault, err
}

// add inserts or replaces one row.
func (c *change) add(ctx context.Context, s *nvr.Segment) error {
	if err := checkSegment(s); err != nil {
		return err
	}
	stream, disk, vault, err := c.place(ctx, s)
	if err != nil {
		return err
	}
	r := row{key: key{stream, s.Start.UnixMilli(), s.Seq}, disk: disk, durMS: durationMS(s.Duration), bytes: s.Bytes, activity: s.Activity}
	if _, err := c.remove(ctx, r.key, 0); err != nil {
		return err
	}
	if _, err := c.tx.ExecContext(ctx, `INSERT INTO segment (stream, start_ms, seq, dur_ms, bytes, disk, vault, day, flags, activity)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.stream, r.startMS, r.seq, r.durMS, r.bytes, r.disk, vault, s.Day, s.Flags, storeActivity(s.Activity)); err != nil {
		return err
	}
	c.count(r, 1)
	sc := c.stream(stream)
	sc.longest = max(sc.longest, r.durMS)
	if !sc.added || r.seq >= sc.newest.seq {
		sc.added, sc.newest = true, r.key
	}
	return nil
}

// remove deletes one row, if it is there and, unless disk is 0, on that disk.
func (c *change) remove(ctx context.Context, k key, disk int64) (removed bool, err error) {
	r := row{key: k}
	err = c.tx.QueryRowContext(ctx, `DELETE FROM segment WHERE stream = ?1 AND start_ms = ?2 AND seq = ?3 AND (?4 = 0 OR disk = ?4)
		RETURNING disk, dur_ms, bytes, activity`, k.stream, k.startMS, k.seq, disk).Scan(&r.disk, &r.durMS, &r.bytes, activityOf{&r.activity})
	if isNone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	c.count(r, -1)
	sc := c.stream(k.stream)
	sc.removed = append(sc.removed, k)
	return true, nil
}

func (c *change) stream(num int64) *streamChange {
	sc := c.streams[num]
	if sc == nil {
		sc = &streamChange{}
		c.streams[num] = sc
	}
	return sc
}

// count adds a row to the totals, or takes it away with sign -1. Bytes and
// seconds with motion are spread over the quarters of an hour by time, the rest
// goes to the last.
func (c *change) count(r row, sign int64) {
	share := c.shares[shareKey{r.disk, r.stream}]
	share.amount += sign
	share.bytes += sign * r.bytes
	c.shares[shareKey{r.disk, r.stream}] = share

	end, left := r.startMS+r.durMS, total{bytes: r.bytes, moving: int64(storedMoving(r.activity))}
	for from := r.startMS; ; {
		quarter := floorDiv(from, quarterMS)
		till := min(end, (quarter+1)*quarterMS)
		part := left
		if till < end {
			share := float64(till-from) / float64(r.durMS)
			part.bytes = int64(float64(r.bytes) * share)
			part.moving = min(left.moving, int64(float64(storedMoving(r.activity))*share))
		}
		k := quarterKey{r.stream, quarter}
		q := c.quarters[k]
		q.amount += sign * (till - from)
		q.bytes += sign * part.bytes
		q.moving += sign * part.moving
		if !r.activity.Known {
			q.unknown += sign * (till - from)
		}
		c.quarters[k] = q
		if till >= end {
			return
		}
		left.bytes -= part.bytes
		left.moving -= part.moving
		from = till
	}
}

// finish writes the totals.
func (c *change) finish(ctx context.Context) error {
	for k, t := range c.shares {
		if _, err := c.tx.ExecContext(ctx, `INSERT INTO share (disk, stream, segments, bytes) VALUES (?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET segments = segments + excluded.segments, bytes = bytes + excluded.bytes`,
			k.disk, k.stream, t.amount, t.bytes); err != nil {
			return err
		}
		if _, err := c.tx.ExecContext(ctx, `DELETE FROM share WHERE disk = ? AND stream = ? AND segments = 0`, k.disk, k.stream); err != nil {
			return err
		}
	}
	for k, t := range c.quarters {
		if _, err := c.tx.ExecContext(ctx, `INSERT INTO quarter (stream, quarter, ms, bytes, moving, unknown) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET ms = ms + excluded.ms, bytes = bytes + excluded.bytes,
			moving = moving + excluded.moving, unknown = unknown + excluded.unknown`,
			k.stream, k.quarter, t.amount, t.bytes, t.moving, t.unknown); err != nil {
			return err
		}
		if _, err := c.tx.ExecContext(ctx, `DELETE FROM quarter WHERE stream = ? AND quarter = ? AND ms = 0 AND bytes = 0`, k.stream, k.quarter); err != nil {
			return err
		}
	}
	for num, sc := range c.streams {
		if err := c.finishStream(ctx, num, sc); err != nil {
			return err
		}
	}
	return nil
}

// finishStream brings the longest and the newest segment of a stream up to date.
func (c *change) finishStream(ctx context.Context, num int64, sc *streamChange) error {
	if err := c.replaceNewest(ctx, num, sc.removed); err != nil || !sc.added {
		return err
	}
	_, err := c.tx.ExecContext(ctx, `UPDATE stream SET longest_ms = max(longest_ms, ?2),
		newest_start = iif(newest_seq > ?4, newest_start, ?3), newest_seq = iif(newest_seq > ?4, newest_seq, ?4)
		WHERE num = ?1`, num, sc.longest, sc.newest.startMS, sc.newest.seq)
	return err
}

// replaceNewest looks for another newest row of a stream if that is among the
// removed. This reads all rows of the stream, but the newest is deleted last.
func (c *change) replaceNewest(ctx context.Context, num int64, removed []key) error {
	if len(removed) == 0 {
		return nil
	}
	var start, seq sql.NullInt64
	err := c.tx.QueryRowContext(ctx, `SELECT newest_start, newest_seq FROM stream WHERE num = ?`, num).Scan(&start, &seq)
	if err != nil {
		return err
	}
	if !start.Valid || !slices.Contains(removed, key{num, start.Int64, uint64(seq.Int64)}) {
		return nil
	}
	_, err = c.tx.ExecContext(ctx, `UPDATE stream SET (newest_start, newest_seq) =
		(SELECT start_ms, seq FROM segment WHERE stream = ?1 ORDER BY seq DESC, start_ms DESC LIMIT 1)
		WHERE num = ?1`, num)
	return err
}

// floorDiv divides and rounds down, also before 1970.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
