package vault_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lares/nvr/vault"
)

// frozen is testdata/v1.json: what was sealed when version 1 was laid down.
// It and the segments beside it never change, so that old footage and old
// databases stay readable. All bytes are hexadecimal.
type frozen struct {
	Seed, Info, Sealed        string // Seal; opens to Plain
	Password, Salt, Params    string // DeriveKey and Wrap
	Context, Wrapped, Machine string // Machine: under a key of 32 bytes 0x42
	Recovery, RecoveryPublic  string // the printed key, SHA-256 of its public key
	SigningSeed, Signature    string // of Plain for the purpose Context
	Plain                     string
	Init                      string
	Fragments, Records        []string // SHA-256, in order
}

var frozenFiles = map[string]vault.Suite{"v1-aes.seg": vault.AES256GCM, "v1-chacha.seg": vault.ChaCha20Poly1305}

// TestFrozenVersionOneStillOpens is the promise that old footage stays readable.
func TestFrozenVersionOneStillOpens(t *testing.T) {
	if os.Getenv("LARES_FREEZE") != "" {
		freeze(t)
	}
	raw, err := os.ReadFile(filepath.Join("testdata", "v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	var v frozen
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	k, err := vault.KeyPairFromSeed(unhex(t, v.Seed))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("keys", func(t *testing.T) { v.checkKeys(t, k) })
	for name, suite := range frozenFiles {
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			v.checkSegment(t, k, file, suite)
			// The slots and the header copy alone, as after a crash.
			v.checkSegment(t, k, file[:len(file)-2*vault.BlockSize], suite)
		})
	}
}

func (v *frozen) checkKeys(t *testing.T, k *vault.KeyPair) {
	plain := unhex(t, v.Plain)
	same := func(what string, got []byte, err error) {
		t.Helper()
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: % x, %v", what, got, err)
		}
	}
	got, err := k.Open(unhex(t, v.Info), unhex(t, v.Sealed))
	same("sealed", got, err)
	var p vault.KDFParams
	if err := p.UnmarshalBinary(unhex(t, v.Params)); err != nil {
		t.Fatal(err)
	}
	key, err := vault.DeriveKey(v.Password, unhex(t, v.Salt), p)
	if err != nil {
		t.Fatal(err)
	}
	got, err = vault.Unwrap(key, v.Context, unhex(t, v.Wrapped))
	same("wrapped", got, err)
	m, err := vault.NewMachineKey(bytes.Repeat([]byte{0x42}, 32))
	if err != nil {
		t.Fatal(err)
	}
	got, err = m.Open(v.Context, unhex(t, v.Machine))
	same("machine", got, err)
	rec, err := vault.ParseRecoveryKey(v.Recovery)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := rec.KeyPair()
	if err != nil || hash(pair.Public()) != v.RecoveryPublic {
		t.Errorf("recovery key gives another key pair, %v", err)
	}
	signer, err := vault.SigningKeyFromSeed(unhex(t, v.SigningSeed))
	if err != nil || !vault.Verify(signer.Public(), v.Context, plain, unhex(t, v.Signature)) {
		t.Errorf("signature does not verify, %v", err)
	}
}

func (v *frozen) checkSegment(t *testing.T, k *vault.KeyPair, file []byte, suite vault.Suite) {
	t.Helper()
	seg, err := vault.Open(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if h, o := seg.Header(), options(k, suite); h.Suite != suite || !h.Start.Equal(o.Start) || h.Seq != o.Seq || h.Vault != o.Vault {
		t.Errorf("header %+v", h)
	}
	report, err := vault.Check(bytes.NewReader(file), int64(len(file)), vault.CheckCRC)
	if err != nil || len(report.Damaged) > 0 || report.Index || report.Whole() != seg.Closed() {
		t.Errorf("check: %+v, %v", report, err)
	}
	r, err := unlock(k, file)
	if err != nil {
		t.Fatal(err)
	}
	if r.Intact() != seg.Closed() {
		t.Errorf("intact %v, closed %v", r.Intact(), seg.Closed())
	}
	if init, err := r.Init(); err != nil || hash(init) != v.Init {
		t.Errorf("init segment: %v", err)
	}
	frags, err := r.Fragments()
	if err != nil || len(frags) != len(v.Fragments) {
		t.Fatalf("%d fragments of %d, %v", len(frags), len(v.Fragments), err)
	}
	for i, f := range frags {
		if b, err := r.ReadFragment(nil, f, false); err != nil || hash(b) != v.Fragments[i] || f.Time != startTicks+int64(i)*second {
			t.Errorf("fragment %d: %v", i, err)
		}
	}
	records, err := r.Records()
	if err != nil || len(records) != len(v.Records) {
		t.Fatalf("%d records of %d, %v", len(records), len(v.Records), err)
	}
	for i, rec := range records {
		if b, err := r.ReadRecord(nil, rec); err != nil || hash(b) != v.Records[i] {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// freeze makes the files of a new version. It never replaces one.
func freeze(t *testing.T) {
	t.Helper()
	must := func(b []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(b)
	}
	k, plain, salt := newPair(t), media(1, 32), media(2, 16)
	p := vault.KDFParams{Version: 1, Time: 2, MemoryKiB: 64, Threads: 2}
	key, err := vault.DeriveKey("correct horse battery", salt, p)
	if err != nil {
		t.Fatal(err)
	}
	m, err := vault.NewMachineKey(bytes.Repeat([]byte{0x42}, 32))
	if err != nil {
		t.Fatal(err)
	}
	rec, signer := vault.NewRecoveryKey(), vault.NewSigningKey()
	pair, err := rec.KeyPair()
	if err != nil {
		t.Fatal(err)
	}
	s := damageScript()
	s.flush = true
	v := frozen{
		Seed: hex.EncodeToString(k.Seed()), Info: hex.EncodeToString([]byte("info")),
		Sealed:   must(vault.Seal(k.Public(), []byte("info"), plain)),
		Password: "correct horse battery", Salt: hex.EncodeToString(salt), Params: must(p.MarshalBinary()),
		Context: "frozen", Wrapped: must(vault.Wrap(key, "frozen", plain)), Machine: hex.EncodeToString(m.Seal("frozen", plain)),
		Recovery: rec.String(), RecoveryPublic: hash(pair.Public()),
		SigningSeed: hex.EncodeToString(signer.Seed()), Signature: must(signer.Sign("frozen", plain)),
		Plain: hex.EncodeToString(plain), Init: hash(s.init),
	}
	for _, f := range s.frags() {
		v.Fragments = append(v.Fragments, hash(f.data))
	}
	for _, r := range s.records() {
		v.Records = append(v.Records, hash(r.data))
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"v1.json": append(text, '\n')}
	for name, suite := range frozenFiles {
		files[name] = s.write(t, options(k, suite), true)
	}
	for name, b := range files {
		path := filepath.Join("testdata", name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s is there already", path)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("made at %v; commit them and leave LARES_FREEZE unset", time.Now())
}
