package db

import (
	"context"
	"database/sql"

	"lares/nvr"
)

// maxNotices is how many notices are kept; the oldest go.
const maxNotices = 1000

// AddNotice inserts a notice and gives it the next number.
func (c *Config) AddNotice(ctx context.Context, n nvr.Notice) error {
	return c.db.update(ctx, "add a notice", func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO notice (time, kind, principal, camera, count) VALUES (?, ?, ?, ?, ?)`,
			storeTime(n.Time), n.Kind, n.Principal[:], n.Camera[:], n.Count); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM notice WHERE num <= (SELECT max(num) FROM notice) - ?`, maxNotices)
		return err
	})
}

// Notices returns up to limit notices, newest first.
func (c *Config) Notices(ctx context.Context, limit int) ([]nvr.Notice, error) {
	var all []nvr.Notice
	err := c.db.view(ctx, "read notices", func(ctx context.Context, tx *sql.Tx) (err error) {
		fill := func(scan scan, n *nvr.Notice) error {
			return scan(&n.Num, timeOf{&n.Time}, &n.Kind, id(&n.Principal), id(&n.Camera), &n.Count)
		}
		all, err = list(ctx, tx, fill, `SELECT num, time, kind, principal, camera, count FROM notice ORDER BY num DESC LIMIT ?`, max(limit, 0))
		return err
	})
	return all, err
}
