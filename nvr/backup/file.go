package backup

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// magic begins a backup; its last digit is the version.
const magic = "LARESBAK1"

const (
	purpose   = "lares/backup/v1"
	keySize   = 32
	headFixed = len(magic) + 16 + 8 + 2
	// MaxSize bounds a backup in bytes.
	MaxSize = 1 << 30
)

// ErrRecoveryKey: the backup is sealed to another recovery key.
var ErrRecoveryKey = errors.New("this recovery key does not open this backup")

// Contents is what a backup holds.
type Contents struct {
	Made    time.Time // to the second
	Machine []byte    // the machine key, vault.MachineKeySize bytes
	Config  []byte    // config.db, as db.Config.Backup makes it
}

// Recipient is to whom a backup is sealed.
type Recipient struct {
	Principal nvr.PrincipalID // of the recovery key
	Public    []byte
}

// Seal returns the bytes of a backup:
//
//	9 B magic and version | 16 B recovery principal | 8 B time, Unix seconds
//	u16 length, file key sealed to the recovery key
//	machine key and config.db, sealed with the file key to all of the above
//
// Numbers are big endian.
func Seal(to Recipient, c Contents) ([]byte, error) {
	if len(c.Machine) != vault.MachineKeySize {
		return nil, fmt.Errorf("back up a machine key of %d bytes: %w", len(c.Machine), nvr.ErrInvalid)
	}
	head := append([]byte(magic), to.Principal[:]...)
	head = binary.BigEndian.AppendUint64(head, uint64(c.Made.Unix()))
	var key [keySize]byte
	rand.Read(key[:]) // never fails: crypto/rand, Go 1.24
	defer clear(key[:])
	sealed, err := vault.Seal(to.Public, append([]byte(purpose), head...), key[:])
	if err != nil {
		return nil, fmt.Errorf("seal the key of a backup: %w", err)
	}
	head = binary.BigEndian.AppendUint16(head, uint16(len(sealed)))
	head = append(head, sealed...)
	plain := append(bytes.Clone(c.Machine), c.Config...)
	defer clear(plain)
	body, err := vault.Wrap(key, boundTo(head), plain)
	if err != nil {
		return nil, fmt.Errorf("seal a backup: %w", err)
	}
	return append(head, body...), nil
}

// Open returns what a backup holds. Errors: ErrRecoveryKey, nvr.ErrCorrupt.
func Open(key vault.RecoveryKey, file []byte) (Contents, error) {
	bad := fmt.Errorf("read backup: %w", nvr.ErrCorrupt)
	if len(file) < headFixed || len(file) > MaxSize || !bytes.HasPrefix(file, []byte(magic)) {
		return Contents{}, bad
	}
	sealedAt := headFixed - 2
	end := headFixed + int(binary.BigEndian.Uint16(file[sealedAt:]))
	if len(file) < end {
		return Contents{}, bad
	}
	pair, err := key.KeyPair()
	if err != nil {
		return Contents{}, fmt.Errorf("read recovery key: %w", err)
	}
	defer pair.Wipe()
	raw, err := pair.Open(append([]byte(purpose), file[:sealedAt]...), file[headFixed:end])
	if err != nil || len(raw) != keySize {
		return Contents{}, ErrRecoveryKey
	}
	defer clear(raw)
	plain, err := vault.Unwrap([keySize]byte(raw), boundTo(file[:end]), file[end:])
	if err != nil || len(plain) < vault.MachineKeySize {
		return Contents{}, bad
	}
	made := binary.BigEndian.Uint64(file[len(magic)+16:])
	return Contents{
		Made:    time.Unix(int64(made), 0).UTC(),
		Machine: plain[:vault.MachineKeySize:vault.MachineKeySize],
		Config:  plain[vault.MachineKeySize:],
	}, nil
}

// boundTo binds what is sealed to everything before it.
func boundTo(head []byte) string { return purpose + string(head) }
