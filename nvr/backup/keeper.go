package backup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lares/nvr"
)

const (
	// Folder holds the backups in each footage path.
	Folder = "backups"
	// Kept is how many of them stay in each.
	Kept = 14

	suffix   = ".lares-backup"
	layout   = "20060102T150405Z"
	life     = 24 * time.Hour   // after which the next is made
	interval = 15 * time.Minute // at which the age is looked at
)

// Keeper puts a backup on each footage path every day.
type Keeper struct {
	// Make returns a sealed backup and the time that it bears. nvr.ErrNoOwner:
	// there is nobody to seal to yet.
	Make func(ctx context.Context) ([]byte, time.Time, error)
	// Paths lists the footage paths that can be written now.
	Paths func() []string
	Log   *slog.Logger
}

// Run makes a backup whenever the newest on a footage path is a day old, and
// when a path has none; it waits for an owner. It returns nil when ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := k.Keep(ctx); err != nil && !errors.Is(err, nvr.ErrNoOwner) && ctx.Err() == nil {
			k.Log.ErrorContext(ctx, "no backup of the settings could be made", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Keep writes a backup to those footage paths whose newest is a day old.
func (k *Keeper) Keep(ctx context.Context) error {
	due, err := k.due()
	if len(due) == 0 {
		return err
	}
	file, made, makeErr := k.Make(ctx)
	if makeErr != nil {
		return errors.Join(err, fmt.Errorf("make a backup: %w", makeErr))
	}
	for _, path := range due {
		dir := filepath.Join(path, Folder)
		if putErr := put(dir, made.UTC().Format(layout)+suffix, file); putErr != nil {
			err = errors.Join(err, putErr)
			continue
		}
		err = errors.Join(err, prune(dir))
	}
	return err
}

// due lists the footage paths that lack a new backup. A path that cannot be read
// is an error beside the others.
func (k *Keeper) due() (due []string, err error) {
	for _, path := range k.Paths() {
		names, listErr := list(filepath.Join(path, Folder))
		err = errors.Join(err, listErr)
		if listErr == nil && (len(names) == 0 || stale(names[len(names)-1], time.Now())) {
			due = append(due, path)
		}
	}
	return due, err
}

// stale reports whether a backup is older than a day, or from a future that the
// clock has been set back from.
func stale(name string, now time.Time) bool {
	made, err := time.Parse(layout, strings.TrimSuffix(name, suffix))
	age := now.Sub(made)
	return err != nil || age >= life || age < -life
}

// list returns the names of the backups in a folder, oldest first.
func list(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list backups: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// put writes a backup so that it is whole or not there.
func put(dir, name string, file []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of backups: %w", err)
	}
	if err := Write(filepath.Join(dir, name), file); err != nil {
		return fmt.Errorf("write a backup: %w", err)
	}
	return nil
}

// Write writes a file that nobody else may read so that after a power cut it is
// whole or not there: a file beside it, sync, rename, sync of the folder.
func Write(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// prune removes all but the newest backups of a folder, and what a crash left of
// one that was being written.
func prune(dir string) error {
	names, err := list(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names[:max(0, len(names)-Kept)] {
		errs = append(errs, os.Remove(filepath.Join(dir, name)))
	}
	parts, err := filepath.Glob(filepath.Join(dir, ".part-*"))
	errs = append(errs, err)
	for _, part := range parts {
		errs = append(errs, os.Remove(part))
	}
	return errors.Join(errs...)
}
