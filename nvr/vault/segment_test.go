package vault_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lares/nvr/vault"
)

const second = 90000 // ticks

// start is when the test segments begin.
var start = time.UnixMilli(1_790_000_000_123).UTC()

// startTicks is start in ticks since the Unix epoch.
const startTicks = 1_790_000_000_123 * 90

// options returns those of a segment with slots of 4 KiB.
func options(k *vault.KeyPair, suite vault.Suite) vault.Options {
	return vault.Options{
		SlotLog2: 12, Suite: suite, Segment: [16]byte{1}, Stream: [16]byte{2}, Boot: [16]byte{3},
		Start: start, Seq: 7, Monotonic: 90 * time.Second, Day: 12, Vault: [16]byte{4}, Public: k.Public(),
	}
}

// media returns n bytes that are different for each seed.
func media(seed, n int) []byte {
	b := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = src.Read(b) // never fails
	return b
}

// piece is something that was put into a segment.
type piece struct {
	info vault.FragmentInfo
	typ  vault.SlotType // of a record
	data []byte
}

// script is what goes into a test segment.
type script struct {
	init   []byte
	pieces []piece // fragments (typ 0) and records in their order
	flush  bool    // after each piece
}

// frags returns the fragments of the script.
func (s *script) frags() []piece {
	return slices.DeleteFunc(slices.Clone(s.pieces), func(p piece) bool { return p.typ != 0 })
}

// records returns the records of the script.
func (s *script) records() []piece {
	return slices.DeleteFunc(slices.Clone(s.pieces), func(p piece) bool { return p.typ == 0 })
}

// scriptOf returns fragments of these sizes, with records behind some.
func scriptOf(sizes ...int) *script {
	s := &script{init: media(9999, 700)}
	for i, n := range sizes {
		s.pieces = append(s.pieces, piece{
			info: vault.FragmentInfo{Time: startTicks + int64(i)*second, Duration: second, KeyBytes: uint32(n / 3)},
			data: media(i, n),
		})
		switch i % 5 {
		case 1:
			s.pieces = append(s.pieces, piece{typ: vault.Event, data: media(1000+i, 200)})
		case 3:
			s.pieces = append(s.pieces, piece{typ: vault.Thumbnail, data: media(2000+i, 9000)})
		}
	}
	return s
}

// write plays the script into a new segment and returns its bytes.
func (s *script) write(t testing.TB, o vault.Options, closeIt bool) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := vault.NewWriter(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(w.Init(s.init))
	for _, p := range s.pieces {
		if p.typ != 0 {
			check(w.Record(p.typ, p.data))
		} else {
			check(w.Fragment(p.info, p.data[:len(p.data)/2], p.data[len(p.data)/2:]))
		}
		if s.flush {
			check(w.Flush())
		}
	}
	if closeIt {
		check(w.Close(time.Duration(len(s.frags())) * time.Second))
	}
	return out.Bytes()
}

// unlock opens a segment with its vault's key.
func unlock(k *vault.KeyPair, file []byte) (*vault.Reader, error) {
	seg, err := vault.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	key, err := k.Open(seg.Info(), seg.SealedKey())
	if err != nil {
		return nil, err
	}
	return seg.Unlock(key)
}

// found is what a reader gives back, by the time of the fragments and by the
// bytes of the records.
type found struct {
	init    bool
	frags   map[int64]bool
	records map[string]bool
}

// readAll reads everything and fails if anything comes out that s does not hold.
func readAll(t testing.TB, r *vault.Reader, s *script) found {
	t.Helper()
	got := found{frags: map[int64]bool{}, records: map[string]bool{}}
	init, err := r.Init()
	if got.init = err == nil; got.init && !bytes.Equal(init, s.init) {
		t.Fatal("wrong init segment")
	}
	frags, err := r.Fragments()
	if err != nil {
		t.Fatal(err)
	}
	want := s.frags()
	var buf []byte
	for _, f := range frags {
		i := int((f.Time - startTicks) / second)
		if i < 0 || i >= len(want) || f.FragmentInfo != want[i].info {
			t.Fatalf("fragment that was never written: %+v", f)
		}
		for _, keyOnly := range []bool{true, false} {
			b, err := r.ReadFragment(buf, f, keyOnly)
			if err != nil {
				if !errors.Is(err, vault.ErrOpen) && !errors.Is(err, vault.ErrFormat) {
					t.Fatal(err)
				}
				delete(got.frags, f.Time)
				continue
			}
			buf = b
			if full := want[i].data; !bytes.Equal(b, full) && (!keyOnly || !bytes.Equal(b, full[:len(full)/3])) {
				t.Fatalf("fragment %d has wrong bytes", i)
			}
			got.frags[f.Time] = !keyOnly
		}
	}
	for at, whole := range got.frags {
		if !whole {
			delete(got.frags, at)
		}
	}
	records, err := r.Records()
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		b, err := r.ReadRecord(nil, rec)
		if err != nil {
			continue
		}
		if !slices.ContainsFunc(s.records(), func(p piece) bool { return p.typ == rec.Type && bytes.Equal(p.data, b) }) {
			t.Fatalf("record that was never written: %+v", rec)
		}
		got.records[string(b)] = true
	}
	return got
}

// complete fails unless everything of the script was found.
func complete(t testing.TB, got found, s *script) {
	t.Helper()
	if !got.init || len(got.frags) != len(s.frags()) || len(got.records) != len(s.records()) {
		t.Fatalf("init %v, %d of %d fragments, %d of %d records",
			got.init, len(got.frags), len(s.frags()), len(got.records), len(s.records()))
	}
}

func suites(t *testing.T, run func(t *testing.T, suite vault.Suite)) {
	for name, suite := range map[string]vault.Suite{"aes": vault.AES256GCM, "chacha": vault.ChaCha20Poly1305} {
		t.Run(name, func(t *testing.T) { run(t, suite) })
	}
}

func TestSegmentGivesBackWhatWasWritten(t *testing.T) {
	k := newPair(t)
	suites(t, func(t *testing.T, suite vault.Suite) {
		for log2 := uint8(vault.MinSlotLog2); log2 <= vault.MaxSlotLog2; log2 += 2 {
			for _, flush := range []bool{false, true} {
				s := scriptOf(5000, 1, 4032, 20000, 3, 3, 3, 8063, 100000, 12)
				s.flush = flush
				o := options(k, suite)
				o.SlotLog2 = log2
				file := s.write(t, o, true)
				r, err := unlock(k, file)
				if err != nil {
					t.Fatal(err)
				}
				if !r.Intact() {
					t.Error("not intact")
				}
				complete(t, readAll(t, r, s), s)
				// The same without index and trailer: a segment that is being written.
				s2 := *s
				r, err = unlock(k, s2.write(t, o, false))
				if err != nil {
					t.Fatal(err)
				}
				if r.Intact() {
					t.Error("intact without an end")
				}
				if got := readAll(t, r, s); flush {
					complete(t, got, s)
				}
			}
		}
	})
}

func TestEveryRecordBorderMayFallOnEverySlotBorder(t *testing.T) {
	k := newPair(t)
	const capacity = 4096 - 64
	// Sizes that put the end of the fragment, and its 24-byte header, on and
	// around the border.
	for d := -30; d <= 30; d++ {
		s := &script{init: media(1, 100)}
		for i, n := range []int{capacity - 100 - 2*24 + d, 1, capacity + d, 3*capacity - d, 5} {
			s.pieces = append(s.pieces,
				piece{info: vault.FragmentInfo{Time: startTicks + int64(i)*second, Duration: second}, data: media(i, n)})
		}
		s.pieces = append(s.pieces, piece{typ: vault.Event, data: media(77, capacity)})
		o := options(k, vault.AES256GCM)
		file := s.write(t, o, true)
		r, err := unlock(k, file)
		if err != nil {
			t.Fatal(err)
		}
		fromIndex, err := r.Fragments()
		if err != nil || !r.Intact() {
			t.Fatalf("%d: intact %v, %v", d, r.Intact(), err)
		}
		if r, err = unlock(k, file[:len(file)-2*vault.BlockSize]); err != nil {
			t.Fatal(err)
		}
		fromScan, err := r.Fragments()
		if err != nil || !slices.Equal(fromIndex, fromScan) || len(fromScan) != 5 {
			t.Fatalf("%d: %v\nindex %v\nscan  %v", d, err, fromIndex, fromScan)
		}
		for i, f := range fromScan {
			if b, err := r.ReadFragment(nil, f, false); err != nil || !bytes.Equal(b, s.pieces[i].data) {
				t.Fatalf("%d: fragment %d: %v", d, i, err)
			}
		}
	}
}

func TestHeaderSaysWhatTheWriterWasTold(t *testing.T) {
	k := newPair(t)
	o := options(k, vault.ChaCha20Poly1305)
	file := scriptOf(5000).write(t, o, true)
	seg, err := vault.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	want := vault.Header{
		SlotLog2: 12, Suite: vault.ChaCha20Poly1305, Segment: o.Segment, Stream: o.Stream, Boot: o.Boot,
		Start: o.Start, Seq: 7, Monotonic: o.Monotonic, Day: 12, Vault: o.Vault,
		Flags: vault.Final, Slots: 2, Tail: 1, Duration: time.Second,
	}
	if seg.Header() != want || seg.Vault() != o.Vault || !seg.Closed() {
		t.Errorf("got  %+v\nwant %+v", seg.Header(), want)
	}
	if len(file) != vault.BlockSize*5 {
		t.Errorf("file of %d bytes", len(file))
	}
}

func TestWriterRefusesWhatCannotBe(t *testing.T) {
	k := newPair(t)
	for name, change := range map[string]func(*vault.Options){
		"small slot": func(o *vault.Options) { o.SlotLog2 = 11 },
		"large slot": func(o *vault.Options) { o.SlotLog2 = 21 },
		"suite":      func(o *vault.Options) { o.Suite = 9 },
		"monotonic":  func(o *vault.Options) { o.Monotonic = -1 },
		"public":     func(o *vault.Options) { o.Public = o.Public[1:] },
	} {
		o := options(k, vault.AES256GCM)
		change(&o)
		if _, err := vault.NewWriter(io.Discard, o); !errors.Is(err, vault.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	w, err := vault.NewWriter(io.Discard, options(k, vault.AutoSuite))
	if err != nil {
		t.Fatal(err)
	}
	info := vault.FragmentInfo{}
	for name, err := range map[string]error{
		"fragment before init": w.Fragment(info, []byte{1}),
		"empty init":           w.Init(nil),
		"large init":           w.Init(make([]byte, vault.MaxInit+1)),
		"first init":           w.Init([]byte{1}),
	} {
		if (err == nil) != (name == "first init") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"second init":    w.Init([]byte{1}),
		"empty fragment": w.Fragment(info),
		"large fragment": w.Fragment(info, make([]byte, vault.MaxFragment+1)),
		"key bytes":      w.Fragment(vault.FragmentInfo{KeyBytes: 2}, []byte{1}),
		"media record":   w.Record(vault.Media, []byte{1}),
		"empty record":   w.Record(vault.Event, nil),
		"large record":   w.Record(vault.Event, make([]byte, vault.MaxRecord+1)),
	} {
		if !errors.Is(err, vault.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	if err := w.Close(0); err != nil { // none of that did any harm
		t.Error(err)
	}
	for name, err := range map[string]error{
		"Init": w.Init([]byte{1}), "Fragment": w.Fragment(info, []byte{1}), "Flush": w.Flush(),
		"Record": w.Record(vault.Event, []byte{1}), "Close": w.Close(0),
	} {
		if !errors.Is(err, vault.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", name, err)
		}
	}
}

// failing takes n bytes and then fails.
type failing struct {
	n   int
	err error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.n < len(p) {
		return f.n, f.err
	}
	f.n -= len(p)
	return len(p), nil
}

func TestWriterErrorSticks(t *testing.T) {
	k := newPair(t)
	full := errors.New("disk is full")
	w, err := vault.NewWriter(&failing{n: 3 * 4096, err: full}, options(k, vault.AES256GCM))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Init([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := w.Fragment(vault.FragmentInfo{}, make([]byte, 20000)); !errors.Is(err, full) {
		t.Errorf("Fragment: %v", err)
	}
	if n, _ := w.Written(); n != 0 || len(w.Fragments()) != 0 {
		t.Errorf("%d of %d fragments count as written", n, len(w.Fragments()))
	}
	for name, err := range map[string]error{
		"Fragment": w.Fragment(vault.FragmentInfo{}, []byte{1}), "Flush": w.Flush(),
		"Record": w.Record(vault.Event, []byte{1}), "Close": w.Close(0), "Close again": w.Close(0),
	} {
		if !errors.Is(err, full) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, err = vault.NewWriter(&failing{n: 100, err: nil}, options(k, vault.AES256GCM))
	if w != nil || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("short write: %v", err)
	}
}

func TestWrittenFragmentsSurviveAKill(t *testing.T) {
	k := newPair(t)
	var out bytes.Buffer
	w, err := vault.NewWriter(&out, options(k, vault.AES256GCM))
	if err != nil {
		t.Fatal(err)
	}
	s := scriptOf(300, 4000, 10000, 7, 12000, 4032, 4008, 4008, 1, 900, 30000, 2)
	if err := w.Init(s.init); err != nil {
		t.Fatal(err)
	}
	for _, p := range s.pieces {
		if p.typ != 0 {
			err = w.Record(p.typ, p.data)
		} else {
			err = w.Fragment(p.info, p.data)
		}
		if err != nil {
			t.Fatal(err)
		}
		written, size := w.Written()
		if size != int64(out.Len()) {
			t.Fatalf("says %d bytes, wrote %d", size, out.Len())
		}
		r, err := unlock(k, out.Bytes()) // what a kill here leaves
		if err != nil {
			t.Fatal(err)
		}
		frags, err := r.Fragments()
		if err != nil || len(frags) != written || !slices.Equal(frags, w.Fragments()[:written]) {
			t.Fatalf("%d written, %d found, %v", written, len(frags), err)
		}
		readAll(t, r, s)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _ := w.Written(); n != len(s.frags()) {
		t.Errorf("%d of %d written after Flush", n, len(s.frags()))
	}
}

// onDisk writes bytes to a file and opens it for reading and writing.
func onDisk(t testing.TB, b []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.seg")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func contents(t testing.TB, f *os.File) []byte {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOverheadStaysUnderOnePercent counts file bytes against the bytes of the
// fragments over a minute.
func TestOverheadStaysUnderOnePercent(t *testing.T) {
	k := newPair(t)
	for _, c := range []struct {
		mbit float64
		log2 uint8
	}{{1, 14}, {1.5, 14}, {1.5, 16}, {3, 16}, {8, 16}} {
		t.Run(fmt.Sprintf("%v Mbit/s, slots of %d KiB", c.mbit, 1<<c.log2>>10), func(t *testing.T) {
			o := options(k, vault.AutoSuite)
			o.SlotLog2 = c.log2
			var out bytes.Buffer
			w, err := vault.NewWriter(&out, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Init(media(1, 900)); err != nil {
				t.Fatal(err)
			}
			fragment, total := make([]byte, int(c.mbit*1e6/8)), 0
			for i := range int64(60) {
				b := fragment[:len(fragment)-int(i*37)] // so that borders wander
				if err := w.Fragment(vault.FragmentInfo{Time: startTicks + i*second, Duration: second}, b); err != nil {
					t.Fatal(err)
				}
				total += len(b)
			}
			if err := w.Close(time.Minute); err != nil {
				t.Fatal(err)
			}
			over := float64(out.Len()-total) / float64(total) * 100
			t.Logf("%d bytes over %d: %.2f %%", out.Len()-total, total, over)
			if over >= 1 {
				t.Errorf("%.2f %% over", over)
			}
		})
	}
}

func TestNothingReadableIsInTheFile(t *testing.T) {
	k := newPair(t)
	s := &script{init: bytes.Repeat([]byte("ftypmoov"), 50)}
	for i := range 5 {
		s.pieces = append(s.pieces,
			piece{info: vault.FragmentInfo{Time: startTicks + int64(i)*second}, data: bytes.Repeat([]byte("moofmdat\x00\x00\x00\x01"), 900)},
			piece{typ: vault.Event, data: []byte(`{"label":"person"}`)})
	}
	file := s.write(t, options(k, vault.AES256GCM), true)
	var ticks [8]byte
	binary.LittleEndian.PutUint64(ticks[:], startTicks)
	for _, plain := range [][]byte{[]byte("ftyp"), []byte("moov"), []byte("moof"), []byte("mdat"), []byte("person"), ticks[:], k.Seed()} {
		if bytes.Contains(file, plain) {
			t.Errorf("the file shows %q", plain)
		}
	}
	// Slots of an event look like slots of media but for number, progress,
	// checksum and ciphertext.
	for at := vault.BlockSize; at < len(file)-2*vault.BlockSize; at += 4096 {
		if !bytes.Equal(file[at:at+4], file[vault.BlockSize:][:4]) || !bytes.Equal(file[at+16:at+32], file[vault.BlockSize+16:][:16]) {
			t.Fatalf("slot at %d can be told from the first", at)
		}
	}
}
