package auth

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"

	"lares/nvr"
	"lares/nvr/vault"
)

// escrowMagic begins an escrow file; its last digit is the version.
const escrowMagic = "LARESESC1"

// maxEscrow bounds an escrow file and each blob in it.
const maxEscrow = 16 << 10

// escrowFixed is the size of the fields before the two blobs.
const escrowFixed = len(escrowMagic) + 3*16 + 8

// maxOpenVaults bounds the vaults whose keys an opener keeps in memory.
const maxOpenVaults = 512

// EscrowFile is what lies beside the footage of a vault, so that footage and
// the printed recovery key are enough to open it:
//
//	9 B magic and version | 16 B vault | 16 B camera | 16 B recovery principal
//	8 B day (UTC, days since the Unix epoch) | u16 length, public key
//	u16 length, seed sealed to the recovery key | u32 CRC-32C of all before
//
// Numbers are big endian.
type EscrowFile struct {
	Vault     nvr.VaultID
	Camera    nvr.CameraID
	Principal nvr.PrincipalID
	Day       int
	Public    []byte
	Escrow    []byte
}

// Marshal returns the bytes of the file.
func (f EscrowFile) Marshal() []byte {
	b := append([]byte(nil), escrowMagic...)
	b = append(b, f.Vault[:]...)
	b = append(b, f.Camera[:]...)
	b = append(b, f.Principal[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(int64(f.Day)))
	for _, blob := range [][]byte{f.Public, f.Escrow} {
		b = binary.BigEndian.AppendUint16(b, uint16(len(blob)))
		b = append(b, blob...)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// ParseEscrowFile reads what Marshal wrote. Error: nvr.ErrCorrupt.
func ParseEscrowFile(b []byte) (EscrowFile, error) {
	bad := fmt.Errorf("escrow file: %w", nvr.ErrCorrupt)
	if len(b) < escrowFixed+4 || len(b) > maxEscrow || !bytes.HasPrefix(b, []byte(escrowMagic)) {
		return EscrowFile{}, bad
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return EscrowFile{}, bad
	}
	var f EscrowFile
	body = body[len(escrowMagic):]
	body = body[copy(f.Vault[:], body):]
	body = body[copy(f.Camera[:], body):]
	body = body[copy(f.Principal[:], body):]
	f.Day = int(int64(binary.BigEndian.Uint64(body)))
	body = body[8:]
	for _, blob := range []*[]byte{&f.Public, &f.Escrow} {
		if len(body) < 2 {
			return EscrowFile{}, bad
		}
		n := int(binary.BigEndian.Uint16(body))
		if len(body) < 2+n {
			return EscrowFile{}, bad
		}
		*blob, body = bytes.Clone(body[2:2+n]), body[2+n:]
	}
	if len(body) != 0 {
		return EscrowFile{}, bad
	}
	return f, nil
}

// OpenEscrow returns the 32-byte seed of the vault. Errors: ErrRecoveryKey when
// it is not sealed to this key, nvr.ErrCorrupt when it is not the vault's seed.
func OpenEscrow(rec vault.RecoveryKey, f EscrowFile) ([]byte, error) {
	pair, err := openEscrow(rec, f)
	if err != nil {
		return nil, err
	}
	defer pair.Wipe()
	return pair.Seed(), nil
}

func openEscrow(rec vault.RecoveryKey, f EscrowFile) (*vault.KeyPair, error) {
	pair, err := rec.KeyPair()
	if err != nil {
		return nil, fmt.Errorf("open escrow: %w", err)
	}
	defer pair.Wipe()
	seed, err := pair.Open(seedInfo(escrowDomain, f.Vault, f.Principal, f.Camera, f.Day), f.Escrow)
	if err != nil {
		return nil, fmt.Errorf("open escrow: %w", ErrRecoveryKey)
	}
	return vaultPair(seed, f.Public)
}

// vaultPair takes over the seed and checks that it belongs to the public key.
func vaultPair(seed, public []byte) (*vault.KeyPair, error) {
	defer clear(seed)
	pair, err := vault.KeyPairFromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("read the seed of a vault: %w", nvr.ErrCorrupt)
	}
	if !bytes.Equal(pair.Public(), public) {
		pair.Wipe()
		return nil, fmt.Errorf("seed and public key of a vault differ: %w", nvr.ErrCorrupt)
	}
	return pair, nil
}

// RecoveryOpener returns an opener that needs nothing but the recovery key and
// the escrow files beside the footage; load finds the file of a vault. It may
// be used from any goroutine.
func RecoveryOpener(rec vault.RecoveryKey, load func(nvr.VaultID) ([]byte, error)) nvr.Opener {
	return &recoveryOpener{rec: rec, load: load, open: make(map[nvr.VaultID]*vault.KeyPair)}
}

type recoveryOpener struct {
	rec  vault.RecoveryKey
	load func(nvr.VaultID) ([]byte, error)

	mu   sync.Mutex // guards what follows
	open map[nvr.VaultID]*vault.KeyPair
}

// OpenKey implements nvr.Opener.
func (o *recoveryOpener) OpenKey(_ context.Context, id nvr.VaultID, info, sealed []byte) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	pair, ok := o.open[id]
	if !ok {
		var err error
		if pair, err = o.vault(id); err != nil {
			return nil, err
		}
		keep(o.open, id, pair)
	}
	return openKey(pair, info, sealed)
}

func (o *recoveryOpener) vault(id nvr.VaultID) (*vault.KeyPair, error) {
	raw, err := o.load(id)
	if err != nil {
		return nil, fmt.Errorf("load escrow of vault %s: %w", id, err)
	}
	f, err := ParseEscrowFile(raw)
	if err != nil {
		return nil, err
	}
	if f.Vault != id {
		return nil, fmt.Errorf("escrow file of vault %s is that of %s: %w", id, f.Vault, nvr.ErrCorrupt)
	}
	return openEscrow(o.rec, f)
}

// keep adds a vault's pair to those in memory and makes room if need be.
func keep(open map[nvr.VaultID]*vault.KeyPair, id nvr.VaultID, pair *vault.KeyPair) {
	for other, p := range open {
		if len(open) < maxOpenVaults {
			break
		}
		p.Wipe()
		delete(open, other)
	}
	open[id] = pair
}

func openKey(pair *vault.KeyPair, info, sealed []byte) ([]byte, error) {
	key, err := pair.Open(info, sealed)
	if err != nil {
		return nil, fmt.Errorf("open key: %w", nvr.ErrCorrupt)
	}
	return key, nil
}
