package db

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lares/nvr"
)

// smallDisk mounts a file system of a few MiB.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("lares-test", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("needs root, to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fillUp writes a file until the disk has no room at all.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path) // #nosec G304 -- this test
	must(t, err)
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
	must(t, f.Close())
}

func TestOnAFullDiskEntriesAndDeletionsStillGetIn(t *testing.T) {
	ctx, dir := context.Background(), smallDisk(t, "12M")
	path := filepath.Join(dir, "config.db")
	c, err := OpenConfig(ctx, path, openly{}, quiet())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	v := nvr.Vault{ID: nvr.NewID[nvr.Vault](), Public: []byte("a public key that is 32 bytes long"), Escrow: []byte("an escrow that is at least 32 bytes")}
	must(t, c.AddVault(ctx, v, nil))
	fillUp(t, filepath.Join(dir, "junk"))

	for seq := uint64(1); c.Reserve() && seq < 10_000; seq++ {
		must(t, c.AppendLog(ctx, nvr.LogEntry{Seq: seq, Time: time.Now(), Details: make([]byte, 1000)}, make([]byte, 48)))
	}
	if c.Reserve() {
		t.Fatal("the reserve was never needed")
	}
	must(t, c.DestroyVault(ctx, v.ID))
	must(t, c.SavePrincipal(ctx, nvr.Principal{ID: nvr.NewID[nvr.Principal](), Name: "Anna"}, nil))
	for n := 0; err == nil && n < 100; n++ {
		err = c.SetSetting(ctx, strconv.Itoa(n), make([]byte, 200_000))
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("more than there is room for: got %v, want ErrFull", err)
	}
	if people, err := c.Principals(ctx); err != nil || len(people) != 1 {
		t.Errorf("read on a full disk: %v, %v", people, err)
	}

	if err := c.Close(); err != nil && !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}

	must(t, os.Remove(filepath.Join(dir, "junk")))
	c, err = OpenConfig(ctx, path, openly{}, quiet())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	if !c.Reserve() {
		t.Error("no room in reserve after a start with room")
	}
	must(t, c.Check(ctx))
}

func TestAFullDiskDoesNotKeepTheConfigFromOpening(t *testing.T) {
	ctx, dir := context.Background(), smallDisk(t, "12M")
	path := filepath.Join(dir, "config.db")
	c, err := OpenConfig(ctx, path, openly{}, quiet())
	must(t, err)
	must(t, c.SetSetting(ctx, "zone", []byte("UTC")))
	must(t, c.Close())
	fillUp(t, filepath.Join(dir, "junk"))

	c, err = OpenConfig(ctx, path, openly{}, quiet())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	if zone, err := c.Setting(ctx, "zone"); err != nil || string(zone) != "UTC" {
		t.Errorf("got %q, %v", zone, err)
	}
	must(t, c.AppendLog(ctx, nvr.LogEntry{Seq: 1, Details: make([]byte, 1000)}, []byte("state")))
}
