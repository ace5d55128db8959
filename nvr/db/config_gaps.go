package db

import (
	"context"
	"database/sql"
	"time"

	"lares/nvr"
)

// joinWithin is how far apart two gaps of the same cause may be to become one:
// less than a picture of a slow camera. Without it each segment that expires
// would leave a row.
const joinWithin = 250 * time.Millisecond

// OpenGap notes that a stream has no footage from g.From on. A gap of the stream
// that is still open stays as it is: the first cause counts.
func (c *Config) OpenGap(ctx context.Context, g nvr.Gap) error {
	return c.db.update(ctx, "open a gap", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO gap (stream, began, cause, detail) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			g.Stream[:], unixNano(g.From), g.Cause, g.Detail)
		return err
	})
}

// CloseGap ends the open gap of a stream, if there is one; one that does not
// last is removed.
func (c *Config) CloseGap(ctx context.Context, stream nvr.StreamID, to time.Time) error {
	return c.db.update(ctx, "close a gap", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM gap WHERE stream = ? AND ended IS NULL AND began >= ?`, stream[:], unixNano(to)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE gap SET ended = ? WHERE stream = ? AND ended IS NULL`, unixNano(to), stream[:])
		return err
	})
}

// AddGap inserts a gap that is over. It is joined with those of the same stream,
// cause and detail that it overlaps or touches within a quarter of a second.
// One that does not last is left out, as with CloseGap.
func (c *Config) AddGap(ctx context.Context, g nvr.Gap) error {
	if !g.To.After(g.From) {
		return nil
	}
	return c.db.update(ctx, "add a gap", func(ctx context.Context, tx *sql.Tx) error {
		began, ended := unixNano(g.From), unixNano(g.To)
		fill := func(scan scan, s *[2]int64) error { return scan(&s[0], &s[1]) }
		joined, err := list(ctx, tx, fill, `DELETE FROM gap WHERE stream = ? AND cause = ? AND detail = ? AND began <= ? AND ended >= ?
			RETURNING began, ended`, g.Stream[:], g.Cause, g.Detail, ended+joinWithin.Nanoseconds(), began-joinWithin.Nanoseconds())
		if err != nil {
			return err
		}
		for _, s := range joined {
			began, ended = min(began, s[0]), max(ended, s[1])
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO gap (stream, began, ended, cause, detail) VALUES (?, ?, ?, ?, ?)`,
			g.Stream[:], began, ended, g.Cause, g.Detail)
		return err
	})
}

// GapsIn returns the gaps of a stream that overlap [from, to), by From.
func (c *Config) GapsIn(ctx context.Context, stream nvr.StreamID, from, to time.Time) ([]nvr.Gap, error) {
	if !from.Before(to) {
		return nil, nil
	}
	var gaps []nvr.Gap
	err := c.db.view(ctx, "read gaps", func(ctx context.Context, tx *sql.Tx) (err error) {
		fill := func(scan scan, g *nvr.Gap) error {
			g.Stream = stream
			return scan(timeOf{&g.From}, timeOf{&g.To}, &g.Cause, &g.Detail)
		}
		gaps, err = list(ctx, tx, fill, `SELECT began, ended, cause, detail FROM gap
			WHERE stream = ? AND began < ? AND (ended IS NULL OR ended > ?) ORDER BY began, num`,
			stream[:], unixNano(to), unixNano(from))
		return err
	})
	return gaps, err
}
