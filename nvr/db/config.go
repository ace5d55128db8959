package db

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"lares/nvr"
)

// Sealer seals small values with the machine key. A value opens under the
// context that it was sealed under and under no other. Both methods may be
// called from any goroutine.
type Sealer interface {
	Seal(context string, plaintext []byte) []byte
	Open(context string, sealed []byte) ([]byte, error)
}

// Config is config.db: what the household set up and what may not be lost. It
// implements the stores of auth, the recorder's Gaps and Disks, and the store of
// cameras.
type Config struct {
	db     *database
	sealer Sealer
	log    *slog.Logger
	room   reserve
	// entries counts log entries since the write-ahead log was overwritten.
	entries atomic.Int64
}

// OpenConfig opens or makes the configuration. What an earlier run deleted and
// could not erase any more is erased now. Errors: ErrCorrupt (a backup is
// needed: nothing is repaired or thrown away), ErrNewer, ErrFull.
func OpenConfig(ctx context.Context, path string, sealer Sealer, log *slog.Logger) (*Config, error) {
	steps, err := steps("config")
	if err != nil {
		return nil, err
	}
	return openConfig(ctx, layout{
		path: path, synchronous: "FULL", erase: true, cacheKiB: 2 << 10,
		steps: steps, copyTo: path + ".before-update",
	}, sealer, log)
}

func openConfig(ctx context.Context, l layout, sealer Sealer, log *slog.Logger) (*Config, error) {
	c := &Config{sealer: sealer, log: log, room: reserve{path: l.path + ".reserve", kept: true}}
	var err error
	c.db, err = open(ctx, l)
	if errors.Is(err, ErrFull) && c.takeReserve(ctx, "open") {
		c.db, err = open(ctx, l)
	}
	if err != nil {
		return nil, err
	}
	if err := c.room.fill(); err != nil {
		log.LogAttrs(ctx, slog.LevelWarn, "the system disk is nearly full: there is no room in reserve for the record of who looked", slog.Any("error", err))
	}
	// The log of a run that was killed may hold what was deleted.
	if err := c.erasePending(ctx); err != nil {
		log.LogAttrs(ctx, slog.LevelError, "deleted keys are not erased from the disk yet", slog.Any("error", err))
	}
	return c, nil
}

// Reserve reports whether room for the record of who looked is kept beside the
// database. It is false once the disk was full, until [Config.Check] finds room.
func (c *Config) Reserve() bool { return c.room.present() }

// Check reads the whole configuration and keeps room in reserve again if there
// is some. Errors: ErrCorrupt, or that of keeping room.
func (c *Config) Check(ctx context.Context) error {
	if err := c.db.check(ctx); err != nil {
		return err
	}
	return c.room.fill()
}

// Close overwrites and cuts the write-ahead log and ends the use of the
// configuration. On a full disk it may not be able to (ErrFull): nothing is lost,
// and the next start does it.
func (c *Config) Close() error { return c.db.report("close the configuration", c.db.close(true)) }

// updateFirst is update for what has to get in on a full disk as well: it takes
// the room in reserve if there is no other.
func (c *Config) updateFirst(ctx context.Context, op string, fn func(context.Context, *sql.Tx) error) error {
	err := c.db.update(ctx, op, fn)
	if errors.Is(err, ErrFull) && c.takeReserve(ctx, op) {
		return c.db.update(ctx, op, fn)
	}
	return err
}

// takeReserve gives up the room in reserve and reports whether there was some.
func (c *Config) takeReserve(ctx context.Context, op string) bool {
	released, err := c.room.release()
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelError, "the reserve for the record of who looked cannot be used", slog.Any("error", err))
	}
	if released {
		c.log.LogAttrs(ctx, slog.LevelWarn, "the system disk is full: the reserve for the record of who looked is in use", slog.String("op", op))
	}
	return released
}

// sealedVersion is the first field of what seal seals.
const sealedVersion = 1

// padding is the multiple to which sealed values are filled up, so that their
// size does not tell how long a password is.
const padding = 128

// sealedFields is the plain text of a sealed column. Fields are bytes: passwords
// need not be UTF-8.
type sealedFields struct {
	Version int      `json:"version"`
	Fields  [][]byte `json:"fields"`
}

// sealContext names the place of a value, so that it opens nowhere else.
func sealContext(column string, row []byte) string {
	return "config.db " + column + " " + hex.EncodeToString(row)
}

// seal seals fields for one column, "table.column", of one row.
func (c *Config) seal(column string, row []byte, fields ...[]byte) ([]byte, error) {
	plain, err := json.Marshal(sealedFields{Version: sealedVersion, Fields: fields})
	if err != nil {
		return nil, err
	}
	if rest := len(plain) % padding; rest != 0 {
		plain = append(plain, bytes.Repeat([]byte{' '}, padding-rest)...)
	}
	return c.sealer.Seal(sealContext(column, row), plain), nil
}

// unseal opens what seal sealed and returns its fields: one of the counts that
// columns had in the versions of the layout. Errors: nvr.ErrCorrupt.
func (c *Config) unseal(column string, row, sealed []byte, counts ...int) ([][]byte, error) {
	plain, err := c.sealer.Open(sealContext(column, row), sealed)
	if err != nil {
		return nil, fmt.Errorf("open the sealed %s of %x: %w", column, row, err)
	}
	var f sealedFields
	if err := json.Unmarshal(plain, &f); err != nil || f.Version != sealedVersion || !slices.Contains(counts, len(f.Fields)) {
		return nil, fmt.Errorf("read the sealed %s of %x: %w", column, row, nvr.ErrCorrupt)
	}
	return f.Fields, nil
}
