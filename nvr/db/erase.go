package db

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
)

// probe is how many bytes of a deleted value are looked for. A value that lacks
// any of them cannot be opened.
const probe = 16

// erase runs fn in a transaction and returns when what fn deleted is gone from
// the file and its write-ahead log. fn returns the deleted values that have to
// be proven gone. Errors: that of fn; ErrNotErased with what went wrong after
// the deletion was committed.
func (c *Config) erase(ctx context.Context, op string, fn func(context.Context, *sql.Tx) ([][]byte, error)) error {
	var values [][]byte
	var before int64 // something was left to be erased already
	err := c.updateFirst(ctx, op, func(ctx context.Context, tx *sql.Tx) error {
		var err error
		if values, err = fn(ctx, tx); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM unerased`).Scan(&before); err != nil {
			return err
		}
		if len(values) == 0 {
			return nil
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO unerased VALUES (1) ON CONFLICT DO NOTHING`)
		return err
	})
	if err != nil || (len(values) == 0 && before == 0) {
		return err
	}
	// The deletion is in force: it is carried through even if the caller leaves.
	ctx = context.WithoutCancel(ctx)
	err = c.db.report("erase", c.scrub(ctx, values, before != 0))
	if errors.Is(err, ErrFull) && c.takeReserve(ctx, op) {
		err = c.db.report("erase", c.scrub(ctx, values, before != 0))
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %w", op, ErrNotErased, err)
	}
	return nil
}

// erasePending erases what an earlier run deleted.
func (c *Config) erasePending(ctx context.Context) error {
	return c.erase(ctx, "erase what was deleted", func(context.Context, *sql.Tx) ([][]byte, error) { return nil, nil })
}

// scrub empties the write-ahead log and makes sure that the file holds none of
// the values, writing it anew if it does or if rewrite is set.
func (c *Config) scrub(ctx context.Context, values [][]byte, rewrite bool) error {
	d := c.db
	d.gate.Lock()
	defer d.gate.Unlock()
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return err
	}
	err = scrub(ctx, conn, d.path, values, rewrite)
	if err == nil {
		c.entries.Store(0)
	}
	return errors.Join(err, conn.Close())
}

func scrub(ctx context.Context, conn *sql.Conn, path string, values [][]byte, rewrite bool) error {
	if err := drain(ctx, conn, path, true); err != nil {
		return err
	}
	// SQLite overwrites what is deleted, but a row that was once moved from page
	// to page may have left a copy in the unused part of a page.
	if !rewrite {
		found, err := holdsAny(ctx, conn, values)
		if err != nil {
			return err
		}
		rewrite = found
	}
	if rewrite {
		if _, err := conn.ExecContext(ctx, "VACUUM"); err != nil {
			return fmt.Errorf("write the database anew: %w", err)
		}
		if err := drain(ctx, conn, path, true); err != nil {
			return err
		}
		if found, err := holdsAny(ctx, conn, values); err != nil || found {
			return errors.Join(err, errors.New("a copy is still in the file"))
		}
	}
	if _, err := conn.ExecContext(ctx, `DELETE FROM unerased`); err != nil {
		return fmt.Errorf("note that it is erased: %w", err)
	}
	return nil
}

// holdsAny reads every page, used or not, and reports whether one of the values
// is in it. The pages are read through SQLite: closing another descriptor of
// the file would drop SQLite's locks on it (POSIX, fcntl).
func holdsAny(ctx context.Context, conn *sql.Conn, values [][]byte) (found bool, err error) {
	probes := probesOf(values)
	rows, err := conn.QueryContext(ctx, `SELECT data FROM sqlite_dbpage`)
	if err != nil {
		return false, fmt.Errorf("read the pages: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var page sql.RawBytes
		if err := rows.Scan(&page); err != nil {
			return false, err
		}
		for _, p := range probes {
			if bytes.Contains(page, p) {
				return true, nil
			}
		}
	}
	return false, rows.Err()
}

// probesOf returns two neighbouring pieces of each value. A long value is cut at
// the ends of pages, and an end can fall into one of the two at most.
func probesOf(values [][]byte) [][]byte {
	var probes [][]byte
	for _, v := range values {
		if len(v) < 2*probe {
			probes = append(probes, v)
			continue
		}
		middle := len(v) / 2
		probes = append(probes, v[middle-probe:middle], v[middle:middle+probe])
	}
	return probes
}

// flushLog overwrites the write-ahead log, and with it older states of the chain.
func (c *Config) flushLog(ctx context.Context) {
	d := c.db
	d.gate.Lock()
	defer d.gate.Unlock()
	if err := d.drainLocked(context.WithoutCancel(ctx), true); err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "older states of the record of who looked are not overwritten yet", slog.Any("error", err))
		return
	}
	c.entries.Store(0)
}
