package db

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"lares/nvr"
)

// flushEvery is how many log entries may pass before older states of the chain
// are overwritten in the write-ahead log.
const flushEvery = 64

// AppendLog inserts an entry and replaces the sealed state of the chain in the
// same transaction. On a full disk it takes the room in reserve. Errors: ErrFull;
// an entry with the same Seq is nvr.ErrInvalid.
func (c *Config) AppendLog(ctx context.Context, e nvr.LogEntry, state []byte) error {
	err := c.updateFirst(ctx, "record who looked", func(ctx context.Context, tx *sql.Tx) error {
		if err := inserted(tx.ExecContext(ctx, `INSERT INTO log (seq, time, action, principal, camera, vault, details, mac)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			e.Seq, storeTime(e.Time), e.Action, e.Principal[:], e.Camera[:], e.Vault[:], blob(e.Details), blob(e.MAC))); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO log_state VALUES (1, ?) ON CONFLICT DO UPDATE SET state = excluded.state`, blob(state))
		return err
	})
	if err == nil && c.entries.Add(1) >= flushEvery {
		c.flushLog(ctx)
	}
	return err
}

// LogState returns the sealed state of the chain, or nvr.ErrNotFound before the
// first entry.
func (c *Config) LogState(ctx context.Context) ([]byte, error) {
	var state []byte
	err := c.db.view(ctx, "read the state of the record of who looked", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT state FROM log_state`).Scan(bytesOf{&state})
	})
	return state, err
}

// Log returns up to limit entries with Seq >= from, in order.
func (c *Config) Log(ctx context.Context, from uint64, limit int) ([]nvr.LogEntry, error) {
	var entries []nvr.LogEntry
	err := c.db.view(ctx, "read the record of who looked", func(ctx context.Context, tx *sql.Tx) (err error) {
		entries, err = list(ctx, tx, fillEntry, `SELECT seq, time, action, principal, camera, vault, details, mac
			FROM log WHERE seq >= ? ORDER BY seq LIMIT ?`, from, max(limit, 0))
		return err
	})
	return entries, err
}

// LogBefore returns up to limit entries with Seq < before, newest first; with a
// zero number the newest.
func (c *Config) LogBefore(ctx context.Context, before uint64, limit int) ([]nvr.LogEntry, error) {
	var entries []nvr.LogEntry
	err := c.db.view(ctx, "read the record of who looked", func(ctx context.Context, tx *sql.Tx) (err error) {
		entries, err = list(ctx, tx, fillEntry, `SELECT seq, time, action, principal, camera, vault, details, mac
			FROM log WHERE ?1 = 0 OR seq < ?1 ORDER BY seq DESC LIMIT ?2`, before, max(limit, 0))
		return err
	})
	return entries, err
}

// LastLog returns the newest entry about a camera with one of the actions, or
// nvr.ErrNotFound.
func (c *Config) LastLog(ctx context.Context, camera nvr.CameraID, actions ...string) (nvr.LogEntry, error) {
	var e nvr.LogEntry
	words, err := json.Marshal(actions)
	if err != nil {
		return e, fmt.Errorf("read who looked last: %w", err)
	}
	err = c.db.view(ctx, "read who looked last", func(ctx context.Context, tx *sql.Tx) error {
		return fillEntry(tx.QueryRowContext(ctx, `SELECT seq, time, action, principal, camera, vault, details, mac
			FROM log WHERE camera = ? AND action IN (SELECT value FROM json_each(?)) ORDER BY seq DESC LIMIT 1`, camera[:], string(words)).Scan, &e)
	})
	return e, err
}

func fillEntry(scan scan, e *nvr.LogEntry) error {
	return scan(&e.Seq, timeOf{&e.Time}, &e.Action, id(&e.Principal), id(&e.Camera), id(&e.Vault), bytesOf{&e.Details}, bytesOf{&e.MAC})
}
