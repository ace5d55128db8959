package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// schema holds the migrations of both databases, one file each. A file that
// was released is never changed: the next change is the next number.
//
//go:embed schema/*.sql
var schema embed.FS

// step is one migration.
type step struct {
	name string
	sql  string
}

// steps returns the migrations of a database in order; the n-th leads to
// version n.
func steps(database string) ([]step, error) {
	names, err := fs.Glob(schema, "schema/"+database+"_*.sql") // sorted
	if err != nil {
		return nil, err
	}
	all := make([]step, 0, len(names))
	for i, name := range names {
		if want := fmt.Sprintf("%s_%03d.sql", database, i+1); path.Base(name) != want {
			return nil, fmt.Errorf("migration %s: expected %s", name, want)
		}
		text, err := schema.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, step{name: path.Base(name), sql: string(text)})
	}
	return all, nil
}

// migrate takes the missing steps, all in one transaction, after it has copied
// the database to copyTo if that is not empty. Errors: ErrNewer.
func migrate(ctx context.Context, db *sql.DB, steps []step, copyTo string) error {
	version, err := version(ctx, db)
	switch {
	case err != nil:
		return err
	case version == len(steps):
		return nil
	case version > len(steps):
		return ErrNewer
	}
	if version > 0 && copyTo != "" {
		if err := copyInto(ctx, db, copyTo); err != nil {
			return fmt.Errorf("copy the database before changing its layout: %w", err)
		}
	}
	return transact(ctx, db, nil, func(ctx context.Context, tx *sql.Tx) error {
		for _, s := range steps[version:] {
			if _, err := tx.ExecContext(ctx, s.sql); err != nil {
				return fmt.Errorf("migration %s: %w", s.name, err)
			}
		}
		_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(steps)))
		return err
	})
}

func version(ctx context.Context, db *sql.DB) (int, error) {
	var v int
	err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v)
	return v, err
}

// copyInto writes a copy of the database to a file, which it replaces when the
// copy is complete and on the disk.
func copyInto(ctx context.Context, db *sql.DB, target string) error {
	temp := target + ".part"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := prepareFile(temp); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "VACUUM INTO ?", temp); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := syncFile(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, target); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(target))
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) // #nosec G304 -- beside the database
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
