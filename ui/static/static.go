// Package static holds the scripts, styles and pictures of the web UI.
//
// They are part of the program and are served under a path with a hash of all
// of them, so that a browser may keep them for ever and an update is seen at
// once. [Files] does not change after [New] and may be used from any goroutine.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed files
var embedded embed.FS

// Prefix is the path below which the files are served.
const Prefix = "/static/"

// Files serves the embedded files.
type Files struct {
	base  string // "/static/<hash>/"
	files map[string]file
}

type file struct {
	kind   string // media type
	plain  []byte
	packed []byte // gzip; nil where it does not pay
}

// New reads the embedded files and packs them.
func New() (*Files, error) {
	f := &Files{files: make(map[string]file)}
	sum := sha256.New()
	err := fs.WalkDir(embedded, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "files/")
		one := file{kind: mediaType(name), plain: data}
		if one.packed, err = pack(data); err != nil {
			return err
		}
		f.files[name] = one
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", name, len(data), data) // a hash takes everything
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read static files: %w", err)
	}
	f.base = Prefix + hex.EncodeToString(sum.Sum(nil)[:8]) + "/"
	return f, nil
}

// URL returns the path of a file; name is relative, such as "app.css".
func (f *Files) URL(name string) string { return f.base + name }

// ServeHTTP serves the files below the path of the present hash.
func (f *Files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, f.base)
	one, found := f.files[name]
	if !ok || !found {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", one.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := one.plain
	if one.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = one.packed
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that left is not our problem
	}
}

// Packed returns how many bytes all scripts and styles take on the wire.
func (f *Files) Packed() int {
	n := 0
	for name, one := range f.files {
		if ext := path.Ext(name); ext == ".js" || ext == ".css" {
			n += len(one.packed)
		}
	}
	return n
}

// pack returns nil where gzip saves less than a tenth.
func pack(data []byte) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := z.Write(data); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	if b.Len() > len(data)*9/10 {
		return nil, nil
	}
	return b.Bytes(), nil
}

// mediaType does not ask the system, whose tables differ.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".webmanifest":
		return "application/manifest+json"
	}
	return "application/octet-stream"
}
