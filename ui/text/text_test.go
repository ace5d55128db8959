package text_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lares/nvr"
	"lares/ui/text"
)

func english(t *testing.T) *text.Catalogue {
	t.Helper()
	c, err := text.English()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPlacesAreFilled(t *testing.T) {
	c, err := text.Read("xx", []byte(`{"a": "{n} of {of}, {n}", "b": "since {time}: {why}"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.T("a", "n", "1", "of", "6"); got != "1 of 6, 1" {
		t.Errorf("got %q", got)
	}
	if before, after := c.Around("b", "time", "why", "x"); before != "since " || after != ": x" {
		t.Errorf("got %q and %q", before, after)
	}
	if got := c.T("missing"); got != "missing" {
		t.Errorf("a missing text shows %q", got)
	}
}

func TestEveryCauseHasAText(t *testing.T) {
	c := english(t)
	for cause := nvr.CauseUnknown; cause <= nvr.NoMotion; cause++ {
		if id := "cause." + cause.String(); c.T(id) == id {
			t.Errorf("%s has no text", id)
		}
	}
}

// TestEveryTextExistsAndIsUsed looks for ids in pages, handlers and scripts.
func TestEveryTextExistsAndIsUsed(t *testing.T) {
	c := english(t)
	known := make(map[string]bool)
	for _, id := range c.IDs() {
		known[id] = false
	}
	quoted := regexp.MustCompile("[\"'`]([a-z]+\\.[a-z_-]*)")
	called := regexp.MustCompile(`\b(?:T|t)\("?'?([a-z]+\.[a-z_0-9-]+)["']`)
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		ext := filepath.Ext(name)
		if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_templ.go") ||
			(ext != ".go" && ext != ".templ" && ext != ".js") {
			return err
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range called.FindAllStringSubmatch(string(src), -1) {
			if _, ok := known[m[1]]; !ok {
				t.Errorf("%s uses %q, which has no text", name, m[1])
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(string(src), -1) {
			for id := range known {
				family := strings.HasSuffix(m[1], ".") && m[1] != "js." // such as "cause." + the cause
				if id == m[1] || family && strings.HasPrefix(id, m[1]) {
					known[id] = true
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, used := range known {
		if !used {
			t.Errorf("%q is never shown", id)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"a": "{b}"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := text.Read("xx", b); err == nil {
			c.T("a", "b", "c")
		}
	})
}
