package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"lares/nvr"
)

// Shares returns all links, oldest first.
func (c *Config) Shares(ctx context.Context) ([]nvr.ShareLink, error) {
	var all []nvr.ShareLink
	err := c.db.view(ctx, "read links", func(ctx context.Context, tx *sql.Tx) (err error) {
		all, err = list(ctx, tx, c.fillShare, `SELECT id, sealed, expires FROM share ORDER BY num`)
		return err
	})
	return all, err
}

func (c *Config) fillShare(scan scan, l *nvr.ShareLink) error {
	var key nvr.PrincipalID
	var sealed []byte
	var expires time.Time
	if err := scan(id(&key), bytesOf{&sealed}, timeOf{&expires}); err != nil {
		return err
	}
	fields, err := c.unseal("share.sealed", key[:], sealed, 1)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(fields[0], l); err != nil || l.ID != key || !l.Expires.Equal(expires) {
		return fmt.Errorf("read a link: %w", nvr.ErrCorrupt)
	}
	return nil
}

// AddShare inserts a link with the keys of its segments. Keys of vaults that are
// gone are left out. A link that is there already is nvr.ErrInvalid.
func (c *Config) AddShare(ctx context.Context, l nvr.ShareLink, keys []nvr.SharedKey) error {
	plain, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("add a link: %w: %w", nvr.ErrInvalid, err)
	}
	sealed, err := c.seal("share.sealed", l.ID[:], plain)
	if err != nil {
		return fmt.Errorf("add a link: %w", err)
	}
	return c.db.update(ctx, "add a link", func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, `INSERT INTO share (id, sealed, expires) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`,
			l.ID[:], sealed, storeTime(l.Expires))
		if err := inserted(r, err); err != nil {
			return err
		}
		num, err := r.LastInsertId()
		if err != nil {
			return err
		}
		for _, k := range keys {
			if _, err := tx.ExecContext(ctx, `INSERT INTO share_key (share, lookup, vault, wrapped)
				SELECT ?, ?, num, ? FROM vault WHERE id = ? ON CONFLICT DO NOTHING`, num, k.Lookup[:], blob(k.Wrapped), k.Vault[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// ShareKey returns the key of a segment in a link, or nvr.ErrNotFound.
func (c *Config) ShareKey(ctx context.Context, link nvr.PrincipalID, lookup [32]byte) ([]byte, error) {
	var wrapped []byte
	err := c.db.view(ctx, "read the key of a link", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT wrapped FROM share_key WHERE lookup = ?
			AND share = (SELECT num FROM share WHERE id = ?)`, lookup[:], link[:]).Scan(bytesOf{&wrapped})
	})
	return wrapped, err
}

// RemoveShare removes a link and erases its keys from the disk. Errors:
// nvr.ErrNotFound, ErrNotErased.
func (c *Config) RemoveShare(ctx context.Context, link nvr.PrincipalID) error {
	return c.erase(ctx, "remove a link", func(ctx context.Context, tx *sql.Tx) ([][]byte, error) {
		var num int64
		if err := tx.QueryRowContext(ctx, `SELECT num FROM share WHERE id = ?`, link[:]).Scan(&num); err != nil {
			return nil, err
		}
		gone, err := list(ctx, tx, fillBlob, `DELETE FROM share_key WHERE share = ? RETURNING wrapped`, num)
		if err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM share WHERE num = ?`, num); err != nil {
			return nil, err
		}
		return sample(ctx, tx, gone)
	})
}
