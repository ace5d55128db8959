package nvr_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// module is the import path that all packages of ours begin with.
const module = "lares/"

// layer says what a package, with all packages below it, may import. The most
// specific layer of a package counts.
type layer struct {
	path  string   // our package, without the module
	ours  []string // what it may import of ours: the named package only, or with "/..." those below it too
	mods  []string // modules of others, by the beginning of their import path
	never []string // packages of the standard library that it must not import itself
	why   string
}

// layers are the rules of the table in nvr/design.md: cmd -> {ui, homekit,
// recorder, motion} -> nvr/* -> nvr; features never import each other.
func layers() []layer {
	const (
		bluenviron = "github.com/bluenviron/"
		pion       = "github.com/pion/"
		xCrypto    = "golang.org/x/crypto"
		xSys       = "golang.org/x/sys"
		xSync      = "golang.org/x/sync"
	)
	return []layer{
		{path: "nvr", never: []string{"os", "net", "net/http", "database/sql", "os/exec", "log"}, why: "the vocabulary is imported by all, so it does no I/O and needs nobody"},
		{path: "nvr/cmaf", ours: []string{"nvr"}, mods: []string{bluenviron + "mediacommon"}, never: []string{"os", "net", "net/http"}, why: "writing fragments is arithmetic on bytes that recorder and ui share"},
		{
			path: "nvr/camera", ours: []string{"nvr", "nvr/egress"}, mods: []string{bluenviron, "github.com/abema/go-mp4", pion + "rtp", pion + "rtcp", pion + "sdp", xSync},
			never: []string{"database/sql"}, why: "a camera is a source of frames and knows neither disk nor pages",
		},
		{
			path: "nvr/vault", mods: []string{xCrypto, xSys}, never: []string{"net", "net/http", "database/sql", "os/exec"},
			why: "what holds the keys is a leaf that can be reviewed by itself: it knows not even the vocabulary",
		},
		{path: "nvr/db", ours: []string{"nvr"}, mods: []string{"modernc.org/", xSys, xSync}, never: []string{"net/http"}, why: "only db speaks SQL, and it leaks no row types"},
		{
			path: "nvr/auth", ours: []string{"nvr", "nvr/vault"}, mods: []string{xCrypto, xSync, "github.com/pquerna/otp"}, never: []string{"net/http", "database/sql"},
			why: "who may do what must not depend on how it was asked",
		},
		{path: "nvr/egress", ours: []string{"nvr"}, mods: []string{xSys}, never: []string{"net/http", "database/sql"}, why: "which addresses are the house must not depend on who asks"},
		{path: "nvr/backup", ours: []string{"nvr", "nvr/vault"}, never: []string{"net", "net/http", "database/sql"}, why: "a backup is bytes that are sealed and kept; what is in them is made elsewhere"},
		{path: "nvr/media", ours: []string{"nvr"}, mods: []string{xSys, xSync}, never: []string{"net/http", "database/sql"}, why: "the worker parses foreign bytes and must reach nothing"},
		{
			path: "recorder", ours: []string{"nvr", "nvr/cmaf", "nvr/vault", "nvr/media"}, mods: []string{bluenviron + "mediacommon", xSys, xSync},
			never: []string{"net/http", "database/sql"}, why: "recording goes on whatever the index, the pages and the detector do",
		},
		{path: "motion", ours: []string{"nvr"}, never: []string{"net/http", "database/sql"}, why: "the detector is pure functions on small pictures"},
		{path: "motion/watch", ours: []string{"nvr", "motion"}, mods: []string{xSync}, never: []string{"net/http", "database/sql", "os/exec"}, why: "looking for motion is one reader of the stream among others"},
		{path: "motion/decode", ours: []string{"nvr"}, mods: []string{"github.com/asticode/go-astiav"}, never: []string{"net/http", "database/sql"}, why: "FFmpeg is fenced into the media worker"},
		{
			path: "ui", ours: []string{"nvr", "nvr/auth", "nvr/cmaf"}, mods: []string{"github.com/a-h/templ", bluenviron + "mediacommon", "rsc.io/qr", "golang.org/x/net/html"},
			never: []string{"database/sql", "os/exec"}, why: "pages hold no SQL, no files and no keys",
		},
		{
			path: "homekit", ours: []string{"nvr", "nvr/media"}, mods: []string{"github.com/brutella/hap", "github.com/brutella/dnssd", pion},
			never: []string{"database/sql"}, why: "HomeKit is one reader of the stream among others",
		},
		{
			path: "homekit/internal/haptest", mods: []string{"github.com/tadglines/go-pkgs", xCrypto},
			why: "tests play the controller without the library that they test",
		},
		{path: "cmd", ours: []string{"..."}, mods: []string{xSys, "golang.org/x/term", xSync, "github.com/pquerna/otp"}, why: "cmd wires and has no logic of its own"},
		{
			path: "cmd/lares/internal/bench", ours: []string{"..."}, mods: []string{bluenviron, pion, xSys, xSync},
			why: "the benchmark holds Lares against programs made of the same libraries; nothing imports it",
		},
		{path: "packaging", why: "packaging holds no Go logic"},
	}
}

// goPackage is what `go list -json` says of a package, as far as it is used here.
type goPackage struct {
	ImportPath string
	Dir        string
	Standard   bool
	Imports    []string
	GoFiles    []string
	CgoFiles   []string
}

// goList asks the go command for packages of this module.
func goList(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Dir,Standard,Imports,GoFiles,CgoFiles"}, args...)...)
	// Files with cgo count only where cgo is on.
	cmd.Dir, cmd.Env = "..", append(os.Environ(), "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, stderr.Bytes())
	}
	var list []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatalf("read the answer of go list: %v", err)
		}
		list = append(list, p)
	}
}

func TestImportsKeepTheirDirection(t *testing.T) {
	list := goList(t, "-deps", "./...")
	standard := map[string]bool{}
	for _, p := range list {
		standard[p.ImportPath] = p.Standard
	}
	for _, p := range list {
		path, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		l, ok := layerOf(path)
		if !ok {
			t.Errorf("%s has no rule: say in layers() what it may import, and why", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if imp != "C" && !l.allows(imp, standard[imp]) {
				t.Errorf("%s must not import %s: %s", p.ImportPath, imp, l.why)
			}
		}
		if len(p.CgoFiles) > 0 && !within(path, "motion/decode") {
			t.Errorf(`%s imports "C" in %v: only motion/decode may, C runs in media workers alone`, p.ImportPath, p.CgoFiles)
		}
	}
}

func TestTheRulesRefuseWhatTheyAreFor(t *testing.T) {
	for _, c := range []struct {
		from, to string
		standard bool
		want     bool
	}{
		{"nvr", "lares/nvr/vault", false, false},
		{"nvr", "net/http", true, false},
		{"nvr/vault", "lares/nvr", false, false},
		{"nvr/camera/camsim", "lares/nvr/camera", false, true},
		{"recorder", "lares/nvr/db", false, false},
		{"recorder", "lares/ui", false, false},
		{"ui/view", "lares/nvr", false, true},
		{"ui/view", "lares/nvr/vault", false, false},
		{"ui", "lares/ui/live", false, true},
		{"motion/decode", "lares/nvr/media", false, false},
		{"cmd/lares", "lares/ui/live", false, true},
		{"cmd/lares", "github.com/example/x", false, false},
	} {
		l, ok := layerOf(c.from)
		if got := ok && l.allows(c.to, c.standard); got != c.want {
			t.Errorf("%s importing %s: got %v, want %v", c.from, c.to, got, c.want)
		}
	}
}

// layerOf returns the most specific layer that a package of ours lies in.
func layerOf(path string) (best layer, ok bool) {
	for _, l := range layers() {
		if within(path, l.path) && len(l.path) >= len(best.path) {
			// The vocabulary is one package, not all that lies below it.
			if l.path != "nvr" || path == "nvr" {
				best, ok = l, true
			}
		}
	}
	return best, ok
}

// allows says whether a package of the layer may import imp.
func (l layer) allows(imp string, standard bool) bool {
	if standard {
		return !slices.Contains(l.never, imp)
	}
	path, ours := strings.CutPrefix(imp, module)
	if !ours {
		return slices.ContainsFunc(l.mods, func(m string) bool { return within(imp, strings.TrimSuffix(m, "/")) })
	}
	if target, ok := layerOf(path); ok && target.path == l.path {
		return true
	}
	return slices.ContainsFunc(l.ours, func(o string) bool {
		if tree, all := strings.CutSuffix(o, "..."); all {
			return strings.HasPrefix(path, tree)
		}
		return path == o
	})
}

// within says whether path is root or lies below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}
