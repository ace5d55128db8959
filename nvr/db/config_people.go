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
		all, err = list(ctx, tx, c.fillPrincipal, `SELECT id, kind, role, sealed, public, secret, created, revoked FROM principal ORDER BY num`)
		return err
	})
	return all, err
}

func (c *Config) fillPrincipal(scan scan, p *nvr.Principal) error {
	var sealed []byte
	if err := scan(id(&p.ID), &p.Kind, &p.Role, bytesOf{&sealed}, bytesOf{&p.Public}, bytesOf{&p.Secret},
		timeOf{&p.Created}, timeOf{&p.Revoked}); err != nil {
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
	sealed, err := c.seal("principal.sealed", p.ID[:], []byte(p.Name))
	if err != nil {
		return fmt.Errorf("save a person: %w", err)
	}
	return c.erase(ctx, "save a person", func(ctx context.Context, tx *sql.Tx) ([][]byte, error) {
		var num int64
		err := tx.QueryRowContext(ctx, `INSERT INTO principal (id, kind, role, sealed, public, secret, created, revoked)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, role = excluded.role, sealed = excluded.sealed,
			public = excluded.public, secret = excluded.secret, created = excluded.created, revoked = excluded.revoked RETURNING num`,
			p.ID[:], p.Kind, p.Role, sealed, blob(p.Public), blob(p.Secret), storeTime(p.Created), storeTime(p.Revoked)).Scan(&num)
		if err != nil || unlockers == nil {
			return nil, err
		}
		return replaceUnlockers(ctx, tx, num, p.ID, unlockers)
	})
}

// replaceUnlockers returns the secrets that are gone afterwards.
func replaceUnlockers(ctx context.Context, tx *sql.Tx, num int64, principal nvr.PrincipalID, unlockers []nvr.Unlocker) ([][]byte, error) {
	gone, err := list(ctx, tx, fillBlob, `DELETE FROM unlocker WHERE principal = ? RETURNING wrapped`, num)
	if err != nil {
		return nil, err
	}
	kept := make(map[string]bool, len(unlockers))
	for _, u := range unlockers {
		if u.Principal != principal {
			return nil, fmt.Errorf("an unlocker of somebody else: %w", nvr.ErrInvalid)
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO unlocker (id, principal, kind, salt, params, wrapped, expires) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			u.ID[:], num, u.Kind, blob(u.Salt), blob(u.Params), blob(u.Wrapped), storeTime(u.Expires)); err != nil {
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

// Unlockers returns what opens the key of a principal; none if there is no such
// principal.
func (c *Config) Unlockers(ctx context.Context, principal nvr.PrincipalID) ([]nvr.Unlocker, error) {
	var all []nvr.Unlocker
	err := c.db.view(ctx, "read what unlocks", func(ctx context.Context, tx *sql.Tx) (err error) {
		fill := func(scan scan, u *nvr.Unlocker) error {
			u.Principal = principal
			return scan(id(&u.ID), &u.Kind, bytesOf{&u.Salt}, bytesOf{&u.Params}, bytesOf{&u.Wrapped}, timeOf{&u.Expires})
		}
		all, err = list(ctx, tx, fill, `SELECT id, kind, salt, params, wrapped, expires FROM unlocker
			WHERE principal = (SELECT num FROM principal WHERE id = ?) ORDER BY num`, principal[:])
		return err
	})
	return all, err
}

// ForgetPeople removes all principals, unlockers, sessions, rosters, vaults and
// grants, and erases them from the disk. What remains of vaults that were
// destroyed stays. Errors: ErrNotErased.
func (c *Config) ForgetPeople(ctx context.Context) error {
	return c.erase(ctx, "forget all people", func(ctx context.Context, tx *sql.Tx) ([][]byte, error) {
		gone, err := list(ctx, tx, fillBlob, `SELECT wrapped FROM unlocker UNION ALL SELECT secret FROM principal
			UNION ALL SELECT sealed_to FROM vault_grant UNION ALL SELECT escrow FROM vault`)
		if err != nil {
			return nil, err
		}
		for _, table := range []string{"session", "roster", "vault_grant", "vault", "unlocker", "principal"} {
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

// AddRoster appends a version. One that is not right above the newest (the first
// is 1) is nvr.ErrInvalid.
func (c *Config) AddRoster(ctx context.Context, r nvr.Roster) error {
	return c.db.update(ctx, "add a roster", func(ctx context.Context, tx *sql.Tx) error {
		return inserted(tx.ExecContext(ctx, `INSERT INTO roster (version, body, sigs) SELECT ?1, ?2, ?3
			WHERE ?1 = (SELECT coalesce(max(version), 0) + 1 FROM roster)`, r.Version, blob(r.Body), blob(r.Sigs)))
	})
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
