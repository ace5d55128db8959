package recorder_test

import (
	"context"
	"maps"
	"sync"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// keys is a vault for each camera and UTC day whose pairs stay in the test.
type keys struct {
	mu     sync.Mutex
	vaults map[string]nvr.VaultID
	pairs  map[nvr.VaultID]*vault.KeyPair
	locked bool
	none   error

	destroyed map[nvr.VaultID]bool
	replaced  map[nvr.VaultID]bool
	foreign   nvr.VaultID // nobody here has the key
}

func newKeys() *keys {
	return &keys{vaults: map[string]nvr.VaultID{}, pairs: map[nvr.VaultID]*vault.KeyPair{}, destroyed: map[nvr.VaultID]bool{}, replaced: map[nvr.VaultID]bool{}}
}

// clone returns keys that change by themselves.
func (k *keys) clone() *keys {
	k.mu.Lock()
	defer k.mu.Unlock()
	return &keys{vaults: maps.Clone(k.vaults), pairs: maps.Clone(k.pairs), destroyed: maps.Clone(k.destroyed), replaced: maps.Clone(k.replaced)}
}

func (k *keys) CurrentVault(_ context.Context, c nvr.CameraID, at time.Time) (nvr.Recipient, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.none != nil {
		return nvr.Recipient{}, k.none
	}
	name := c.String() + at.UTC().Format(time.DateOnly)
	id := k.vaults[name]
	if k.pairs[id] == nil {
		pair, err := vault.NewKeyPair()
		if err != nil {
			return nvr.Recipient{}, err
		}
		id = nvr.NewID[nvr.Vault]()
		k.vaults[name], k.pairs[id] = id, pair
	}
	return nvr.Recipient{Vault: id, Public: k.pairs[id].Public(), EscrowFile: []byte("escrow of " + id.String())}, nil
}

func (k *keys) VaultInForce(_ nvr.CameraID, id nvr.VaultID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, current := range k.vaults { // what NewVault made is no day's vault
		if current == id {
			return k.pairs[id] != nil && !k.replaced[id]
		}
	}
	return false
}

func (k *keys) NewVault(_ context.Context, c nvr.CameraID, at time.Time) (nvr.Recipient, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := c.String() + at.UTC().Format(time.DateOnly)
	k.replaced[k.vaults[name]] = true
	delete(k.vaults, name)
	pair, err := vault.NewKeyPair()
	if err != nil {
		return nvr.Recipient{}, err
	}
	id := nvr.NewID[nvr.Vault]()
	k.pairs[id] = pair
	return nvr.Recipient{Vault: id, Public: pair.Public(), EscrowFile: []byte("escrow of " + id.String())}, nil
}

func (k *keys) DestroyVault(_ context.Context, id nvr.VaultID) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.pairs, id)
	k.destroyed[id] = true
	return nil
}

func (k *keys) OpenKey(_ context.Context, id nvr.VaultID, info, sealed []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.locked {
		return nil, nvr.ErrLocked
	}
	if id == k.foreign {
		return nil, nvr.ErrForbidden
	}
	pair, ok := k.pairs[id]
	if !ok {
		return nil, nvr.ErrDestroyed
	}
	return pair.Open(info, sealed)
}
