package static_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"lares/ui/static"
)

// budget is what all scripts and styles together may take on the wire, bytes.
const budget = 100_000

func TestScriptsAndStylesStaySmall(t *testing.T) {
	f, err := static.New()
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Packed(); n > budget || n == 0 {
		t.Errorf("%d bytes, at most %d", n, budget)
	}
}

func TestPackedFileIsThePlainOne(t *testing.T) {
	f, err := static.New()
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, f.URL("app.css"), nil)
	plain := httptest.NewRecorder()
	f.ServeHTTP(plain, r)
	r.Header.Set("Accept-Encoding", "gzip, br")
	packed := httptest.NewRecorder()
	f.ServeHTTP(packed, r)
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(z)
	if err != nil || string(got) != plain.Body.String() {
		t.Errorf("unpacked %d bytes (%v), want %d", len(got), err, plain.Body.Len())
	}
}

func TestScriptsParse(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: apt-get install nodejs checks the syntax of the scripts")
	}
	names, err := filepath.Glob("files/*.js")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d scripts (%v)", len(names), err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// A copy that says that it is a module.
		module := filepath.Join(t.TempDir(), filepath.Base(name)+".mjs")
		if err := os.WriteFile(module, src, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), node, "--check", module).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
