package db

import (
	"context"
	"database/sql"
	"fmt"

	"lares/nvr"
)

// Setting returns a value, or nvr.ErrNotFound.
func (c *Config) Setting(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := c.db.view(ctx, "read a setting", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT value FROM setting WHERE key = ?`, key).Scan(bytesOf{&value})
	})
	return value, err
}

// maxSetting is how many bytes a setting may have: it is no place for files.
const maxSetting = 1 << 20

// SetSetting inserts or replaces a value. One of more than 1 MiB is nvr.ErrInvalid.
func (c *Config) SetSetting(ctx context.Context, key string, value []byte) error {
	if len(value) > maxSetting {
		return fmt.Errorf("save a setting of %d bytes: %w", len(value), nvr.ErrInvalid)
	}
	return c.db.update(ctx, "save a setting", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO setting VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, key, blob(value))
		return err
	})
}

// DeleteSetting removes a value, or returns nvr.ErrNotFound.
func (c *Config) DeleteSetting(ctx context.Context, key string) error {
	return c.db.update(ctx, "delete a setting", func(ctx context.Context, tx *sql.Tx) error {
		return one(tx.ExecContext(ctx, `DELETE FROM setting WHERE key = ?`, key))
	})
}

// Disks returns the footage paths in the order in which they were added.
func (c *Config) Disks(ctx context.Context) ([]nvr.Disk, error) {
	var all []nvr.Disk
	err := c.db.view(ctx, "read footage paths", func(ctx context.Context, tx *sql.Tx) (err error) {
		fill := func(scan scan, d *nvr.Disk) error { return scan(id(&d.ID), &d.Path, &d.Quota) }
		all, err = list(ctx, tx, fill, `SELECT id, path, quota FROM disk ORDER BY num`)
		return err
	})
	return all, err
}

// SaveDisk inserts or replaces a footage path.
func (c *Config) SaveDisk(ctx context.Context, d nvr.Disk) error {
	return c.db.update(ctx, "save a footage path", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO disk (id, path, quota) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET path = excluded.path, quota = excluded.quota`, d.ID[:], d.Path, d.Quota)
		return err
	})
}
