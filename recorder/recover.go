package recorder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// recoverParts turns the files that a crash or a lost disk left open into
// segments. No key is needed: torn tails are found by checksum. Files that are
// open now are left alone. Only Prepare and the disk's run call it.
func (d *disk) recoverParts(ctx context.Context) error {
	entries, err := os.ReadDir(d.path(partsDir))
	if err != nil {
		return fmt.Errorf("list open segments: %w", err)
	}
	inUse := d.inUse()
	recovered := 0
	for _, e := range entries {
		s, ok := parsePart(e.Name())
		if !ok || inUse[partName(s)] {
			continue
		}
		s, err := d.recoverPart(s)
		if err != nil {
			d.log.Warn("recover segment", slog.Any("file", e.Name()), slog.Any("err", err))
			continue
		}
		if s.Bytes > 0 {
			d.list(listing{segment: s})
			recovered++
		}
	}
	if recovered > 0 {
		d.log.Info("recovered segments", slog.Any("count", recovered))
	}
	d.enter(ctx)
	return nil
}

func (d *disk) inUse() map[string]bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := make(map[string]bool, len(d.open)+len(d.finished))
	for f := range d.open {
		names[partName(f.segment)] = true
	}
	for _, f := range d.finished {
		names[partName(f.segment)] = true
	}
	return names
}

// recoverPart cuts the torn tail off a file and names it as a segment. A file
// without anything in it is removed; it comes back with no bytes.
func (d *disk) recoverPart(s nvr.Segment) (nvr.Segment, error) {
	name := d.path(partName(s))
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return s, err
	}
	defer f.Close() //nolint:errcheck // Recover has synced it
	if !holdFile(f) {
		return s, errors.New("another Lares is writing it")
	}
	info, err := vault.Recover(f)
	if errors.Is(err, vault.ErrFormat) || (err == nil && info.Header.Slots == 0) {
		return s, os.Remove(name)
	}
	if err != nil {
		return s, fmt.Errorf("cut torn tail: %w", err)
	}
	s.Duration = max(info.Header.Duration.Truncate(time.Millisecond), time.Millisecond)
	s.Bytes = info.Bytes
	s.Disk = d.ID
	s.Vault = info.Header.Vault
	s.Day = info.Header.Day
	if info.Header.Flags&vault.Recovered != 0 {
		s.Flags = nvr.Recovered
	}
	target := d.path(segName(s))
	if err := d.makeDir(filepath.Dir(target)); err != nil {
		return s, err
	}
	if err := os.Rename(name, target); err != nil {
		return s, fmt.Errorf("name recovered segment: %w", err)
	}
	return s, errors.Join(syncDir(filepath.Dir(target)), syncDir(filepath.Dir(name)))
}

// mendTick is how often it is looked whether index and files have to be compared.
const mendTick = time.Minute

// reconcile compares the index with the files of each disk when that comes into
// use, until ctx ends.
func (r *Recorder) reconcile(ctx context.Context) error {
	tick := time.NewTicker(mendTick)
	defer tick.Stop()
	for {
		for _, d := range r.list() {
			if state, _ := d.status(); state != nvr.DiskOK || !d.takeUnsure() {
				continue
			}
			if err := r.mend(ctx, d); err != nil && ctx.Err() == nil {
				r.log.Error("compare index with footage", slog.Any("disk", d.ID), slog.Any("err", err))
				d.setUnsure()
			}
		}
		select {
		case <-r.doubt:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (d *disk) takeUnsure() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	unsure := d.unsure
	d.unsure = false
	return unsure
}

func (d *disk) setUnsure() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.unsure = true
}

// mend compares the index with the names of the files of a disk, folder by
// folder, and mends the index: it may have lost rows in a power cut, or be new.
// It runs beside recording.
func (r *Recorder) mend(ctx context.Context, d *disk) error {
	// First what was to be deleted: it must not come back as footage.
	if err := r.finishGarbage(ctx); err != nil {
		return err
	}
	if err := r.reconcileDisk(ctx, d); err != nil {
		return fmt.Errorf("compare index with footage: %w", err)
	}
	r.takeUp(ctx) // of what came back, some is kept and some was to go
	r.mu.Lock()
	_, was := r.unlisted[d.ID]
	delete(r.unlisted, d.ID)
	complete := was && len(r.unlisted) == 0
	r.mu.Unlock()
	if !complete {
		return nil
	}
	if err := r.index.SetComplete(ctx); err != nil {
		return fmt.Errorf("note that the index is complete: %w", err)
	}
	return r.finishGarbage(ctx) // vaults that had to wait
}

func (r *Recorder) reconcileDisk(ctx context.Context, d *disk) error {
	streams, err := os.ReadDir(d.Path)
	if err != nil {
		return err
	}
	for _, s := range streams {
		id, ok := parseStreamDir(s.Name())
		if !ok {
			continue
		}
		days, err := os.ReadDir(d.path(s.Name()))
		if err != nil {
			return err
		}
		for _, folder := range days {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := r.reconcileDay(ctx, d, id, folder.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// reconcileDay mends the rows of one folder. Deletion waits meanwhile: between
// the row and the file it leaves a state that looks like a lost row.
func (r *Recorder) reconcileDay(ctx context.Context, d *disk, id nvr.StreamID, folder string) error {
	start, err := time.Parse(dayLayout, folder)
	if err != nil {
		return nil //nolint:nilerr // not one of our folders
	}
	r.tidy.Lock()
	defer r.tidy.Unlock()
	entries, err := os.ReadDir(d.path(dayDir(id, start)))
	if err != nil {
		return err
	}
	rows, err := r.index.Range(ctx, id, start, start.Add(day))
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(rows))
	for _, row := range rows {
		if row.Disk == d.ID {
			known[segName(row)] = true
		}
	}
	var missing []nvr.Segment
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		s, ok := parseSeg(id, e.Name())
		if !ok {
			continue
		}
		there[segName(s)] = true
		if known[segName(s)] {
			continue
		}
		s, err := d.describe(s)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			r.log.Warn("read segment header", slog.Any("disk", d.ID), slog.Any("stream", id), slog.Any("file", e.Name()), slog.Any("err", err))
			continue
		}
		missing = append(missing, s)
	}
	if err := r.dropLostRows(ctx, d, rows, there); err != nil {
		return err
	}
	if len(missing) == 0 {
		return nil
	}
	return addRows(ctx, r.index, missing)
}

// describe fills in what a row needs beyond the name, from the file's header.
func (d *disk) describe(s nvr.Segment) (nvr.Segment, error) {
	f, err := os.Open(d.path(segName(s)))
	if err != nil {
		return s, err
	}
	defer f.Close() //nolint:errcheck // read-only
	stat, err := f.Stat()
	if err != nil {
		return s, err
	}
	sealed, err := vault.Open(f, stat.Size())
	if err != nil {
		return s, err
	}
	header := sealed.Header()
	s.Bytes, s.Disk, s.Vault, s.Day = stat.Size(), d.ID, header.Vault, header.Day
	if header.Flags&vault.Recovered != 0 {
		s.Flags |= nvr.Recovered
	}
	return s, nil
}

// dropLostRows removes rows whose file is not there any more and says so in the
// timeline. On a disk that goes away meanwhile all files look lost.
func (r *Recorder) dropLostRows(ctx context.Context, d *disk, rows []nvr.Segment, there map[string]bool) error {
	for _, row := range rows {
		if row.Disk != d.ID || there[segName(row)] {
			continue
		}
		if _, err := os.Stat(d.path(segName(row))); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := d.identify(); err != nil {
			return err
		}
		gap := nvr.Gap{Stream: row.Stream, From: row.Start, To: row.End(), Cause: nvr.Damaged, Detail: "The file is missing."}
		if err := r.gaps.AddGap(ctx, gap); err != nil {
			return err
		}
		if err := errors.Join(r.index.Discard(ctx, row), r.index.Forget(ctx, row)); err != nil {
			return err
		}
	}
	return nil
}
