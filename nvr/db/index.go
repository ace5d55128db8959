package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// Index is index.db: which sealed files hold which footage. It implements the
// recorder's Index and Reaper.
type Index struct {
	db    *database
	log   *slog.Logger
	fresh bool
}

// OpenIndex opens or makes the index. One that is damaged is moved to
// path.damaged (there is one; the next replaces it) and made anew: see
// [Index.Fresh]. Errors: ErrNewer, ErrFull.
func OpenIndex(ctx context.Context, path string, log *slog.Logger) (*Index, error) {
	x, err := openIndex(ctx, path, log)
	if !isUnusable(err) {
		return x, err
	}
	log.LogAttrs(ctx, slog.LevelWarn, "the index of the recordings is damaged and is made anew from the recordings", slog.Any("error", err))
	if err := setAside(path); err != nil {
		return nil, fmt.Errorf("move the damaged index aside: %w", err)
	}
	return openIndex(ctx, path, log)
}

func openIndex(ctx context.Context, path string, log *slog.Logger) (*Index, error) {
	steps, err := steps("index")
	if err != nil {
		return nil, err
	}
	if err := dropOrphans(path); err != nil {
		return nil, err
	}
	d, err := open(ctx, layout{path: path, synchronous: "NORMAL", cacheKiB: 8 << 10, steps: steps})
	if err != nil {
		return nil, err
	}
	x := &Index{db: d, log: log}
	err = d.view(ctx, "read the state of the index", func(ctx context.Context, tx *sql.Tx) error {
		var complete bool
		err := tx.QueryRowContext(ctx, "SELECT complete FROM state").Scan(&complete)
		x.fresh = !complete
		return err
	})
	if err != nil {
		return nil, errors.Join(err, d.close(false))
	}
	return x, nil
}

// dropOrphans removes the companions of a database that is not there: SQLite
// would take the write-ahead log of the old one for that of the new one.
func dropOrphans(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove what is left of an old index: %w", err)
		}
	}
	return nil
}

// setAside renames a database with its companions, so that it can still be
// looked at.
func setAside(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		aside := path + ".damaged" + suffix
		if err := os.Remove(aside); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Rename(path+suffix, aside); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Fresh reports whether the index was made anew, at this start or at an earlier
// one after which [Index.SetComplete] was not reached: footage on the disks may
// be missing in it, and has to be entered.
func (x *Index) Fresh() bool { return x.fresh }

// SetComplete notes that everything that lay on the disks has been entered. The
// next start is not Fresh then.
func (x *Index) SetComplete(ctx context.Context) error {
	return x.db.update(ctx, "note that the index is complete", func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE state SET complete = 1")
		return err
	})
}

// Check reads the whole index, some seconds for ten million rows. Errors: ErrCorrupt.
func (x *Index) Check(ctx context.Context) error { return x.db.check(ctx) }

// Close ends the use of the index. One that was found damaged while it was in
// use is moved aside, so that the next start makes it anew.
func (x *Index) Close() error {
	err := x.db.close(false)
	if x.db.damaged.Load() {
		err = errors.Join(err, setAside(x.db.path))
	}
	return x.db.report("close the index", err)
}
