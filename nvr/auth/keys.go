package auth

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"lares/nvr"
	"lares/nvr/vault"
)

// What sealed bytes are bound to. Each purpose has its own domain, so that no
// blob can stand in for another.
const (
	grantDomain    = "lares/vault-grant/v1"
	escrowDomain   = "lares/vault-escrow/v1"
	vaultDomain    = "lares/vault/v1"
	secretDomain   = "lares/principal-secret/v1"
	passwordDomain = "lares/unlocker/password/v1" //nolint:gosec // a name, not a password
	recoveryDomain = "lares/unlocker/recovery/v1"
	detailsDomain  = "lares/log-details/v1"
)

// maxFormer is how many earlier key pairs a person keeps, one for each change
// of the password. Footage sealed before that opens with the recovery key.
const maxFormer = 256

// seedInfo is what a vault's seed is bound to, in a grant or an escrow: the
// purpose, the vault, the principal, the camera and the day (big endian).
func seedInfo(domain string, vaultID nvr.VaultID, principal nvr.PrincipalID, camera nvr.CameraID, day int) []byte {
	info := append([]byte(domain), 0)
	info = append(info, vaultID[:]...)
	info = append(info, principal[:]...)
	info = append(info, camera[:]...)
	return binary.BigEndian.AppendUint64(info, uint64(int64(day)))
}

// unlockerContext binds a wrapped seed to its row.
func unlockerContext(domain string, u nvr.Unlocker) string {
	return domain + "/" + u.ID.String() + "/" + u.Principal.String()
}

// secret is what a person's own key keeps from everybody else. It is sealed
// with a key that only the holder of the private seed can make, so nobody else
// can forge it. Sealed to the public key, anybody could.
type secret struct {
	Form int    `json:"version"`
	Sign []byte `json:"sign"` // seed of the Ed25519 key
	// TOTP is the shared secret of the second factor in base32; empty: waived.
	TOTP string `json:"totp,omitempty"`
	// Codes are hashes of the recovery codes of the second factor that were not
	// used yet.
	Codes [][]byte `json:"codes,omitempty"`
	// Former lists the seeds of earlier key pairs, newest first: they open what
	// was sealed before the password was changed.
	Former [][]byte `json:"former,omitempty"`
	// Roster is the last one that this person accepted, whole, so that it can
	// be put back.
	Roster nvr.Roster `json:"roster"`
}

// wipe clears the keys in memory.
func (x *secret) wipe() {
	clear(x.Sign)
	for _, seed := range x.Former {
		clear(seed)
	}
}

func secretKey(pair *vault.KeyPair) ([32]byte, error) {
	seed := pair.Seed()
	defer clear(seed)
	var key []byte
	var err error
	vault.Secretly(func() { key, err = hkdf.Key(sha256.New, seed, nil, secretDomain, 32) })
	if err != nil {
		return [32]byte{}, fmt.Errorf("derive the key of a secret: %w", err)
	}
	defer clear(key)
	return [32]byte(key), nil
}

func (x secret) seal(pair *vault.KeyPair, id nvr.PrincipalID) ([]byte, error) {
	var plain []byte
	var err error
	vault.Secretly(func() { plain, err = json.Marshal(x) })
	if err != nil {
		return nil, fmt.Errorf("encode secret: %w", err)
	}
	defer clear(plain)
	key, err := secretKey(pair)
	if err != nil {
		return nil, err
	}
	defer clear(key[:])
	sealed, err := vault.Wrap(key, secretDomain+"/"+id.String(), plain)
	if err != nil {
		return nil, fmt.Errorf("seal secret: %w", err)
	}
	return sealed, nil
}

func openSecret(pair *vault.KeyPair, p nvr.Principal) (secret, error) {
	key, err := secretKey(pair)
	if err != nil {
		return secret{}, err
	}
	defer clear(key[:])
	plain, err := vault.Unwrap(key, secretDomain+"/"+p.ID.String(), p.Secret)
	if err != nil {
		return secret{}, fmt.Errorf("open secret: %w", nvr.ErrCorrupt)
	}
	defer clear(plain)
	var x secret
	vault.Secretly(func() { err = json.Unmarshal(plain, &x) })
	if err != nil || x.Form != 1 {
		return secret{}, fmt.Errorf("read secret: %w", nvr.ErrCorrupt)
	}
	return x, nil
}

// keyring is the key pairs of one person in memory, the current one first. It
// may be used from any goroutine; wipe may come at any time.
type keyring struct {
	id    nvr.PrincipalID
	pairs []*vault.KeyPair
}

// newKeyring expands the seeds of a person, the current one first.
func newKeyring(id nvr.PrincipalID, seeds [][]byte) (*keyring, error) {
	k := &keyring{id: id}
	for _, seed := range seeds {
		pair, err := vault.KeyPairFromSeed(seed)
		if err != nil {
			k.wipe()
			return nil, fmt.Errorf("read the keys of a person: %w", nvr.ErrCorrupt)
		}
		k.pairs = append(k.pairs, pair)
	}
	return k, nil
}

// openGrant opens this person's grant and returns the vault's pair. Its public
// key must be the one that the box seals to. Errors: nvr.ErrForbidden when there
// is no grant, nvr.ErrCorrupt.
func (k *keyring) openGrant(v nvr.Vault, grants []nvr.Grant) (*vault.KeyPair, error) {
	i := slices.IndexFunc(grants, func(g nvr.Grant) bool { return g.Principal == k.id })
	if i < 0 {
		return nil, fmt.Errorf("no grant for vault %s: %w", v.ID, nvr.ErrForbidden)
	}
	info := seedInfo(grantDomain, v.ID, k.id, v.Camera, v.Day)
	for _, pair := range k.pairs {
		if seed, err := pair.Open(info, grants[i].Sealed); err == nil {
			return vaultPair(seed, v.Public)
		}
	}
	return nil, fmt.Errorf("open grant of vault %s: %w", v.ID, nvr.ErrCorrupt)
}

func (k *keyring) wipe() {
	for _, pair := range k.pairs {
		pair.Wipe()
	}
}
