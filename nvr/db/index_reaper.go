package db

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"lares/nvr"
)

// Oldest returns up to limit segments without the Held flag of box day maxDay or
// before, oldest first by (Day, Start, Seq): those on a disk and of a stream, a
// zero identifier standing for all disks or all streams.
func (x *Index) Oldest(ctx context.Context, disk nvr.DiskID, stream nvr.StreamID, maxDay, limit int) ([]nvr.Segment, error) {
	var oldest []nvr.Segment
	err := x.db.view(ctx, "look up the oldest footage", func(ctx context.Context, tx *sql.Tx) error {
		shares, err := findShares(ctx, tx, disk, stream)
		if err != nil {
			return err
		}
		// One index serves both questions: the oldest of each stream on each disk
		// are merged here.
		for _, share := range shares {
			some, err := list(ctx, tx, fillSegment, `SELECT `+columns+` FROM segment s INDEXED BY segment_age `+numbers+`
				WHERE s.disk = ? AND s.stream = ? AND s.flags & 2 = 0 AND s.day <= ? ORDER BY s.day, s.start_ms, s.seq LIMIT ?`,
				share.disk, share.stream, maxDay, max(limit, 0))
			if err != nil {
				return err
			}
			oldest = append(oldest, some...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(oldest, func(a, b nvr.Segment) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), a.Start.Compare(b.Start), cmp.Compare(a.Seq, b.Seq))
	})
	return oldest[:min(len(oldest), max(limit, 0))], nil
}

func findShares(ctx context.Context, tx *sql.Tx, disk nvr.DiskID, stream nvr.StreamID) ([]shareKey, error) {
	return list(ctx, tx, func(scan scan, k *shareKey) error { return scan(&k.disk, &k.stream) }, `SELECT h.disk, h.stream FROM share h JOIN disk d ON d.num = h.disk JOIN stream st ON st.num = h.stream
		WHERE (?1 OR d.id = ?2) AND (?3 OR st.id = ?4)`, disk.IsZero(), disk[:], stream.IsZero(), stream[:])
}

// Discard moves rows to the garbage list in one transaction. A segment that has
// no row on its disk is entered as garbage all the same: its file can be
// unlinked by the same rule.
func (x *Index) Discard(ctx context.Context, segments ...nvr.Segment) error {
	if len(segments) == 0 {
		return nil
	}
	return x.db.update(ctx, "discard footage", func(ctx context.Context, tx *sql.Tx) error {
		c := newChange(tx)
		for i := range segments {
			if err := c.discard(ctx, &segments[i]); err != nil {
				return err
			}
		}
		return c.finish(ctx)
	})
}

func (c *change) discard(ctx context.Context, s *nvr.Segment) error {
	stream, disk, vault, err := c.place(ctx, s)
	if err != nil {
		return err
	}
	k := key{stream, s.Start.UnixMilli(), s.Seq}
	if _, err := c.remove(ctx, k, disk); err != nil {
		return err
	}
	_, err = c.tx.ExecContext(ctx, `INSERT OR REPLACE INTO garbage (disk, stream, start_ms, seq, dur_ms, bytes, vault, day, flags)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		disk, k.stream, k.startMS, k.seq, durationMS(s.Duration), s.Bytes, vault, s.Day, s.Flags)
	return err
}

// Garbage returns what was discarded and not yet forgotten.
func (x *Index) Garbage(ctx context.Context) ([]nvr.Segment, error) {
	var found []nvr.Segment
	err := x.db.view(ctx, "list discarded footage", func(ctx context.Context, tx *sql.Tx) (err error) {
		found, err = list(ctx, tx, fillSegment, `SELECT `+columns+` FROM (SELECT *, NULL AS activity FROM garbage) s `+numbers+` ORDER BY s.disk, s.stream, s.start_ms, s.seq`)
		return err
	})
	return found, err
}

// Forget takes segments from the garbage list: their files are gone.
func (x *Index) Forget(ctx context.Context, segments ...nvr.Segment) error {
	if len(segments) == 0 {
		return nil
	}
	return x.db.update(ctx, "forget discarded footage", func(ctx context.Context, tx *sql.Tx) error {
		for i := range segments {
			s := &segments[i]
			if _, err := tx.ExecContext(ctx, `DELETE FROM garbage WHERE disk = (SELECT num FROM disk WHERE id = ?)
				AND stream = (SELECT num FROM stream WHERE id = ?) AND start_ms = ? AND seq = ?`,
				s.Disk[:], s.Stream[:], s.Start.UnixMilli(), s.Seq); err != nil {
				return err
			}
		}
		return nil
	})
}

// Used returns the bytes of all rows on a disk, without garbage.
func (x *Index) Used(ctx context.Context, disk nvr.DiskID) (int64, error) {
	var used int64
	err := x.db.view(ctx, "add up the footage of a disk", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT coalesce(sum(bytes), 0) FROM share WHERE disk = (SELECT num FROM disk WHERE id = ?)`, disk[:]).Scan(&used)
	})
	return used, err
}
