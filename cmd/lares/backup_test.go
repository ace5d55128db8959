package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/backup"
	"lares/nvr/camera/camsim"
)

// TestANewBoxComesBackFromABackupAndItsFootage loses the system disk: what
// was recorded before the backup and after it opens again.
func TestANewBoxComesBackFromABackupAndItsFootage(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	sim := simulate(t, camsim.Config{Main: clip(t, "plain.mp4")})
	b.addCamera("Hall", sim, false)
	began := time.Now()
	b.serve()
	b.waitRecording("Hall", nvr.Main)
	b.eventually("a backup lies beside the footage", func() bool {
		kept, err := filepath.Glob(filepath.Join(b.footage, backup.Folder, "*"))
		return err == nil && len(kept) == 1
	})
	file := filepath.Join(t.TempDir(), "lares.backup")
	b.must("backup", "-o", file)
	b.mustStop()
	b.serve() // a vault that is not in the backup
	b.waitRecording("Hall", nvr.Main)
	b.mustStop()
	before := b.export("Hall", nvr.Main, began, time.Now().Add(time.Minute), b.as()...)

	if err := os.RemoveAll(b.data); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "recovery")
	writeFile(t, wrong, auth.NewRecoveryKey().String())
	restore := append([]string{"restore", "--footage", b.footage}, b.as(file)...)
	if code, said := b.lares(append(restore, "--recovery-file", wrong)...); code == exitGood || !strings.Contains(said, "does not open this backup") {
		t.Errorf("with another recovery key: exit code %d, %s", code, said)
	}
	if _, err := os.Stat(filepath.Join(b.data, configName)); err == nil {
		t.Error("something was restored all the same")
	}
	b.must(append(restore, "--recovery-file", b.recovery)...)
	after := b.export("Hall", nvr.Main, began, time.Now().Add(time.Minute), b.as()...)
	if len(after.packets) == 0 || len(after.packets) != len(before.packets) {
		t.Errorf("%d of %d pictures came back", len(after.packets), len(before.packets))
	}
	if code, said := b.lares(append(restore, "--recovery-file", b.recovery)...); code == exitGood || !strings.Contains(said, "holds a box already") {
		t.Errorf("over a box: exit code %d, %s", code, said)
	}
	b.serve() // with the camera and its password
	b.waitRecording("Hall", nvr.Main)
	b.mustStop()
	b.checkClean(b.as("--level", "audit")...)
	// The counters of the backup are older than the footage.
	seen := make(map[string]bool)
	segments, err := filepath.Glob(filepath.Join(b.footage, "s*", "*", "*.seg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range segments {
		parts := strings.Split(strings.TrimSuffix(filepath.Base(name), ".seg"), "-")
		if seq := parts[len(parts)-1]; seen[seq] {
			t.Errorf("the sequence number %s stands twice", seq)
		} else {
			seen[seq] = true
		}
	}
}

func TestABackupShowsNothing(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	b.addCamera("Nursery", simulate(t, camsim.Config{Main: clip(t, "plain.mp4")}), false)
	file := filepath.Join(t.TempDir(), "lares.backup")
	b.must("backup", "-o", file)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	machine, err := os.ReadFile(filepath.Join(b.data, machineName))
	if err != nil {
		t.Fatal(err)
	}
	for what, secret := range map[string][]byte{
		"the name of a camera": []byte("Nursery"), "the machine key": machine,
		"the head of a database": []byte("SQLite format"), "the schema of a database": []byte("CREATE TABLE"),
	} {
		if bytes.Contains(raw, secret) {
			t.Errorf("the backup shows %s", what)
		}
	}
}
