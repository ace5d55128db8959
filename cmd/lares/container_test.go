package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestFoldersOfRootBecomeThoseOfTheNamedUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give folders to another user")
	}
	t.Setenv("PUID", "1234")
	t.Setenv("PGID", "100")
	dir := t.TempDir()
	owned, missing := filepath.Join(dir, "owned"), filepath.Join(dir, "missing")
	if err := errors.Join(os.Mkdir(owned, 0o700), os.Chown(owned, 55, 55)); err != nil {
		t.Fatal(err)
	}
	if err := giveFolders(dir, owned, missing); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string]uint32{dir: 1234, owned: 55} {
		info, err := os.Stat(folder)
		if err != nil {
			t.Fatal(err)
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != want {
			t.Errorf("%s belongs to %+v, want %d", folder, info.Sys(), want)
		}
	}
	t.Setenv("PUID", "anna")
	var usage usageError
	if err := giveFolders(dir); !errors.As(err, &usage) {
		t.Errorf("a name instead of a number: %v", err)
	}
}
