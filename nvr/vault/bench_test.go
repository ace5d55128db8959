package vault_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"lares/nvr/vault"
)

// BenchmarkWriteFragment is a second of 3 Mbit/s: steady state allocates
// nothing. The segment is changed every minute, as it is in use.
func BenchmarkWriteFragment(b *testing.B) {
	k := newPair(b)
	for name, suite := range map[string]vault.Suite{"aes": vault.AES256GCM, "chacha": vault.ChaCha20Poly1305} {
		b.Run(name, func(b *testing.B) {
			o := options(k, suite)
			o.SlotLog2 = 16
			part := make([]byte, 375000/2)
			var w *vault.Writer
			b.SetBytes(375000)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%60 == 0 {
					b.StopTimer()
					var err error
					if w, err = vault.NewWriter(io.Discard, o); err != nil {
						b.Fatal(err)
					}
					if err := w.Init([]byte("init")); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				info := vault.FragmentInfo{Time: startTicks + int64(i%60)*second, Duration: second}
				if err := w.Fragment(info, part, part); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// minute returns a closed segment of 3 Mbit/s.
func minute(b *testing.B, k *vault.KeyPair) []byte {
	b.Helper()
	o := options(k, vault.AutoSuite)
	o.SlotLog2 = 16
	s := &script{init: []byte("init")}
	for i := range 60 {
		info := vault.FragmentInfo{Time: startTicks + int64(i)*second, Duration: second, KeyBytes: 60000}
		s.pieces = append(s.pieces, piece{info: info, data: make([]byte, 375000)})
	}
	return s.write(b, o, true)
}

// BenchmarkOpenSegment is a cold segment up to its list of fragments.
func BenchmarkOpenSegment(b *testing.B) {
	k := newPair(b)
	file := minute(b, k)
	for b.Loop() {
		r, err := unlock(k, file)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Fragments(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScanSegment is the same for one without index.
func BenchmarkScanSegment(b *testing.B) {
	k := newPair(b)
	file := minute(b, k)
	file = file[:len(file)-2*vault.BlockSize]
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		r, err := unlock(k, file)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Fragments(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadFragment reads a second of 3 Mbit/s, or its key frame alone.
func BenchmarkReadFragment(b *testing.B) {
	k := newPair(b)
	r, err := unlock(k, minute(b, k))
	if err != nil {
		b.Fatal(err)
	}
	frags, err := r.Fragments()
	if err != nil {
		b.Fatal(err)
	}
	for name, keyOnly := range map[string]bool{"whole": false, "key": true} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if dst, err = r.ReadFragment(dst, frags[i%len(frags)], keyOnly); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(dst)))
		})
	}
}

// BenchmarkCheck is the scrub without a key.
func BenchmarkCheck(b *testing.B) {
	file := minute(b, newPair(b))
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := vault.Check(bytes.NewReader(file), int64(len(file)), vault.CheckCRC); err != nil {
			b.Fatal(err)
		}
	}
}

// TestFragmentsAllocateNothing holds what the benchmark shows.
func TestFragmentsAllocateNothing(t *testing.T) {
	k := newPair(t)
	w, err := vault.NewWriter(io.Discard, options(k, vault.AutoSuite))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Init([]byte("init")); err != nil {
		t.Fatal(err)
	}
	part, n := make([]byte, 9000), int64(0)
	if got := testing.AllocsPerRun(100, func() {
		n++
		if err := w.Fragment(vault.FragmentInfo{Time: startTicks + n*second, Duration: second}, part, part); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("%v allocations for a fragment", got)
	}
	if err := w.Close(time.Minute); err != nil {
		t.Fatal(err)
	}
}
