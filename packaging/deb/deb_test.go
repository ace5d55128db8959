// Package deb_test looks at the Debian package that packaging/deb/build makes,
// and at the unit in it.
package deb_test

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the folder of the repository.
const root = "../.."

// run runs a program in the folder of the repository and returns what it prints.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), env...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, errors.String())
	}
	return string(out)
}

// need skips the test where a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("there is no %s on this machine: Debian packages are made and tested on Debian and Ubuntu", name)
		}
	}
}

// program builds lares.
func program(t *testing.T) string {
	t.Helper()
	need(t, "dpkg", "dpkg-deb", "readelf")
	out := filepath.Join(t.TempDir(), "lares")
	run(t, nil, "packaging/ffmpeg/env", "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, "./cmd/lares")
	return out
}

// pack makes the package of a program and returns its file.
func pack(t *testing.T, program, version, epoch string) string {
	t.Helper()
	out := run(t, []string{"SOURCE_DATE_EPOCH=" + epoch}, "packaging/deb/build", program, version, t.TempDir())
	return strings.TrimSpace(out)
}

const epoch = "1700000000" // of the packages that are made here

func TestPackage(t *testing.T) {
	lares := program(t)
	file := pack(t, lares, "v0.1.0", epoch)
	tree := t.TempDir()
	run(t, nil, "dpkg-deb", "-x", file, tree)
	t.Run("runs with the C library alone", func(t *testing.T) { needsOnlyLibc(t, filepath.Join(tree, "usr/bin/lares"), file) })
	t.Run("holds what belongs in it", func(t *testing.T) { holds(t, file) })
	t.Run("comes with the source of FFmpeg", func(t *testing.T) { hasSource(t, filepath.Join(tree, "usr/share/doc/lares/ffmpeg")) })
	t.Run("explains every command", func(t *testing.T) { explains(t, tree) })
	t.Run("is the same when it is made again", func(t *testing.T) {
		if again := pack(t, lares, "v0.1.0", epoch); digest(t, again) != digest(t, file) {
			t.Errorf("two packages of one program differ: %s and %s", digest(t, file), digest(t, again))
		}
	})
	t.Run("has a version in the right order", func(t *testing.T) {
		before := strings.TrimSpace(run(t, nil, "dpkg-deb", "-f", file, "Version"))
		for _, v := range [][2]string{{"v0.1.0-rc.1", epoch}, {"0a11048-dirty", "1700000001"}, {"4f11048", epoch}} {
			older := strings.TrimSpace(run(t, nil, "dpkg-deb", "-f", pack(t, lares, v[0], v[1]), "Version"))
			run(t, nil, "dpkg", "--compare-versions", older, "lt", before)
			before = older
		}
		after := strings.TrimSpace(run(t, nil, "dpkg-deb", "-f", pack(t, lares, "v0.1.0-5-gabc1234", epoch), "Version"))
		run(t, nil, "dpkg", "--compare-versions", after, "gt", "0.1.0")
	})
}

// needsOnlyLibc checks that the program runs on each system that has the C
// library which the package asks for.
func needsOnlyLibc(t *testing.T, name, file string) {
	f, err := elf.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libraries, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	allowed := regexp.MustCompile(`^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|libresolv\.so\.2|ld-linux-[a-z0-9-]+\.so\.[12])$`)
	for _, library := range libraries {
		if !allowed.MatchString(library) {
			t.Errorf("the program needs %s; only the C library may be needed", library)
		}
	}
	symbols, err := f.ImportedSymbols()
	if err != nil {
		t.Fatal(err)
	}
	depends := run(t, nil, "dpkg-deb", "-f", file, "Depends")
	asked := regexp.MustCompile(`libc6 \(>= ([0-9.]+)\)`).FindStringSubmatch(depends)
	if asked == nil {
		t.Fatalf("the package does not say which C library it needs: %s", depends)
	}
	newest := asked[1]
	for _, s := range symbols {
		if version, ok := strings.CutPrefix(s.Version, "GLIBC_"); ok {
			run(t, nil, "dpkg", "--compare-versions", version, "le", newest)
		}
	}
	if release, err := os.ReadFile("/etc/os-release"); err == nil && strings.Contains(string(release), "VERSION_CODENAME=bookworm") {
		run(t, nil, "dpkg", "--compare-versions", newest, "le", "2.35") // Ubuntu 22.04, the oldest that is served
	}
}

// holds checks names, rights and owners of all that the package installs.
func holds(t *testing.T, file string) {
	want := map[string]string{
		"/usr/bin/lares":                               "-rwxr-xr-x",
		"/usr/lib/systemd/system/lares.service":        "-rw-r--r--",
		"/etc/default/lares":                           "-rw-r--r--",
		"/usr/share/bash-completion/completions/lares": "-rw-r--r--",
		"/usr/share/man/man1/lares.1.gz":               "-rw-r--r--",
		"/usr/share/doc/lares/copyright":               "-rw-r--r--",
		"/usr/share/doc/lares/README.Debian":           "-rw-r--r--",
		"/usr/share/doc/lares/changelog.gz":            "-rw-r--r--",
		"/usr/share/doc/lares/THIRD_PARTY.md.gz":       "-rw-r--r--",
		"/usr/share/doc/lares/ffmpeg/BUILD":            "-rw-r--r--",
		"/usr/share/doc/lares/ffmpeg/COPYING.LGPLv2.1": "-rw-r--r--",
		"/usr/share/doc/lares/ffmpeg/README.md":        "-rw-r--r--",
		"/usr/share/doc/lares/ffmpeg/build":            "-rw-r--r--",
		"/usr/share/doc/lares/ffmpeg/apt.sh":           "-rw-r--r--",
	}
	source := regexp.MustCompile(`^/usr/share/doc/lares/ffmpeg/ffmpeg_7\.1[0-9.]*\.orig\.tar\.xz$`)
	for line := range strings.Lines(run(t, nil, "dpkg-deb", "-c", file)) {
		field := strings.Fields(line)
		mode, owner, name := field[0], field[1], strings.TrimPrefix(field[5], ".")
		if owner != "root/root" {
			t.Errorf("%s belongs to %s", name, owner)
		}
		switch {
		case strings.HasSuffix(name, "/"):
			if mode != "drwxr-xr-x" {
				t.Errorf("the folder %s has the rights %s", name, mode)
			}
		case source.MatchString(name):
		case want[name] == "":
			t.Errorf("%s does not belong into the package", name)
		case want[name] != mode:
			t.Errorf("%s has the rights %s, not %s", name, mode, want[name])
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
	control := t.TempDir()
	run(t, nil, "dpkg-deb", "-e", file, control)
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		if info, err := os.Stat(filepath.Join(control, script)); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s: %v %v", script, info, err)
		}
		run(t, nil, "sh", "-n", filepath.Join(control, script))
	}
	if options, err := os.ReadFile(filepath.Join(control, "conffiles")); err != nil || strings.TrimSpace(string(options)) != "/etc/default/lares" {
		t.Errorf("files that keep changes: %q, %v", options, err)
	}
}

// hasSource checks that the source is that which was built.
func hasSource(t *testing.T, folder string) {
	build, err := os.ReadFile(filepath.Join(folder, "BUILD"))
	if err != nil {
		t.Fatal(err)
	}
	tars, err := filepath.Glob(filepath.Join(folder, "*.orig.tar.xz"))
	if err != nil || len(tars) != 1 {
		t.Fatalf("source of FFmpeg: %v, %v", tars, err)
	}
	for _, line := range []string{"source sha256 " + digest(t, tars[0]), "configure --"} {
		if !strings.Contains("\n"+string(build), "\n"+line) {
			t.Errorf("BUILD has no line %q", line)
		}
	}
}

// explains checks that manual page and completion know each command.
func explains(t *testing.T, tree string) {
	page := run(t, nil, "gzip", "-cd", filepath.Join(tree, "usr/share/man/man1/lares.1.gz"))
	page = strings.ReplaceAll(page, `\-`, "-")
	completion, err := os.ReadFile(filepath.Join(tree, "usr/share/bash-completion/completions/lares"))
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`compgen -W '([^']*)'`).FindStringSubmatch(string(completion))
	if words == nil {
		t.Fatal("the completion lists no commands")
	}
	commands := regexp.MustCompile(`(?m)^  lares (\S+)`).FindAllStringSubmatch(run(t, nil, filepath.Join(tree, "usr/bin/lares"), "help"), -1)
	if len(commands) < 5 {
		t.Fatalf("'lares help' lists %d commands", len(commands))
	}
	for _, command := range commands {
		if !strings.Contains(page, "\n.B "+command[1]) {
			t.Errorf("the manual page does not explain %q", command[1])
		}
		if !slices.Contains(strings.Fields(words[1]), command[1]) {
			t.Errorf("the completion does not know %q", command[1])
		}
	}
	if _, err := exec.LookPath("bash"); err == nil {
		run(t, nil, "bash", "-n", "packaging/deb/completion.bash")
	}
}

func digest(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// The exposure is what systemd itself counts, from 0 (safe) to 10.
func TestTheUnitGivesTheServiceFewRights(t *testing.T) {
	need(t, "systemd-analyze")
	help := run(t, nil, "systemd-analyze", "--help")
	if !strings.Contains(help, "--offline") {
		t.Skip("systemd on this machine cannot look at a unit that is not installed: that came with version 250")
	}
	out := run(t, nil, "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=13", "packaging/systemd/lares.service")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	t.Log(lines[len(lines)-1])
}
