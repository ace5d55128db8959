package db

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"time"

	"lares/nvr"
)

// Sessions returns all sessions, oldest first.
func (c *Config) Sessions(ctx context.Context) ([]nvr.Session, error) {
	var all []nvr.Session
	err := c.db.view(ctx, "read sessions", func(ctx context.Context, tx *sql.Tx) (err error) {
		all, err = list(ctx, tx, c.fillSession, `SELECT token_hash, principal, sealed, created, seen, expires FROM session ORDER BY created, token_hash`)
		return err
	})
	return all, err
}

func (c *Config) fillSession(scan scan, s *nvr.Session) error {
	var sealed []byte
	if err := scan((*hash)(&s.TokenHash), id(&s.Principal), bytesOf{&sealed},
		timeOf{&s.Created}, timeOf{&s.Seen}, timeOf{&s.Expires}); err != nil {
		return err
	}
	fields, err := c.unseal("session.sealed", s.TokenHash[:], sealed, 1)
	if err != nil {
		return err
	}
	s.Device = string(fields[0])
	return nil
}

// SaveSession inserts or replaces a session. On a full disk it takes the room in
// reserve, so that somebody can log in to make room.
func (c *Config) SaveSession(ctx context.Context, s nvr.Session) error {
	sealed, err := c.seal("session.sealed", s.TokenHash[:], []byte(s.Device))
	if err != nil {
		return fmt.Errorf("save a session: %w", err)
	}
	return c.updateFirst(ctx, "save a session", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO session (token_hash, principal, sealed, created, seen, expires) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET principal = excluded.principal, sealed = excluded.sealed, created = excluded.created,
			seen = excluded.seen, expires = excluded.expires`,
			s.TokenHash[:], s.Principal[:], sealed, storeTime(s.Created), storeTime(s.Seen), storeTime(s.Expires))
		return err
	})
}

// DeleteSession removes a session, or returns nvr.ErrNotFound.
func (c *Config) DeleteSession(ctx context.Context, tokenHash [32]byte) error {
	return c.db.update(ctx, "delete a session", func(ctx context.Context, tx *sql.Tx) error {
		return one(tx.ExecContext(ctx, `DELETE FROM session WHERE token_hash = ?`, tokenHash[:]))
	})
}

// Throttle returns the failed guesses under a key, or nvr.ErrNotFound.
func (c *Config) Throttle(ctx context.Context, key string) (nvr.Throttle, error) {
	t := nvr.Throttle{Key: key}
	err := c.db.view(ctx, "read failed guesses", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT fails, until FROM throttle WHERE key_hash = ?`, hashKey(key)).Scan(&t.Fails, timeOf{&t.Until})
	})
	if err != nil {
		return nvr.Throttle{}, err
	}
	return t, nil
}

// SaveThrottle inserts or replaces the failed guesses under a key.
func (c *Config) SaveThrottle(ctx context.Context, t nvr.Throttle) error {
	return c.db.update(ctx, "save failed guesses", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO throttle (key_hash, fails, until) VALUES (?, ?, ?)
			ON CONFLICT DO UPDATE SET fails = excluded.fails, until = excluded.until`, hashKey(t.Key), t.Fails, storeTime(t.Until))
		return err
	})
}

// PruneThrottles removes those whose Until lies before the Unix time in seconds,
// or is zero.
func (c *Config) PruneThrottles(ctx context.Context, before int64) error {
	return c.db.update(ctx, "forget failed guesses", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM throttle WHERE until IS NULL OR until < ?`, unixNano(time.Unix(before, 0)))
		return err
	})
}

// hashKey hides names and addresses from whoever leafs through the file. It does
// not stop guessing them.
func hashKey(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return sum[:]
}
