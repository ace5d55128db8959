package deb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Needs root, and gets some 100 MB from Debian's archive for each system.
func TestLifeOfThePackage(t *testing.T) {
	if os.Getenv("LARES_DEB") == "" {
		t.Skip("installs the package in new systems only where LARES_DEB=1 is set")
	}
	need(t, "debootstrap", "unshare", "chroot")
	if os.Getuid() != 0 {
		t.Skip("only root can make a system to install the package in")
	}
	lares := program(t)
	older, newer := pack(t, lares, "v0.1.0", epoch), pack(t, lares, "v0.2.0", epoch)
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			system := filepath.Join(t.TempDir(), suite)
			run(t, nil, "debootstrap", "--variant=minbase", suite, system)
			for name, file := range map[string]string{"old.deb": older, "new.deb": newer, "life.sh": "testdata/life.sh"} {
				content, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(system, name), content, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			// With processes, mounts and a network of its own: what it starts ends with it.
			cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child",
				"--mount-proc="+filepath.Join(system, "proc"), "chroot", system, "/bin/sh", "/life.sh")
			cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil {
				t.Fatalf("on %s: %v", suite, err)
			}
		})
	}
}
