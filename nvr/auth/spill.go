package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"lares/nvr"
)

const (
	spillContext = "lares/log-spill/v1"
	// spillFolder lies in each directory that may take the spill.
	spillFolder = "log-spill"
	spillSuffix = ".entry"
	// maxSpill bounds the entries of a spill, maxSpillFile the bytes of one.
	maxSpill     = 10000
	maxSpillFile = 64 << 10
)

// spilled is an entry that config.db did not take. Numbers follow each other
// without a hole.
type spilled struct {
	Form   int          `json:"version"`
	Number uint64       `json:"number"`
	Entry  nvr.LogEntry `json:"entry"`
}

// spill keeps entries as one sealed file each, so that a power cut leaves each
// of them whole or not there. It is used under the lock of the chain.
type spill struct {
	dirs    func() []string
	machine Sealer
	// scanned: count and last are known from the directories.
	scanned bool
	count   int
	last    uint64
}

// pending reports whether there is anything to merge.
func (s *spill) pending() bool {
	s.scan()
	return s.count > 0
}

func (s *spill) scan() {
	if s.scanned {
		return
	}
	s.scanned = true
	for _, sp := range s.read() {
		s.count++
		s.last = max(s.last, sp.Number)
	}
}

// files lists the paths of all entries that can be seen now, in order.
func (s *spill) files() []string {
	var out []string
	for _, dir := range s.dirs() {
		entries, err := os.ReadDir(filepath.Join(dir, spillFolder))
		if err != nil {
			continue // no spill there
		}
		for _, e := range entries {
			if spillNumber(e.Name()) > 0 && len(out) < maxSpill {
				out = append(out, filepath.Join(dir, spillFolder, e.Name()))
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return strings.Compare(filepath.Base(a), filepath.Base(b))
	})
	return out
}

// spillNumber reads the number in a file's name, 0 if it is not ours.
func spillNumber(path string) uint64 {
	digits, ok := strings.CutSuffix(filepath.Base(path), spillSuffix)
	if !ok || len(digits) != 20 {
		return 0
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// write stores an entry durably in the first directory that takes it. after is
// the last number that the chain holds.
func (s *spill) write(e nvr.LogEntry, after uint64) error {
	s.scan()
	if s.count >= maxSpill {
		return errors.New("too many entries of the log wait to be entered")
	}
	number := max(s.last, after) + 1
	plain, err := json.Marshal(spilled{Form: 1, Number: number, Entry: e})
	if err != nil {
		return fmt.Errorf("encode entry: %w", err)
	}
	name := spillName(number)
	sealed := s.machine.Seal(spillContext+"/"+name, plain)
	errs := []error{errors.New("write the log to a footage disk")}
	for _, dir := range s.dirs() {
		err := writeSpill(dir, name, sealed)
		if err == nil {
			s.count++
			s.last = number
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// read returns all entries that verify, by number. Files that do not are torn,
// forged or of another box; where one replaced an entry, its number is missing.
func (s *spill) read() []spilled {
	var out []spilled
	for _, path := range s.files() {
		info, err := os.Stat(path)
		if err != nil || info.Size() > maxSpillFile {
			continue
		}
		raw, err := os.ReadFile(path) //nolint:gosec // a file of our own folder
		if err != nil {
			continue
		}
		if sp, ok := s.parse(filepath.Base(path), raw); ok {
			out = append(out, sp)
		}
	}
	return out
}

func (s *spill) parse(name string, raw []byte) (sp spilled, ok bool) {
	plain, err := s.machine.Open(spillContext+"/"+name, raw)
	if err != nil {
		return spilled{}, false
	}
	ok = json.Unmarshal(plain, &sp) == nil && sp.Form == 1 && sp.Number == spillNumber(name)
	return sp, ok
}

// clear removes the files of entries that the chain now holds.
func (s *spill) clear(merged []spilled) error {
	var errs []error
	for _, sp := range merged {
		for _, dir := range s.dirs() {
			err := os.Remove(filepath.Join(dir, spillFolder, spillName(sp.Number)))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove a merged entry of the log: %w", err))
			}
		}
	}
	s.count = 0
	return errors.Join(errs...)
}

func spillName(number uint64) string { return fmt.Sprintf("%020d%s", number, spillSuffix) }

// writeSpill creates the file durably: temporary name, sync, rename, sync of
// the folder. dir must exist: it may be the empty mount point of a lost disk.
func writeSpill(dir, name string, data []byte) (err error) {
	folder := filepath.Join(dir, spillFolder)
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create %s: %w", folder, err)
	}
	f, err := os.CreateTemp(folder, name+".*.tmp")
	if err != nil {
		return fmt.Errorf("create entry: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // err already says what went wrong
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write entry: %w", err)
	}
	if err := os.Rename(f.Name(), filepath.Join(folder, name)); err != nil {
		return fmt.Errorf("rename entry: %w", err)
	}
	return syncDir(folder, dir)
}

func syncDir(dirs ...string) error {
	for _, dir := range dirs {
		d, err := os.Open(dir) //nolint:gosec // a footage path or our folder in it
		if err != nil {
			return fmt.Errorf("open folder: %w", err)
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return fmt.Errorf("sync folder: %w", err)
		}
	}
	return nil
}
