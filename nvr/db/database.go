package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"lares/nvr"
)

// readers is how many connections read one database at the same time.
const readers = 4

// database is one SQLite file in WAL mode: one connection that writes, a few
// that read.
type database struct {
	path    string
	write   *sql.DB // one connection
	read    *sql.DB
	damaged atomic.Bool // SQLite found it damaged

	// gate is held shared by everything that reads, so that who holds it alone
	// knows that no reader needs the write-ahead log.
	gate sync.RWMutex
}

// layout says how a database is opened.
type layout struct {
	path        string
	synchronous string // NORMAL or FULL
	erase       bool   // overwrite what is deleted
	cacheKiB    int    // of each connection
	steps       []step
	copyTo      string // copy before a migration; none if empty
}

// open opens or makes the file and brings it to the newest version.
func open(ctx context.Context, l layout) (*database, error) {
	path, err := filepath.Abs(l.path)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	l.path = path
	if err := prepareFile(path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	d := &database{path: path}
	if d.write, err = sql.Open("sqlite", l.dsn(false)); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	d.write.SetMaxOpenConns(1)
	if d.read, err = sql.Open("sqlite", l.dsn(true)); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), d.write.Close())
	}
	d.read.SetMaxOpenConns(readers)
	d.read.SetMaxIdleConns(readers)
	if err := migrate(ctx, d.write, l.steps, l.copyTo); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", classify(err)), d.write.Close(), d.read.Close())
	}
	return d, nil
}

// prepareFile makes sure that the file exists for the owner only (SQLite gives
// its companions the same mode) and that its folder entry is durable.
func prepareFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // #nosec G304 -- the data directory is the operator's choice
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	f, err := os.Open(path) // #nosec G304 -- as above
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// dsn returns the data source name. The driver sets the busy time-out before
// anything that may find the file busy.
func (l layout) dsn(reader bool) string {
	q := url.Values{
		"_busy_timeout": {"10000"}, // ms
		"_foreign_keys": {"1"},
		"_synchronous":  {l.synchronous},
		"_defensive":    {"1"},
		"_dqs":          {"0"},
		"_error_rc":     {"1"},
		// Temporary tables hold copies of rows: they stay in memory. The other two
		// find damage earlier and keep a foreign schema from calling functions.
		"_pragma": {"temp_store(2)", "cell_size_check(1)", "trusted_schema(0)", "cache_size(-" + strconv.Itoa(l.cacheKiB) + ")"},
	}
	if l.erase {
		// A short write-ahead log keeps few old copies of pages, and leaves the
		// reserve for entries when the disk is full.
		q["_pragma"] = append(q["_pragma"], "secure_delete(1)", "wal_autocheckpoint(100)")
	}
	if reader {
		q.Set("_query_only", "1")
	} else {
		q.Set("_journal_mode", "WAL")
		q.Set("_txlock", "immediate")
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: l.path, RawQuery: q.Encode()}
	return u.String()
}

// update runs fn in a transaction of the writer and wraps its error with op.
func (d *database) update(ctx context.Context, op string, fn func(context.Context, *sql.Tx) error) error {
	return d.report(op, transact(ctx, d.write, nil, fn))
}

// view runs fn in a transaction that sees one committed state.
func (d *database) view(ctx context.Context, op string, fn func(context.Context, *sql.Tx) error) error {
	d.gate.RLock()
	defer d.gate.RUnlock()
	return d.report(op, transact(ctx, d.read, &sql.TxOptions{ReadOnly: true}, fn))
}

func transact(ctx context.Context, db *sql.DB, opts *sql.TxOptions, fn func(context.Context, *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	if err := fn(ctx, tx); err != nil {
		if undo := tx.Rollback(); undo != nil && !errors.Is(undo, sql.ErrTxDone) {
			return errors.Join(err, undo)
		}
		return err
	}
	return tx.Commit()
}

// report classifies an error, wraps it with what was tried and remembers
// whether the file is damaged.
func (d *database) report(op string, err error) error {
	if err == nil {
		return nil
	}
	err = classify(err)
	if errors.Is(err, ErrCorrupt) {
		d.damaged.Store(true)
	}
	return fmt.Errorf("%s: %w", op, err)
}

// check reads the whole file and reports the first fault that SQLite finds.
func (d *database) check(ctx context.Context) error {
	return d.view(ctx, "check database", func(ctx context.Context, tx *sql.Tx) error {
		var verdict string
		if err := tx.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
			return err
		}
		if verdict != "ok" {
			return fmt.Errorf("%w: %s", ErrCorrupt, verdict)
		}
		return nil
	})
}

// checkpoint moves everything from the write-ahead log into the file.
func checkpoint(ctx context.Context, conn *sql.Conn, mode string) error {
	var busy, frames, moved int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &frames, &moved); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if busy != 0 || frames != moved {
		return fmt.Errorf("checkpoint: %d of %d pages of the log are still in use", frames-moved, frames)
	}
	return nil
}

// close cuts the write-ahead log to nothing and closes all connections.
func (d *database) close(wipe bool) error {
	d.gate.Lock()
	defer d.gate.Unlock()
	err := d.read.Close()
	if !d.damaged.Load() {
		err = errors.Join(err, d.drainLocked(context.Background(), wipe))
	}
	return errors.Join(err, d.write.Close())
}

// drainLocked moves everything from the write-ahead log into the file and cuts
// the log to nothing; before that it overwrites it if wipe is set.
func (d *database) drainLocked(ctx context.Context, wipe bool) error {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return err
	}
	err = drain(ctx, conn, d.path, wipe)
	return errors.Join(err, conn.Close())
}

func drain(ctx context.Context, conn *sql.Conn, path string, wipe bool) error {
	if err := checkpoint(ctx, conn, "FULL"); err != nil {
		return err
	}
	if wipe {
		// All of it is in the file and on the disk, and nobody reads: to SQLite
		// the content of the log is nothing but room now. SQLite holds no lock
		// on the log file that closing another descriptor could drop.
		if err := zero(path + "-wal"); err != nil {
			return fmt.Errorf("overwrite the write-ahead log: %w", err)
		}
	}
	return checkpoint(ctx, conn, "TRUNCATE")
}

// zero overwrites a file with zeros in place.
func zero(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // #nosec G304 -- beside the database
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = zeroFile(f)
	return errors.Join(err, f.Close())
}

func zeroFile(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	for left := info.Size(); left > 0; {
		n, err := f.Write(block[:min(left, int64(len(block)))])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return f.Sync()
}

// one turns the number of rows that a statement changed into nvr.ErrNotFound
// if it is none.
func one(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return nvr.ErrNotFound
	}
	return nil
}
