package deb_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// TestKeyOfANewBoxIsBoundToTheChip runs the function of the installation with a
// systemd-creds that says what there is and seals nothing.
func TestKeyOfANewBoxIsBoundToTheChip(t *testing.T) {
	script, err := os.ReadFile("postinst")
	if err != nil {
		t.Fatal(err)
	}
	function := regexp.MustCompile(`(?ms)^make_key\(\) \{.*?^\}`).Find(script)
	if function == nil {
		t.Fatal("postinst has no make_key")
	}
	const works = `#!/bin/sh
case $1 in
has-tpm2) exit 0 ;;
encrypt) for out; do :; done; cat >"$out" ;;
decrypt) cat "$3" ;;
esac
`
	for name, c := range map[string]struct {
		creds    string // systemd-creds; empty: there is none
		old      string // a file in the data folder
		wantMade bool
	}{
		"new box":                    {creds: works, wantMade: true},
		"box that has a key":         {creds: works, old: "machine.key"},
		"no chip":                    {creds: "#!/bin/sh\nexit 1\n"},
		"chip that does not work":    {creds: "#!/bin/sh\n[ $1 = has-tpm2 ]\n"},
		"no systemd":                 {},
		"what is sealed stays so":    {creds: "#!/bin/sh\ncase $1 in decrypt) exit 1 ;; encrypt) for out; do :; done; cat >\"$out\" ;; esac\n"},
		"chip, but the disk is full": {creds: "#!/bin/sh\ncase $1 in encrypt) exit 1 ;; esac\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			data, bin, key := filepath.Join(dir, "data"), filepath.Join(dir, "bin"), filepath.Join(dir, "store", "lares-machine-key")
			for _, d := range []string{data, bin} {
				if err := os.Mkdir(d, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if c.old != "" {
				if err := os.WriteFile(filepath.Join(data, c.old), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, program := range []string{"ls", "install", "od", "tr", "mv", "rm", "cat", "printf"} {
				if path, err := exec.LookPath(program); err == nil {
					if err := os.Symlink(path, filepath.Join(bin, program)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if c.creds != "" {
				if err := os.WriteFile(filepath.Join(bin, "systemd-creds"), []byte(c.creds), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-e", "-c", "data="+data+"; key="+key+"\n"+string(function)+"\nmake_key")
			cmd.Env = []string{"PATH=" + bin}
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Fatalf("%v: %s", err, out)
			}
			content, err := os.ReadFile(key)
			if (err == nil) != c.wantMade {
				t.Fatalf("made %v, want %v", err == nil, c.wantMade)
			}
			if c.wantMade && !regexp.MustCompile(`^[0-9a-f]{64} tpm2\n$`).Match(content) {
				t.Errorf("the credential is %q", content)
			}
			if left, _ := filepath.Glob(key + ".*"); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}
