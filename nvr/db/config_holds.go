package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"lares/nvr"
)

// Holds returns what is kept as evidence, oldest first.
func (c *Config) Holds(ctx context.Context) ([]nvr.Hold, error) {
	var all []nvr.Hold
	err := c.db.view(ctx, "read holds", func(ctx context.Context, tx *sql.Tx) (err error) {
		all, err = list(ctx, tx, fillRecord[nvr.Hold](c, "hold.sealed"), `SELECT id, sealed FROM hold ORDER BY num`)
		return err
	})
	return all, err
}

// AddHold inserts a hold. One that is there already is nvr.ErrInvalid.
func (c *Config) AddHold(ctx context.Context, h nvr.Hold) error {
	sealed, err := c.sealRecord("hold.sealed", h.ID, h)
	if err != nil {
		return fmt.Errorf("add a hold: %w", err)
	}
	return c.db.update(ctx, "add a hold", func(ctx context.Context, tx *sql.Tx) error {
		return inserted(tx.ExecContext(ctx, `INSERT INTO hold (id, sealed) VALUES (?, ?) ON CONFLICT DO NOTHING`, h.ID[:], sealed))
	})
}

// RemoveHold removes a hold, or returns nvr.ErrNotFound.
func (c *Config) RemoveHold(ctx context.Context, hold nvr.ID[nvr.Hold]) error {
	return c.db.update(ctx, "remove a hold", func(ctx context.Context, tx *sql.Tx) error {
		return one(tx.ExecContext(ctx, `DELETE FROM hold WHERE id = ?`, hold[:]))
	})
}

// OpenDeletions returns the receipts that are not done, oldest first.
func (c *Config) OpenDeletions(ctx context.Context) ([]nvr.Deletion, error) {
	var all []nvr.Deletion
	err := c.db.view(ctx, "read deletions", func(ctx context.Context, tx *sql.Tx) (err error) {
		all, err = list(ctx, tx, fillRecord[nvr.Deletion](c, "deletion.sealed"), `SELECT id, sealed FROM deletion WHERE done IS NULL ORDER BY num`)
		return err
	})
	return all, err
}

// SaveDeletion inserts or replaces a receipt.
func (c *Config) SaveDeletion(ctx context.Context, d nvr.Deletion) error {
	sealed, err := c.sealRecord("deletion.sealed", d.ID, d)
	if err != nil {
		return fmt.Errorf("save a deletion: %w", err)
	}
	return c.db.update(ctx, "save a deletion", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO deletion (id, sealed, done) VALUES (?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, done = excluded.done`, d.ID[:], sealed, storeTime(d.Done))
		return err
	})
}

// sealRecord seals all of a record for one column of its row.
func (c *Config) sealRecord(column string, row [16]byte, record any) ([]byte, error) {
	plain, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", nvr.ErrInvalid, err)
	}
	return c.seal(column, row[:], plain)
}

// fillRecord reads the columns id and sealed of a row that sealRecord sealed.
func fillRecord[Record any](c *Config, column string) func(scan, *Record) error {
	return func(scan scan, record *Record) error {
		var row idValue
		var sealed []byte
		if err := scan(&row, bytesOf{&sealed}); err != nil {
			return err
		}
		fields, err := c.unseal(column, row[:], sealed, 1)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(fields[0], record); err != nil {
			return fmt.Errorf("read the %s of %x: %w", column, row, nvr.ErrCorrupt)
		}
		return nil
	}
}
