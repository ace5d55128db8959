package db

import (
	"context"
	"database/sql"

	"lares/nvr"
)

// VaultCameras lists the cameras that have vaults; the zero one, if there is one,
// is the household's log.
func (c *Config) VaultCameras(ctx context.Context) ([]nvr.CameraID, error) {
	var all []nvr.CameraID
	err := c.db.view(ctx, "list cameras with vaults", func(ctx context.Context, tx *sql.Tx) (err error) {
		fill := func(scan scan, camera *nvr.CameraID) error { return scan(id(camera)) }
		all, err = list(ctx, tx, fill, `SELECT DISTINCT camera FROM vault ORDER BY camera`)
		return err
	})
	return all, err
}

// VaultsWithout lists up to limit vaults of a camera that are not sealed to a
// principal, newest first, those made before a vault if that is not zero.
func (c *Config) VaultsWithout(ctx context.Context, p nvr.PrincipalID, camera nvr.CameraID, before nvr.VaultID, limit int) ([]nvr.Vault, error) {
	var all []nvr.Vault
	err := c.db.view(ctx, "list vaults to grant", func(ctx context.Context, tx *sql.Tx) (err error) {
		all, err = list(ctx, tx, fillVault, `SELECT `+vaultColumns+` FROM vault WHERE camera = ?1
			AND (?2 = zeroblob(16) OR num < (SELECT num FROM vault WHERE id = ?2))
			AND NOT EXISTS (SELECT 1 FROM vault_grant WHERE vault = vault.num AND principal = ?3)
			ORDER BY num DESC LIMIT ?4`, camera[:], before[:], p[:], max(limit, 0))
		return err
	})
	return all, err
}

// CountWithout counts the vaults of a camera that are not sealed to a principal.
func (c *Config) CountWithout(ctx context.Context, p nvr.PrincipalID, camera nvr.CameraID) (n int, err error) {
	err = c.db.view(ctx, "count vaults to grant", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT count(*) FROM vault WHERE camera = ?
			AND NOT EXISTS (SELECT 1 FROM vault_grant WHERE vault = vault.num AND principal = ?)`, camera[:], p[:]).Scan(&n)
	})
	return n, err
}

// AddGrants inserts grants in one transaction. Those of vaults that are gone and
// those that are there already are left out.
func (c *Config) AddGrants(ctx context.Context, grants []nvr.Grant) error {
	return c.db.update(ctx, "add grants", func(ctx context.Context, tx *sql.Tx) error {
		for _, g := range grants {
			if _, err := tx.ExecContext(ctx, `INSERT INTO vault_grant (vault, principal, sealed_to)
				SELECT num, ?, ? FROM vault WHERE id = ? ON CONFLICT DO NOTHING`, g.Principal[:], blob(g.Sealed), g.Vault[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropGrants returns what is gone afterwards.
func dropGrants(ctx context.Context, tx *sql.Tx, d nvr.GrantDrop) ([][]byte, error) {
	if d.All {
		return list(ctx, tx, fillBlob, `DELETE FROM vault_grant WHERE principal = ? RETURNING sealed_to`, d.Principal[:])
	}
	var gone [][]byte
	for _, camera := range d.Cameras {
		some, err := list(ctx, tx, fillBlob, `DELETE FROM vault_grant WHERE principal = ?
			AND vault IN (SELECT num FROM vault WHERE camera = ?) RETURNING sealed_to`, d.Principal[:], camera[:])
		if err != nil {
			return nil, err
		}
		gone = append(gone, some...)
	}
	return gone, nil
}
