package recorder

import (
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
)

// maxEscrow bounds what is read of an escrow file, bytes.
const maxEscrow = 64 << 10

// EscrowFiles yields what lies beside the footage of all footage paths for their
// vaults. A file that cannot be read is an error of its own.
func (r *Recorder) EscrowFiles() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, d := range r.list() {
			names, err := filepath.Glob(d.path(filepath.Join(vaultsDir, "*.vault")))
			if err != nil && !yield(nil, err) {
				return
			}
			for _, name := range names {
				raw, err := readAtMost(name, maxEscrow)
				if !yield(raw, err) {
					return
				}
			}
		}
	}
}

func readAtMost(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the recovery copy of keys: %w", err)
	}
	defer f.Close() //nolint:errcheck // read-only
	return io.ReadAll(io.LimitReader(f, most))
}
