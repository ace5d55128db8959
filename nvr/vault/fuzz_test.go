package vault

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// fuzzFile is a small segment and its key.
func fuzzFile(tb testing.TB) (file, key []byte) {
	tb.Helper()
	k, err := KeyPairFromSeed(make([]byte, SeedSize))
	if err != nil {
		tb.Fatal(err)
	}
	var out bytes.Buffer
	w, err := NewWriter(&out, Options{SlotLog2: MinSlotLog2, Suite: AES256GCM, Start: time.UnixMilli(1), Public: k.Public()})
	if err != nil {
		tb.Fatal(err)
	}
	for _, err := range []error{
		w.Init([]byte("init")), w.Fragment(FragmentInfo{KeyBytes: 9, Duration: 1}, make([]byte, 5000)),
		w.Record(Event, []byte("event")), w.Close(time.Second),
	} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	seg, err := Open(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		tb.Fatal(err)
	}
	if key, err = k.Open(seg.Info(), seg.SealedKey()); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes(), key
}

// FuzzHeader gives foreign bytes a good checksum, so that the fields are reached.
func FuzzHeader(f *testing.F) {
	file, _ := fuzzFile(f)
	f.Add(file[:BlockSize])
	f.Add(file[len(file)-BlockSize:])
	f.Fuzz(func(t *testing.T, b []byte) {
		var block headerBlock
		copy(block[:], b)
		block.sum()
		h, err := block.decode()
		if err != nil {
			return
		}
		var again headerBlock
		again.encode(&h, block.commit())
		copy(again[offVault:], h.Vault[:])
		copy(again[offSealedLen:offFlags], block[offSealedLen:])
		copy(again[offSealed:offHeaderCRC], block[offSealed:])
		again.end(h.Flags, h.Slots, h.Tail, h.Duration)
		if again != block {
			t.Fatal("the header has a second spelling")
		}
		_, _ = block.info(), block.sealed()
	})
}

// FuzzSegment reads foreign bytes as a whole file, with and without the key.
func FuzzSegment(f *testing.F) {
	file, key := fuzzFile(f)
	f.Add(0, []byte{})
	f.Add(BlockSize, file[BlockSize:2*BlockSize])
	f.Add(len(file)-2*BlockSize, []byte("LRTL\xff\xff\xff\xff"))
	f.Add(len(file)-BlockSize, file[:BlockSize])
	f.Fuzz(func(t *testing.T, at int, patch []byte) {
		b := slices.Clone(file)
		if at = max(0, at); at < len(b) {
			b = append(b[:at], patch...)
			if n := at + len(patch); n < len(file) {
				b = append(b, file[n:]...)
			}
		}
		_, _ = Check(bytes.NewReader(b), int64(len(b)), CheckCRC)
		seg, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		r, err := seg.Unlock(key)
		if err != nil {
			return
		}
		frags, err := r.Fragments()
		if err != nil {
			t.Fatal(err)
		}
		for _, fr := range frags {
			if got, err := r.ReadFragment(nil, fr, false); err == nil && !bytes.Equal(got, make([]byte, 5000)) {
				t.Fatal("wrong bytes")
			}
		}
		records, err := r.Records()
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range records {
			if got, err := r.ReadRecord(nil, rec); err == nil && string(got) != "event" {
				t.Fatal("wrong record")
			}
		}
	})
}

// FuzzTail parses an index that authenticated and is nonsense nevertheless.
func FuzzTail(f *testing.F) {
	good := tail{
		slots: 3, duration: time.Second, init: []byte("init"),
		frags:   []Fragment{{FragmentInfo: FragmentInfo{Time: 1, Duration: 2, KeyBytes: 3}, Length: 4, Slot: 1, Offset: 9}},
		records: []Record{{Type: Event, Slot: 2, Length: 7}},
	}
	f.Add(good.encode())
	f.Add(make([]byte, tailHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got tail
		if got.decode(b, 3) != nil {
			return
		}
		again := got.encode()
		if len(again) != len(b) {
			t.Fatalf("%d bytes came back as %d", len(b), len(again))
		}
	})
}

// FuzzScan scans payloads that authenticated and are nonsense nevertheless. The
// input is cut into slots by its own bytes.
func FuzzScan(f *testing.F) {
	var head [recordHeader]byte
	m := mediaHeader{kind: recordFrag, length: 3}
	m.encode(head[:])
	record := append(head[:], 1, 2, 3)
	f.Add(append([]byte{0, 27}, record...))
	f.Add(append(append([]byte{0, 10}, record[:10]...), append([]byte{255, 17}, record[10:]...)...))
	f.Add([]byte{1, 4, 2, 0, 2, 1, 9, 9, 9, 9})
	f.Fuzz(func(t *testing.T, b []byte) {
		var sc scanner
		for n := uint32(0); len(b) >= 2; n++ {
			size := min(int(b[1]), len(b)-2)
			payload := b[2 : 2+size]
			switch b[0] % 4 {
			case 0:
				sc.media(n, payload, uint32(b[0]>>2))
			case 1:
				sc.record(n, slotHead{kind: SlotType(2 + b[0]>>6), length: size, part: uint16(b[0] >> 2 & 3), parts: uint16(b[0] >> 4 & 3)})
			case 2:
				sc.hole()
			case 3:
				sc.media(n, payload, noResync)
			}
			b = b[2+size:]
		}
		for _, fr := range sc.found.frags {
			m := mediaHeader{kind: recordFrag, length: fr.Length, FragmentInfo: fr.FragmentInfo}
			if !m.valid() {
				t.Fatalf("found %+v", fr)
			}
		}
	})
}

// FuzzInner parses what a slot says about its payload.
func FuzzInner(f *testing.F) {
	f.Add(make([]byte, innerSize))
	f.Add(append([]byte{1, 0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0}, 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < innerSize {
			return
		}
		h, payload, err := parseInner(b)
		if err == nil && (len(payload) != h.length || h.resync != noResync && int(h.resync) >= h.length) {
			t.Fatalf("%+v with %d bytes", h, len(payload))
		}
	})
}
