package recorder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// errAway: a disk with footage that has to be sealed anew is not there.
var errAway = errors.New("a footage disk is not there")

// mover seals the keys of segments of one camera to other vaults: one for each
// day. It belongs to one goroutine.
type mover struct {
	rec    *Recorder
	opener nvr.Opener // nil: there are no keys
	camera nvr.CameraID
	fresh  map[time.Time]nvr.Recipient
}

// vaultOf returns the vault that takes over segments of a day.
func (m *mover) vaultOf(ctx context.Context, day time.Time) (nvr.Recipient, error) {
	if to, ok := m.fresh[day]; ok {
		return to, nil
	}
	to, err := m.rec.vaults.NewVault(ctx, m.camera, day)
	if err != nil {
		return to, fmt.Errorf("make a vault: %w", err)
	}
	if m.fresh == nil {
		m.fresh = make(map[time.Time]nvr.Recipient)
	}
	m.fresh[day] = to
	return to, nil
}

// tryAll reports whether the keys of what will stay in vaults open, by one
// segment of each: nothing is begun that this opener cannot bring to its end.
func (m *mover) tryAll(ctx context.Context, vaults []nvr.DayVault, gone map[segmentKey]bool) error {
	for _, v := range vaults {
		rows, err := m.rec.sealedTo(ctx, v.Vault, v.Day)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(rows, func(s nvr.Segment) bool { return !gone[keyOf(s)] })
		if i < 0 {
			continue
		}
		p, ok := m.rec.Library().listed(rows[i])
		if !ok {
			continue
		}
		o, err := m.rec.Library().open(ctx, m.opener, p)
		if isLost(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("open what stays of a day: %w", err)
		}
		if err := o.Close(); err != nil {
			return err
		}
	}
	return nil
}

// emptyVault seals what is left in a vault to another one and destroys it. It
// reports whether it is destroyed: while something is left it waits for keys, and
// for disks that are away.
func (m *mover) emptyVault(ctx context.Context, v nvr.DayVault) (bool, error) {
	rows, err := m.rec.sealedTo(ctx, v.Vault, v.Day)
	if err != nil || len(rows) > 0 && m.opener == nil {
		return false, err
	}
	for _, row := range rows {
		err := m.move(ctx, row)
		if isUnopenable(err) {
			m.rec.log.Warn("delete what nobody can open", slog.Any("stream", row.Stream), slog.Any("start", row.Start), slog.Any("err", err))
			err = m.rec.remove(ctx, []nvr.Segment{row}, nvr.Damaged, "")
		}
		if errors.Is(err, errAway) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	m.rec.tidy.Lock()
	defer m.rec.tidy.Unlock()
	if used, err := m.rec.vaultInUse(ctx, v.Vault, v.Day); used || err != nil {
		return false, err
	}
	return m.rec.settleVault(ctx, v.Vault, v.Day, m.camera)
}

// move seals a segment's key to the fresh vault of its day. Retention waits
// meanwhile; what it took already is passed over.
func (m *mover) move(ctx context.Context, row nvr.Segment) error {
	to, err := m.vaultOf(ctx, row.Start.UTC().Truncate(day))
	if err != nil {
		return err
	}
	r := m.rec
	r.tidy.Lock()
	defer r.tidy.Unlock()
	rows, err := r.index.Range(ctx, row.Stream, row.Start, row.Start.Add(time.Millisecond))
	if err != nil {
		return fmt.Errorf("look for a segment: %w", err)
	}
	i := slices.IndexFunc(rows, func(s nvr.Segment) bool { return s.Seq == row.Seq && s.Start.Equal(row.Start) })
	if i < 0 {
		return nil
	}
	row = rows[i]
	if row.Vault, err = m.reseal(ctx, row, to); err != nil {
		return fmt.Errorf("seal a segment anew: %w", err)
	}
	if err := r.index.Add(ctx, row); err != nil {
		return fmt.Errorf("note where a segment's key is: %w", err)
	}
	return nil
}

// isUnopenable reports whether a segment is damaged so that nobody can open it,
// which a disk that does not answer does not mean.
func isUnopenable(err error) bool {
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	var disk *fs.PathError
	return isLost(err) && !errors.As(err, &disk)
}

// reseal seals the key in a segment's file to a vault and returns the one to
// which it is sealed then: a crash may have come between file and row.
func (m *mover) reseal(ctx context.Context, row nvr.Segment, to nvr.Recipient) (id nvr.VaultID, err error) {
	d := m.rec.disk(row.Disk)
	if d == nil || d.identify() != nil {
		return id, errAway
	}
	f, err := os.OpenFile(d.path(segName(row)), os.O_RDWR, 0)
	if err != nil {
		return id, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sealed, err := readHeader(f)
	if err != nil {
		return id, err
	}
	if id = sealed.Vault(); id != row.Vault {
		return id, nil
	}
	key, err := m.opener.OpenKey(ctx, id, sealed.Info(), sealed.SealedKey())
	if err != nil {
		return id, err
	}
	defer clear(key)
	if err := d.escrow(to); err != nil {
		return id, err
	}
	if err := vault.Reseal(f, key, to.Vault, to.Public); err != nil {
		if errors.Is(err, vault.ErrOpen) || errors.Is(err, vault.ErrFormat) {
			err = fmt.Errorf("%w: %w", nvr.ErrCorrupt, err)
		}
		return id, err
	}
	return to.Vault, nil
}
