package nvr_test

import (
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// A package comment says what the package owns and who may call it from where:
// that takes more than the one sentence that lists show.
func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	for _, p := range goList(t, "./...") {
		var text strings.Builder
		for _, name := range append(p.GoFiles, p.CgoFiles...) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Errorf("read %s: %v", name, err)
				continue
			}
			text.WriteString(file.Doc.Text())
		}
		whole := strings.Join(strings.Fields(text.String()), " ")
		if whole == "" && len(p.GoFiles) == 0 {
			continue // tests only
		}
		if first := new(doc.Package).Synopsis(whole); len(whole) <= len(first) {
			t.Errorf("%s: the package comment is %q; say what the package owns and its concurrency contract", p.ImportPath, whole)
		}
	}
}
