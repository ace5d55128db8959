package db

import (
	"context"
	"database/sql"
	"fmt"

	"lares/nvr"
)

const vaultColumns = `id, camera, day, public, roster, escrow, signature, created`

func fillVault(scan scan, v *nvr.Vault) error {
	return scan(id(&v.ID), id(&v.Camera), &v.Day, bytesOf{&v.Public}, &v.Roster, bytesOf{&v.Escrow}, bytesOf{&v.Signature}, timeOf{&v.Created})
}

// NewestVault returns the vault of a camera and day that was made last, or
// nvr.ErrNotFound.
func (c *Config) NewestVault(ctx context.Context, camera nvr.CameraID, day int) (nvr.Vault, error) {
	var v nvr.Vault
	err := c.db.view(ctx, "read the vault of the day", func(ctx context.Context, tx *sql.Tx) error {
		return fillVault(tx.QueryRowContext(ctx, `SELECT `+vaultColumns+` FROM vault WHERE camera = ? AND day = ? ORDER BY num DESC LIMIT 1`,
			camera[:], day).Scan, &v)
	})
	return v, err
}

// Vault returns one vault. Those that were destroyed are nvr.ErrNotFound, see
// [Config.Destroyed].
func (c *Config) Vault(ctx context.Context, vault nvr.VaultID) (nvr.Vault, error) {
	var v nvr.Vault
	err := c.db.view(ctx, "read a vault", func(ctx context.Context, tx *sql.Tx) error {
		return fillVault(tx.QueryRowContext(ctx, `SELECT `+vaultColumns+` FROM vault WHERE id = ?`, vault[:]).Scan, &v)
	})
	return v, err
}

// AddVault inserts a vault with its grants. One that was destroyed stays so:
// nvr.ErrDestroyed; one that is there already is nvr.ErrInvalid.
func (c *Config) AddVault(ctx context.Context, v nvr.Vault, grants []nvr.Grant) error {
	return c.db.update(ctx, "add a vault", func(ctx context.Context, tx *sql.Tx) error { return addVault(ctx, tx, v, grants) })
}

func addVault(ctx context.Context, tx *sql.Tx, v nvr.Vault, grants []nvr.Grant) error {
	gone, err := isDestroyed(ctx, tx, v.ID)
	if err != nil {
		return err
	}
	if gone {
		return nvr.ErrDestroyed
	}
	var signature any // NULL until there is one
	if len(v.Signature) > 0 {
		signature = v.Signature
	}
	r, err := tx.ExecContext(ctx, `INSERT INTO vault (id, camera, day, public, roster, escrow, signature, created)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
		v.ID[:], v.Camera[:], v.Day, blob(v.Public), v.Roster, blob(v.Escrow), signature, storeTime(v.Created))
	if err := inserted(r, err); err != nil {
		return err
	}
	num, err := r.LastInsertId()
	if err != nil {
		return err
	}
	return addGrants(ctx, tx, num, v.ID, grants)
}

func addGrants(ctx context.Context, tx *sql.Tx, num int64, vault nvr.VaultID, grants []nvr.Grant) error {
	for _, g := range grants {
		if g.Vault != vault {
			return fmt.Errorf("a grant of another vault: %w", nvr.ErrInvalid)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO vault_grant (vault, principal, sealed_to) VALUES (?, ?, ?)`,
			num, g.Principal[:], blob(g.Sealed)); err != nil {
			return err
		}
	}
	return nil
}

// Grants returns the grants of a vault, none if there is no such vault.
func (c *Config) Grants(ctx context.Context, vault nvr.VaultID) ([]nvr.Grant, error) {
	var all []nvr.Grant
	err := c.db.view(ctx, "read grants", func(ctx context.Context, tx *sql.Tx) (err error) {
		fill := func(scan scan, g *nvr.Grant) error {
			g.Vault = vault
			return scan(id(&g.Principal), bytesOf{&g.Sealed})
		}
		all, err = list(ctx, tx, fill, `SELECT principal, sealed_to FROM vault_grant
			WHERE vault = (SELECT num FROM vault WHERE id = ?) ORDER BY rowid`, vault[:])
		return err
	})
	return all, err
}

// UnsignedVaults lists up to limit vaults that no owner has countersigned,
// oldest first.
func (c *Config) UnsignedVaults(ctx context.Context, limit int) ([]nvr.Vault, error) {
	var all []nvr.Vault
	err := c.db.view(ctx, "read unsigned vaults", func(ctx context.Context, tx *sql.Tx) (err error) {
		all, err = list(ctx, tx, fillVault, `SELECT `+vaultColumns+` FROM vault WHERE signature IS NULL ORDER BY num LIMIT ?`, max(limit, 0))
		return err
	})
	return all, err
}

// SignVault stores an owner's countersignature.
func (c *Config) SignVault(ctx context.Context, vault nvr.VaultID, signature []byte) error {
	if len(signature) == 0 {
		return fmt.Errorf("sign a vault: empty signature: %w", nvr.ErrInvalid)
	}
	return c.db.update(ctx, "sign a vault", func(ctx context.Context, tx *sql.Tx) error {
		return one(tx.ExecContext(ctx, `UPDATE vault SET signature = ? WHERE id = ?`, signature, vault[:]))
	})
}

// DestroyVault erases a vault with its public key, grants and escrow, and what
// links hold of its segments, from the database, its unused pages and its write-ahead log: when it returns without an
// error none of it is there any more. Only the id stays. Destroying twice is no
// error. Errors: nvr.ErrNotFound, ErrNotErased.
func (c *Config) DestroyVault(ctx context.Context, vault nvr.VaultID) error {
	return c.erase(ctx, "destroy a vault", func(ctx context.Context, tx *sql.Tx) ([][]byte, error) {
		if gone, err := isDestroyed(ctx, tx, vault); gone || err != nil {
			return nil, err
		}
		var num int64
		var public, escrow []byte
		if err := tx.QueryRowContext(ctx, `SELECT num, public, escrow FROM vault WHERE id = ?`, vault[:]).
			Scan(&num, bytesOf{&public}, bytesOf{&escrow}); err != nil {
			return nil, err
		}
		gone, err := list(ctx, tx, fillBlob, `DELETE FROM vault_grant WHERE vault = ? RETURNING sealed_to`, num)
		if err != nil {
			return nil, err
		}
		shared, err := list(ctx, tx, fillBlob, `DELETE FROM share_key WHERE vault = ? RETURNING wrapped`, num)
		if err != nil {
			return nil, err
		}
		gone = append(gone, shared...)
		if _, err := tx.ExecContext(ctx, `DELETE FROM vault WHERE num = ?`, num); err != nil {
			return nil, err
		}
		if _, err = tx.ExecContext(ctx, `INSERT INTO destroyed (vault) VALUES (?)`, vault[:]); err != nil {
			return nil, err
		}
		return sample(ctx, tx, append([][]byte{public, escrow}, gone...))
	})
}

// Destroyed reports whether a vault was destroyed.
func (c *Config) Destroyed(ctx context.Context, vault nvr.VaultID) (bool, error) {
	var gone bool
	err := c.db.view(ctx, "look for a destroyed vault", func(ctx context.Context, tx *sql.Tx) (err error) {
		gone, err = isDestroyed(ctx, tx, vault)
		return err
	})
	return gone, err
}

func isDestroyed(ctx context.Context, tx *sql.Tx, vault nvr.VaultID) (gone bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM destroyed WHERE vault = ?)`, vault[:]).Scan(&gone)
	return gone, err
}
