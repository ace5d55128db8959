package db

import (
	"context"
	"database/sql"
	"fmt"

	"lares/nvr"
)

// Principals returns all principals in the order in which they were added,
// revoked ones included.
func (c *Config) Principals(ctx context.Context) ([]nvr.Principal, error) {
	var all []nvr.Principal
	err := c.db.view(ctx, "read people", func(ctx context.Context, tx *sql.Tx) (err error) {
		all, err = list(ctx, tx, c.fillPrincipal, `SELECT id, kind, role, sealed, public, secret, succession, created, revoked FROM principal ORDER BY num`)
		return err
	})
	return all, err
}

func (c *Config) fillPrincipal(scan scan, p *nvr.Principal) error {
	var sealed []byte
	if err := scan(id(&p.ID), &p.Kind, &p.Role, bytesOf{&sealed}, bytesOf{&p.Public}, bytesOf{&p.Secret},
		bytesOf{&p.Succession}, timeOf{&p.Created}, timeOf{&p.Revoked}); err != nil {
		return err
	}
	fields, err := c.unseal("principal.sealed", p.ID[:], sealed, 1)
	if err != nil {
		return err
	}
	p.Name = string(fields[0])
	return nil
}

// SavePrincipal inserts or replaces a principal; unlockers, unless nil, replace
// all that it had, and those are erased from the disk. Errors: ErrNotErased.
func (c *Config) SavePrincipal(ctx context.Context, p nvr.Principal, unlockers []nvr.Unlocker) error {
	return c.erase(ctx, "save a person", func(ctx context.Context, tx *sql.Tx) ([][]byte, error) {
		return c.savePrincipal(ctx, tx, nvr.PersonChange{Principal: p, Unlockers: unlockers})
	})
}

// savePrincipal returns the secrets that are gone afterwards.
func (c *Config) savePrincipal(ctx context.Context, tx *sql.Tx, change nvr.PersonChange) ([][]byte, error) {
	p := change.Principal
	sealed, err := c.seal("principal.sealed", p.ID[:], []byte(p.Name))
	if err != nil {
		return nil, err
	}
	var num int64
	err = tx.QueryRowContext(ctx, `INSERT INTO principal (id, kind, role, sealed, public, secret, succession, created, revoked)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, role = excluded.role, sealed = excluded.sealed,
		public = excluded.public, secret = excluded.secret, succession = excluded.succession, created = excluded.created,
		revoked = excluded.revoked RETURNING num`,
		p.ID[:], p.Kind, p.Role, sealed, blob(p.Public), blob(p.Secret), blob(p.Succession), storeTime(p.Created), storeTime(p.Revoked)).Scan(&num)
	if err != nil || change.Unlockers == nil {
		return nil, err
	}
	return c.replaceUnlockers(ctx, tx, num, change)
}

// replaceUnlockers returns the secrets that are gone afterwards.
func (c *Config) replaceUnlockers(ctx context.Context, tx *sql.Tx, num int64, change nvr.PersonChange) ([][]byte, error) {
	gone, err := list(ctx, tx, fillBlob, `DELETE FROM unlocker WHERE principal = ? RETURNING wrapped`, num)
	if err != nil {
		return nil, err
	}
	kept := make(map[string]bool, len(change.Unlockers))
	for _, u := range change.Unlockers {
		if u.Principal != change.Principal.ID {
			return nil, fmt.Errorf("an unlocker of somebody else: %w", nvr.ErrInvalid)
		}
		label, err := c.sealLabel(u)
		if err != nil {
			return nil, err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO unlocker (id, principal, kind, salt, params, wrapped, sealed, created, expires)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, u.ID[:], num, u.Kind, blob(u.Salt), blob(u.Params), blob(u.Wrapped), label,
			storeTime(u.Created), storeTime(u.Expires)); err != nil {
			return nil, err
		}
		kept[string(u.Wrapped)] = true
	}
	var erased [][]byte
	for _, b := range gone {
		if len(b) > 0 && !kept[string(b)] {
			erased = append(erased, b)
		}
	}
	return erased, nil
}

// sealLabel returns NULL where there is no label.
func (c *Config) sealLabel(u nvr.Unlocker) (any, error) {
	if u.Label == "" {
		return nil, nil //nolint:nilnil // NULL
	}
	return c.seal("unlocker.sealed", u.ID[:], []byte(u.Label))
}

// Unlockers returns what opens the key of a principal; none if there is no such
// principal.
func (c *Config) Unlockers(ctx context.Context, principal nvr.PrincipalID) ([]nvr.Unlocker, error) {
	var all []nvr.Unlocker
	err := c.db.view(ctx, "read what unlocks", func(ctx context.Context, tx *sql.Tx) (err error) {
		fill := func(scan scan, u *nvr.Unlocker) error {
			u.Principal = principal
			var label []byte
			if err := scan(id(&u.ID), &u.Kind, bytesOf{&u.Salt}, bytesOf{&u.Params}, bytesOf{&u.Wrapped}, bytesOf{&label},
				timeOf{&u.Created}, timeOf{&u.Expires}); err != nil || label == nil {
				return err
			}
			fields, err := c.unseal("unlocker.sealed", u.ID[:], label, 1)
			if err != nil {
				return err
			}
			u.Label = string(fields[0])
			return nil
		}
		all, err = list(ctx, tx, fill, `SELECT id, kind, salt, params, wrapped, sealed, created, expires FROM unlocker
			WHERE principal = (SELECT num FROM principal WHERE id = ?) ORDER BY num`, principal[:])
		return err
	})
	return all, err
}

// ForgetPeople removes all principals, unlockers, sessions, rosters, vaults,
// grants, links and notices, and erases them from the disk. What remains of vaults that were
// destroyed stays. Errors: ErrNotErased.
func (c *Config) ForgetPeople(ctx context.Context) error {
	return c.erase(ctx, "forget all people", func(ctx context.Context, tx *sql.Tx) ([][]byte, error) {
		gone, err := list(ctx, tx, fillBlob, `SELECT wrapped FROM unlocker UNION ALL SELECT secret FROM principal
			UNION ALL SELECT sealed_to FROM vault_grant UNION ALL SELECT escrow FROM vault
			UNION ALL SELECT wrapped FROM share_key`)
		if err != nil {
			return nil, err
		}
		for _, table := range []string{"share_key", "share", "notice", "session", "roster", "vault_grant", "vault", "unlocker", "principal"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table); err != nil { // #nosec G202 -- constants
				return nil, err
			}
		}
		return notEmpty(gone), nil
	})
}

// Roster returns the newest version, or nvr.ErrNotFound.
func (c *Config) Roster(ctx context.Context) (nvr.Roster, error) {
	var r nvr.Roster
	err := c.db.view(ctx, "read the roster", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT version, body, sigs FROM roster ORDER BY version DESC LIMIT 1`).
			Scan(&r.Version, bytesOf{&r.Body}, bytesOf{&r.Sigs})
	})
	return r, err
}

// AddRoster appends a version. One that is not above the newest is nvr.ErrInvalid.
func (c *Config) AddRoster(ctx context.Context, r nvr.Roster) error {
	return c.db.update(ctx, "add a roster", func(ctx context.Context, tx *sql.Tx) error { return addRoster(ctx, tx, r) })
}

func addRoster(ctx context.Context, tx *sql.Tx, r nvr.Roster) error {
	return inserted(tx.ExecContext(ctx, `INSERT INTO roster (version, body, sigs) SELECT ?1, ?2, ?3
		WHERE ?1 > (SELECT coalesce(max(version), 0) FROM roster)`, r.Version, blob(r.Body), blob(r.Sigs)))
}

// Rosters returns up to limit versions above a number, oldest first.
func (c *Config) Rosters(ctx context.Context, above uint64, limit int) ([]nvr.Roster, error) {
	var all []nvr.Roster
	err := c.db.view(ctx, "read rosters", func(ctx context.Context, tx *sql.Tx) (err error) {
		fill := func(scan scan, r *nvr.Roster) error { return scan(&r.Version, bytesOf{&r.Body}, bytesOf{&r.Sigs}) }
		all, err = list(ctx, tx, fill, `SELECT version, body, sigs FROM roster WHERE version > ? ORDER BY version LIMIT ?`, above, max(limit, 0))
		return err
	})
	return all, err
}

// manyErased is how many erased values are looked for one by one.
const manyErased = 256

// Enact stores a roster and all that changes with it in one transaction, and
// erases what it replaced. Errors: nvr.ErrInvalid for a roster that is not above
// the newest; ErrNotErased, when all of it is in force.
func (c *Config) Enact(ctx context.Context, e nvr.Enactment) error {
	return c.erase(ctx, "change the people", func(ctx context.Context, tx *sql.Tx) ([][]byte, error) {
		if err := addRoster(ctx, tx, e.Roster); err != nil {
			return nil, err
		}
		var gone [][]byte
		for _, p := range e.People {
			erased, err := c.savePrincipal(ctx, tx, p)
			if err != nil {
				return nil, err
			}
			gone = append(gone, erased...)
		}
		if !e.Vault.ID.IsZero() {
			if err := addVault(ctx, tx, e.Vault, e.Grants); err != nil {
				return nil, err
			}
		}
		for _, d := range e.Drop {
			erased, err := dropGrants(ctx, tx, d)
			if err != nil {
				return nil, err
			}
			gone = append(gone, erased...)
		}
		return sample(ctx, tx, gone)
	})
}

// sample returns what to look for of erased values: all, or, where these are
// many, some of them, and has the file written anew.
func sample(ctx context.Context, tx *sql.Tx, gone [][]byte) ([][]byte, error) {
	gone = notEmpty(gone)
	if len(gone) <= manyErased {
		return gone, nil
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO unerased VALUES (1) ON CONFLICT DO NOTHING`)
	return gone[:manyErased], err
}

// inserted turns an insertion that met what is there already into nvr.ErrInvalid.
func inserted(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		return fmt.Errorf("it does not follow what is there: %w", nvr.ErrInvalid)
	}
	return err
}

func notEmpty(values [][]byte) [][]byte {
	var kept [][]byte
	for _, v := range values {
		if len(v) > 0 {
			kept = append(kept, v)
		}
	}
	return kept
}
