package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lares/nvr"
)

// identity is the content of lares-disk.json in the root of a footage path. A
// path without it is not written: it is a mount point whose disk is missing.
type identity struct {
	Version int        `json:"version"`
	Disk    nvr.DiskID `json:"disk"`
	Created time.Time  `json:"created"`
}

const identityVersion = 1

// errForeign: the path carries the identity of another disk.
var errForeign = errors.New("this disk belongs to another Lares")

// readIdentity returns the identity of the footage path, fs.ErrNotExist where it has none.
func readIdentity(root string) (identity, error) {
	raw, err := os.ReadFile(filepath.Join(root, identityName))
	if err != nil {
		return identity{}, fmt.Errorf("read identity of footage path: %w", err)
	}
	var id identity
	if err := json.Unmarshal(raw, &id); err != nil {
		return identity{}, fmt.Errorf("read identity of footage path: %w: %w", err, nvr.ErrCorrupt)
	}
	if id.Version != identityVersion || id.Disk.IsZero() {
		return identity{}, fmt.Errorf("identity of footage path, version %d: %w", id.Version, nvr.ErrInvalid)
	}
	return id, nil
}

// claimDisk makes an existing folder a footage path and returns its identity.
// A folder that is one already keeps its identity.
func claimDisk(root string, now time.Time) (identity, error) {
	id, err := readIdentity(root)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return id, err
	}
	if _, err := os.Stat(root); err != nil {
		return identity{}, fmt.Errorf("footage path: %w", err)
	}
	id = identity{Version: identityVersion, Disk: nvr.NewID[nvr.Disk](), Created: now.UTC()}
	raw, err := json.Marshal(id)
	if err != nil {
		return identity{}, err
	}
	if err := writeFile(filepath.Join(root, identityName), raw); err != nil {
		return identity{}, err
	}
	return id, nil
}

// writeFile writes a small file durably: temporary file, fsync, rename, fsync of the folder.
func writeFile(name string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write file: %w", errors.Join(err, os.Remove(temp.Name())))
	}
	return syncDir(filepath.Dir(name))
}

// identify checks that the path is this disk. It writes nothing.
func (d *disk) identify() error {
	id, err := readIdentity(d.Path)
	if err != nil {
		return err
	}
	if id.Disk != d.ID {
		return errForeign
	}
	return nil
}

// attach checks that the path is this disk and prepares its folders.
func (d *disk) attach() error {
	if err := d.identify(); err != nil {
		return err
	}
	for _, dir := range []string{partsDir, vaultsDir} {
		if err := d.makeDir(d.path(dir)); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dedicated = isMount(d.Path)
	return nil
}

// isMount reports whether a path is the root of a file system of its own.
func isMount(path string) bool {
	var here, above syscall.Stat_t
	if syscall.Stat(path, &here) != nil || syscall.Stat(filepath.Dir(path), &above) != nil {
		return false
	}
	return here.Dev != above.Dev
}

// probe looks whether the disk is there and has room. A lost disk that is whole
// again is taken back into use, and what was left open on it is recovered.
func (d *disk) probe(ctx context.Context) {
	err := d.attach()
	var room space
	if err == nil {
		room, err = d.space()
	}
	state, _ := d.status()
	if err == nil && state == nvr.DiskNoRoom && room.free < min(minRoom, room.total/10) {
		return // stays full until there is room for a segment
	}
	if err == nil && state != nvr.DiskOK {
		err = d.tryWrite()
	}
	if err != nil {
		d.fail(err)
		return
	}
	d.setState(nvr.DiskOK, "")
	d.mu.Lock()
	torn := d.torn
	d.torn = false
	d.mu.Unlock()
	if !torn {
		return
	}
	if err := d.recoverParts(ctx); err != nil {
		d.log.Error("recover footage path", slog.Any("err", err))
	}
}

// minRoom is the room that a full disk must have gained to be used again.
const minRoom = 64 << 20

// tryWrite finds out whether a disk that failed takes bytes again.
func (d *disk) tryWrite() error {
	f, err := os.CreateTemp(d.path(partsDir), ".try-*")
	if err != nil {
		return fmt.Errorf("try to write: %w", err)
	}
	_, err = f.WriteString("Lares looks whether this disk can be written.\n")
	if err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name())); err != nil {
		return fmt.Errorf("try to write: %w", err)
	}
	return nil
}

// space is the room on the file system of a footage path, in bytes.
type space struct {
	total, free int64 // free for us, without the part that is root's
}

func (d *disk) space() (space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(d.Path, &st); err != nil {
		return space{}, fmt.Errorf("ask for free space: %w", err)
	}
	return space{total: int64(st.Blocks) * st.Bsize, free: int64(st.Bavail) * st.Bsize}, nil
}

// reserve is how many bytes of a file system stay free: 5 %, 10 GiB or 15
// minutes of footage, whichever is most, but of a small file system no more
// than a fifth.
func reserve(total int64, bytesPerSecond float64) int64 {
	const gib = 1 << 30
	return max(total/20, min(10*gib, total/5), min(int64(bytesPerSecond*15*60), total/5))
}

// escrow puts the recovery copy of a vault's seed beside the footage.
func (d *disk) escrow(r nvr.Recipient) error {
	name := d.path(vaultName(r.Vault))
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	if err := writeFile(name, r.EscrowFile); err != nil {
		return fmt.Errorf("write escrow of vault: %w", err)
	}
	return nil
}
