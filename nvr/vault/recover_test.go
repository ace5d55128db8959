package vault_test

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"lares/nvr/vault"
)

func TestRecoverEndsATornFile(t *testing.T) {
	k := newPair(t)
	s := damageScript()
	s.flush = true
	file := s.write(t, options(k, vault.AES256GCM), true)
	for cut := vault.BlockSize; cut <= len(file); cut += 512 {
		f := onDisk(t, file[:cut])
		before, err := unlock(k, file[:cut])
		if err != nil {
			t.Fatal(err)
		}
		want := readAll(t, before, s)
		info, err := vault.Recover(f)
		if err != nil {
			t.Fatalf("cut to %d: %v", cut, err)
		}
		after := contents(t, f)
		if int64(len(after)) != info.Bytes {
			t.Fatalf("cut to %d: %d bytes, says %d", cut, len(after), info.Bytes)
		}
		r, err := unlock(k, after)
		if err != nil {
			t.Fatal(err)
		}
		got := readAll(t, r, s)
		if len(got.frags) != len(want.frags) || len(got.records) != len(want.records) || got.init != want.init {
			t.Fatalf("cut to %d: recovery lost something", cut)
		}
		if cut < len(file) {
			if d := time.Duration(len(got.frags)) * time.Second; info.Header.Duration != d || info.Header.Flags != vault.Recovered {
				t.Fatalf("cut to %d: %v %v, want %v", cut, info.Header.Flags, info.Header.Duration, d)
			}
		} else if !bytes.Equal(after, file) || !r.Intact() {
			t.Fatal("a whole file was changed")
		}
		again, err := vault.Recover(f)
		if err != nil || again.Bytes != info.Bytes || again.Cut != 0 || again.Header != info.Header {
			t.Fatalf("cut to %d, again: %+v, %v", cut, again, err)
		}
		report, err := vault.Check(f, info.Bytes, vault.CheckCRC)
		if err != nil || !report.Whole() {
			t.Fatalf("cut to %d: Check: %+v, %v", cut, report, err)
		}
		// A front header that decays later is made up for by the trailer.
		after[100] ^= 1
		if r, err = unlock(k, after); err != nil {
			t.Fatalf("cut to %d: front header: %v", cut, err)
		}
		readAll(t, r, s)
	}
}

func TestRecoverKeepsWhatLiesBehindAHole(t *testing.T) {
	k := newPair(t)
	s := damageScript()
	s.flush = true
	file := s.write(t, options(k, vault.AES256GCM), false)
	clear(file[vault.BlockSize*3 : vault.BlockSize*5])          // never reached the disk
	torn := append(file, make([]byte, 10000)...)                // room that was never written
	copy(torn[len(file):], file[vault.BlockSize:][:4096])       // an old slot in it
	copy(torn[len(file)+4096:], file[vault.BlockSize*6:][:700]) // half a slot
	info, err := vault.Recover(onDisk(t, torn))
	if err != nil {
		t.Fatal(err)
	}
	if int64(info.Header.Slots) != int64(len(file)/4096-1) || info.Cut != 10000 {
		t.Errorf("%d slots of %d kept, %d bytes cut", info.Header.Slots, len(file)/4096-1, info.Cut)
	}
}

func TestRecoverRefusesWhatNobodyCanOpen(t *testing.T) {
	k := newPair(t)
	file := damageScript().write(t, options(k, vault.AES256GCM), false)
	file[20] ^= 1
	for name, b := range map[string][]byte{"empty": nil, "short": file[:1000], "damaged header": file, "zeros": make([]byte, 50000)} {
		f := onDisk(t, b)
		if _, err := vault.Recover(f); !errors.Is(err, vault.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
		if !bytes.Equal(contents(t, f), b) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestRecoverOfAFileWithoutSlots(t *testing.T) {
	k := newPair(t)
	var out bytes.Buffer
	if _, err := vault.NewWriter(&out, options(k, vault.AES256GCM)); err != nil {
		t.Fatal(err)
	}
	info, err := vault.Recover(onDisk(t, append(out.Bytes(), 1, 2, 3)))
	if err != nil || info.Header.Slots != 0 || info.Header.Duration != 0 || info.Cut != 3 {
		t.Errorf("%+v, %v", info, err)
	}
}

// keyOf opens the segment key.
func keyOf(t *testing.T, k *vault.KeyPair, file []byte) []byte {
	t.Helper()
	seg, err := vault.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	key, err := k.Open(seg.Info(), seg.SealedKey())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestResealMovesTheKeyAndNothingElse(t *testing.T) {
	k, other := newPair(t), newPair(t)
	s := damageScript()
	file := s.write(t, options(k, vault.AES256GCM), true)
	f := onDisk(t, file)
	if err := vault.Reseal(f, keyOf(t, k, file), [16]byte{5}, other.Public()); err != nil {
		t.Fatal(err)
	}
	after := contents(t, f)
	slots := len(file) - vault.BlockSize
	if !bytes.Equal(after[vault.BlockSize:slots], file[vault.BlockSize:slots]) || len(after) != len(file) {
		t.Error("slots were changed")
	}
	for name, b := range map[string][]byte{"as it is": after, "from the trailer": append(make([]byte, vault.BlockSize), after[vault.BlockSize:]...)} {
		if _, err := unlock(k, b); !errors.Is(err, vault.ErrOpen) {
			t.Errorf("%s: the old vault: %v, want ErrOpen", name, err)
		}
		r, err := unlock(other, b)
		if err != nil {
			t.Fatalf("%s: the new vault: %v", name, err)
		}
		if !r.Intact() {
			t.Errorf("%s: not intact", name)
		}
		complete(t, readAll(t, r, s), s)
	}
	// The vault id is bound: who puts the old one back opens nothing.
	for _, at := range []int{128, slots + 128} {
		after[at] = 4
	}
	sum(after[:vault.BlockSize])
	sum(after[slots:])
	if _, err := unlock(other, after); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("edited vault id: %v, want ErrOpen", err)
	}
}

func TestInterruptedResealLeavesOneWholeHeader(t *testing.T) {
	k, other := newPair(t), newPair(t)
	s := damageScript()
	file := s.write(t, options(k, vault.AES256GCM), true)
	key := keyOf(t, k, file)
	done := onDisk(t, file)
	if err := vault.Reseal(done, key, [16]byte{5}, other.Public()); err != nil {
		t.Fatal(err)
	}
	after, last := contents(t, done), len(file)-vault.BlockSize
	torn := func(at, n int) []byte { // the first n bytes of the block at reached the disk
		b := bytes.Clone(file)
		if at == 0 {
			copy(b[last:], after[last:])
		}
		copy(b[at:at+n], after[at:at+n])
		return b
	}
	for n := 0; n <= vault.BlockSize; n += 512 {
		for _, at := range []int{last, 0} {
			b := torn(at, n)
			_, oldErr := unlock(k, b)
			_, newErr := unlock(other, b)
			if oldErr != nil && newErr != nil {
				t.Fatalf("block at %d torn after %d: %v, %v", at, n, oldErr, newErr)
			}
			f := onDisk(t, b)
			if err := vault.Reseal(f, key, [16]byte{5}, other.Public()); err != nil {
				t.Fatalf("block at %d torn after %d: again: %v", at, n, err)
			}
			if r, err := unlock(other, contents(t, f)); err != nil || !r.Intact() {
				t.Fatalf("block at %d torn after %d: again: not intact, %v", at, n, err)
			}
		}
	}
}

func TestResealRefuses(t *testing.T) {
	k := newPair(t)
	open := damageScript().write(t, options(k, vault.AES256GCM), false)
	if err := vault.Reseal(onDisk(t, open), keyOf(t, k, open), [16]byte{5}, k.Public()); !errors.Is(err, vault.ErrFormat) {
		t.Errorf("open segment: %v, want ErrFormat", err)
	}
	closed := damageScript().write(t, options(k, vault.AES256GCM), true)
	f := onDisk(t, closed)
	if err := vault.Reseal(f, make([]byte, 32), [16]byte{5}, k.Public()); !errors.Is(err, vault.ErrOpen) {
		t.Errorf("wrong key: %v, want ErrOpen", err)
	}
	if err := vault.Reseal(f, keyOf(t, k, closed), [16]byte{5}, nil); !errors.Is(err, vault.ErrFormat) {
		t.Errorf("no vault: %v, want ErrFormat", err)
	}
	if !bytes.Equal(contents(t, f), closed) {
		t.Error("the file was changed")
	}
}

func TestDestroyedSegmentOpensNoMore(t *testing.T) {
	k := newPair(t)
	file := damageScript().write(t, options(k, vault.AES256GCM), true)
	sealed := file[200:1000] // of the sealed key
	corrupt := bytes.Clone(file)
	corrupt[0], corrupt[len(file)-vault.BlockSize] = 0, 0
	for name, b := range map[string][]byte{
		"closed": file, "open": file[:len(file)-2*vault.BlockSize], "damaged headers": corrupt,
		"torn trailer": file[:len(file)-2048], "torn header": file[:2048], "odd end": append(bytes.Clone(file), 0),
	} {
		f := onDisk(t, b)
		if err := vault.Destroy(f); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		after := contents(t, f)
		for at := 0; at+16 <= len(sealed); at += 16 {
			if bytes.Contains(after, sealed[at:at+16]) {
				t.Fatalf("%s: the sealed key is still there", name)
			}
		}
		if name == "closed" {
			seg, err := vault.Open(bytes.NewReader(after), int64(len(after)))
			if err != nil || len(seg.SealedKey()) != 0 || !seg.Closed() {
				t.Errorf("what is left does not say what it was: %v", err)
			}
		}
	}
	if err := vault.Destroy(onDisk(t, nil)); err != nil {
		t.Errorf("empty file: %v", err)
	}
}

func TestSegmentIsReadWhileItIsWritten(t *testing.T) {
	k := newPair(t)
	f := onDisk(t, nil)
	w, err := vault.NewWriter(f, options(k, vault.AES256GCM))
	if err != nil {
		t.Fatal(err)
	}
	s := damageScript()
	if err := w.Init(s.init); err != nil {
		t.Fatal(err)
	}
	for i, p := range s.frags() {
		if err := w.Fragment(p.info, p.data); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		r, err := unlock(k, contents(t, f))
		if err != nil {
			t.Fatal(err)
		}
		if got := readAll(t, r, s); !got.init || len(got.frags) != i+1 {
			t.Fatalf("%d of %d fragments", len(got.frags), i+1)
		}
	}
	w.Abort()
	if st, err := os.Stat(f.Name()); err != nil || st.Size()%vault.BlockSize != 0 {
		t.Error("Abort wrote something")
	}
}
