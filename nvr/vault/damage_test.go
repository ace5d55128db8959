package vault_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"lares/nvr/vault"
)

// damageScript is short enough to be damaged everywhere.
func damageScript() *script { return scriptOf(3000, 9000, 100, 4032, 6000, 2500) }

// touched returns how many fragments and records of the whole file lie in the
// slot, at most: what a damage there may cost.
func touched(t *testing.T, k *vault.KeyPair, file []byte, slot uint32) (frags, records int) {
	t.Helper()
	r, err := unlock(k, file)
	if err != nil {
		t.Fatal(err)
	}
	fs, err := r.Fragments()
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range fs {
		end := uint32(1 << 30)
		if i+1 < len(fs) {
			end = fs[i+1].Slot // a fragment ends where the next begins, or earlier
		}
		if f.Slot <= slot && slot <= end {
			frags++
		}
	}
	recs, err := r.Records()
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range recs {
		if rec.Slot <= slot && slot <= rec.Slot+(rec.Length-1)/(4096-64) {
			records++
		}
	}
	return frags, records
}

func TestFlippedBitCostsOneSlotAtMost(t *testing.T) {
	k := newPair(t)
	s := damageScript()
	suites(t, func(t *testing.T, suite vault.Suite) {
		for _, closed := range []bool{true, false} {
			o := options(k, suite)
			s.flush = !closed
			file := s.write(t, o, closed)
			flip(t, k, s, file, closed)
		}
	})
}

// flip damages a copy of the file at many places and reads what is left.
func flip(t *testing.T, k *vault.KeyPair, s *script, file []byte, closed bool) {
	t.Helper()
	for at := 0; at < len(file); at += 61 { // 61 is prime to the sizes: it wanders through all fields
		bad := bytes.Clone(file)
		bad[at] ^= 1 << (at % 8)
		r, err := unlock(k, bad)
		block := at / vault.BlockSize
		last := len(file)/vault.BlockSize - 1
		switch {
		case block == 0 && !closed:
			if !errors.Is(err, vault.ErrFormat) {
				t.Fatalf("flip at %d: %v, want ErrFormat", at, err)
			}
			continue
		case err != nil:
			t.Fatalf("flip at %d: %v", at, err)
		case closed && block >= last-1 && r.Intact() && (at%4096 < 12 || at%4096 > 15): // but for the index's own CRC
			t.Fatalf("flip at %d: intact", at)
		case block == 0 || closed && block >= last-1:
			got := readAll(t, r, s)
			if complete(t, got, s); closed && block == 0 && !r.Intact() {
				t.Fatalf("flip at %d: not intact", at)
			}
			continue
		}
		got := readAll(t, r, s)
		frags, records := touched(t, k, file, uint32(block-1))
		if len(s.frags())-len(got.frags) > frags || len(s.records())-len(got.records) > records || closed && !got.init {
			t.Fatalf("flip at %d: %d of %d fragments and %d of %d records left, init %v",
				at, len(got.frags), len(s.frags()), len(got.records), len(s.records()), got.init)
		}
		if report, err := vault.Check(bytes.NewReader(bad), int64(len(bad)), vault.CheckCRC); err != nil ||
			!slices.Equal(report.Damaged, []uint32{uint32(block - 1)}) || report.Whole() {
			t.Fatalf("flip at %d: Check says %+v, %v", at, report, err)
		}
	}
}

func TestTruncatedSegmentKeepsWhatIsWhole(t *testing.T) {
	k := newPair(t)
	s := damageScript()
	file := s.write(t, options(k, vault.AES256GCM), true)
	tail := len(file) - 2*vault.BlockSize
	before := 0
	var cuts []int
	for at := vault.BlockSize; at <= len(file); at += 512 {
		cuts = append(cuts, at-1, at, at+1)
	}
	for _, cut := range cuts {
		if cut > len(file) {
			continue
		}
		r, err := unlock(k, file[:cut])
		if cut < vault.BlockSize {
			if !errors.Is(err, vault.ErrFormat) {
				t.Fatalf("cut to %d: %v, want ErrFormat", cut, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut to %d: %v", cut, err)
		}
		if r.Intact() != (cut == len(file)) {
			t.Fatalf("cut to %d: intact is %v", cut, r.Intact())
		}
		got := readAll(t, r, s)
		if len(got.frags) < before {
			t.Fatalf("cut to %d: %d fragments, %d with less", cut, len(got.frags), before)
		}
		if before = len(got.frags); cut >= tail {
			complete(t, got, s)
		}
	}
}

// sum refreshes a block's checksum, as whoever can write the disk can.
func sum(block []byte) {
	binary.LittleEndian.PutUint32(block[4092:], crc32.Checksum(block[:4092], crc32.MakeTable(crc32.Castagnoli)))
}

// sumSlot is sum for a slot.
func sumSlot(slot []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(slot[12:], crc32.Update(crc32.Checksum(slot[:12], table), table, slot[16:]))
}

func TestEditedHeaderOpensNothing(t *testing.T) {
	k := newPair(t)
	s := damageScript()
	file := s.write(t, options(k, vault.AES256GCM), true)
	edits := map[string]int{
		"suite": 9, "segment": 16, "stream": 32, "boot": 48, "start": 64, "sequence": 72,
		"monotonic": 80, "day": 88, "commitment": 96, "vault": 128, "sealed key": 200, "slot size": 8,
	}
	for name, at := range edits {
		bad := bytes.Clone(file)
		for _, block := range [][]byte{bad[:vault.BlockSize], bad[len(bad)-vault.BlockSize:]} {
			block[at] ^= 1
			if name == "suite" {
				block[at] = 2
			}
			sum(block)
		}
		if r, err := unlock(k, bad); !errors.Is(err, vault.ErrOpen) {
			t.Errorf("%s: %v, %v, want ErrOpen", name, r, err)
		}
		// With the segment key itself, as an old holder of it has, the slots
		// are still bound to the header.
		seg, err := vault.Open(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		key, err := k.Open(seg.Info(), seg.SealedKey())
		if err != nil {
			t.Fatal(err)
		}
		if seg, err = vault.Open(bytes.NewReader(bad), int64(len(bad))); err != nil {
			t.Fatal(err)
		}
		r, err := seg.Unlock(key)
		if name == "vault" || name == "sealed key" { // these may change: Reseal does it
			if err != nil || !r.Intact() {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			continue
		}
		if got := readAll(t, r, s); len(got.frags) > 0 || got.init || r.Intact() {
			t.Errorf("%s: slots open under another header", name)
		}
	}
}

func TestMovedSlotsAreRejected(t *testing.T) {
	k := newPair(t)
	s := damageScript()
	o := options(k, vault.AES256GCM)
	file := s.write(t, o, true)
	o.Segment = [16]byte{99}
	other := scriptOf(4000, 9000, 100, 4032, 6000, 2500).write(t, o, true)
	slot := func(b []byte, n int) []byte { return b[vault.BlockSize*(n+1):][:4096] }

	for name, tamper := range map[string]func(b []byte){
		"swapped": func(b []byte) {
			swapped := bytes.Clone(slot(b, 1))
			copy(slot(b, 1), slot(b, 2))
			copy(slot(b, 2), swapped)
		},
		"copied":       func(b []byte) { copy(slot(b, 2), slot(b, 1)) },
		"transplanted": func(b []byte) { copy(slot(b, 1), slot(other, 1)) },
		"renumbered": func(b []byte) {
			copy(slot(b, 2), slot(b, 1))
			slot(b, 2)[4] = 2
			sumSlot(slot(b, 2))
		},
		"other progress": func(b []byte) { slot(b, 1)[8] ^= 1; sumSlot(slot(b, 1)) },
		"as index":       func(b []byte) { copy(slot(b, 1), "LRTL"); sumSlot(slot(b, 1)) },
		"index as slot": func(b []byte) {
			copy(slot(b, 0), b[len(b)-2*vault.BlockSize:][:vault.BlockSize])
			copy(slot(b, 0), "LRSL")
			sumSlot(slot(b, 0))
		},
	} {
		bad := bytes.Clone(file)
		tamper(bad)
		r, err := unlock(k, bad)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := readAll(t, r, s) // fails on anything that was never written
		if len(got.frags) == len(s.frags()) {
			t.Errorf("%s: nothing was noticed", name)
		}
	}
}

// TestForgedTrailerIsNotBelieved plays whoever can write the disk, knows the
// format and has no key.
func TestForgedTrailerIsNotBelieved(t *testing.T) {
	k := newPair(t)
	s := damageScript()
	file := s.write(t, options(k, vault.AES256GCM), true)
	o := options(k, vault.AES256GCM)
	o.Segment = [16]byte{99}
	other := s.write(t, o, true)
	slots := uint32(len(file)/vault.BlockSize - 3)
	forge := func(slots, tail uint32, d time.Duration) []byte {
		b := bytes.Clone(file[len(file)-vault.BlockSize:])
		binary.LittleEndian.PutUint32(b[148:], slots)
		binary.LittleEndian.PutUint32(b[152:], tail)
		binary.LittleEndian.PutUint64(b[160:], uint64(d.Microseconds()))
		sum(b)
		return b
	}
	end := func(n uint32) []byte { return bytes.Clone(file[:vault.BlockSize*(n+1)]) }
	index := file[len(file)-2*vault.BlockSize:][:vault.BlockSize]
	for name, bad := range map[string][]byte{
		"other duration":       append(append(end(slots), index...), forge(slots, 1, time.Hour)...),
		"slots taken for tail": append(append(end(slots), index...), forge(slots-1, 2, 6*time.Second)...),
		"last slot removed":    append(append(end(slots-1), index...), forge(slots-1, 1, 6*time.Second)...),
		"index removed":        append(end(slots), forge(slots, 0, 6*time.Second)...),
		"of another segment":   append(append(end(slots), index...), other[len(other)-vault.BlockSize:]...),
		"end of another":       append(end(slots), other[len(other)-2*vault.BlockSize:]...),
		"cut and closed":       append(end(slots-2), forge(slots-2, 0, 6*time.Second)...),
		"recovered":            append(append(end(slots), index...), func() []byte { b := forge(slots, 1, 6*time.Second); b[146] = 2; sum(b); return b }()...),
	} {
		r, err := unlock(k, bad)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.Intact() {
			t.Errorf("%s: intact", name)
		}
		got := readAll(t, r, s)
		if name != "last slot removed" && name != "cut and closed" {
			complete(t, got, s)
		}
	}
	// Forged sizes must not lead anybody out of the file either.
	for _, n := range []uint32{0, 1, slots + 1, 1 << 20, 1<<32 - 1} {
		bad := append(append(end(slots), index...), forge(n, n, 0)...)
		if _, err := vault.Check(bytes.NewReader(bad), int64(len(bad)), vault.CheckCRC); err != nil {
			t.Errorf("Check with %d slots: %v", n, err)
		}
	}
}

func TestForgedIndexLengthIsBounded(t *testing.T) {
	k := newPair(t)
	s := damageScript()
	file := s.write(t, options(k, vault.AES256GCM), true)
	for _, n := range []uint32{1, 7, 100, 1 << 20, 1<<32 - 1} {
		bad := bytes.Clone(file)
		index := bad[len(bad)-2*vault.BlockSize:][:vault.BlockSize]
		binary.LittleEndian.PutUint32(index[4:], n)
		sumSlot(index)
		r, err := unlock(k, bad)
		if err != nil {
			t.Fatal(err)
		}
		complete(t, readAll(t, r, s), s)
	}
}

func TestReaderRefusesPlacesThatItDidNotName(t *testing.T) {
	k := newPair(t)
	s := damageScript()
	r, err := unlock(k, s.write(t, options(k, vault.AES256GCM), true))
	if err != nil {
		t.Fatal(err)
	}
	frags, err := r.Fragments()
	if err != nil {
		t.Fatal(err)
	}
	records, err := r.Records()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*vault.Fragment){
		"slot":     func(f *vault.Fragment) { f.Slot++ },
		"far slot": func(f *vault.Fragment) { f.Slot = 1<<32 - 1 },
		"offset":   func(f *vault.Fragment) { f.Offset++ },
		"far off":  func(f *vault.Fragment) { f.Offset = 1<<32 - 1 },
		"huge":     func(f *vault.Fragment) { f.Length = 1<<32 - 1 },
		"length":   func(f *vault.Fragment) { f.Length-- },
		"empty":    func(f *vault.Fragment) { f.Length = 0 },
		"time":     func(f *vault.Fragment) { f.Time++ },
	} {
		f := frags[1]
		change(&f)
		if _, err := r.ReadFragment(nil, f, false); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	for name, change := range map[string]func(*vault.Record){
		"slot":     func(r *vault.Record) { r.Slot++ },
		"far slot": func(r *vault.Record) { r.Slot = 1<<32 - 1 },
		"type":     func(r *vault.Record) { r.Type++ },
		"length":   func(r *vault.Record) { r.Length++ },
		"huge":     func(r *vault.Record) { r.Length = 1<<32 - 1 },
		"empty":    func(r *vault.Record) { r.Length = 0 },
	} {
		rec := records[1]
		change(&rec)
		if _, err := r.ReadRecord(nil, rec); err == nil {
			t.Errorf("record %s: read", name)
		}
	}
	if _, err := r.ReadFragment(nil, frags[2], false); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestSegmentOfAnotherVaultStaysShut(t *testing.T) {
	k, other := newPair(t), newPair(t)
	file := damageScript().write(t, options(k, vault.AES256GCM), true)
	if _, err := unlock(other, file); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("other vault: %v, want ErrOpen", err)
	}
	seg, err := vault.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range [][]byte{nil, make([]byte, 32), make([]byte, 31), bytes.Repeat([]byte{7}, 64)} {
		if _, err := seg.Unlock(key); !errors.Is(err, vault.ErrOpen) {
			t.Errorf("key of %d bytes: %v, want ErrOpen", len(key), err)
		}
	}
}
