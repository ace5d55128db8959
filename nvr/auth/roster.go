package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// rosterForm is the version of the roster's encoding.
const rosterForm = 1

// rosterDomain separates signatures on rosters from all other signatures.
const rosterDomain = "lares/roster/v1"

// maxRoster bounds a stored roster: 64 people with 64 cameras each fit easily.
const maxRoster = 1 << 20

// rosterBody is the owner-signed list of who may hold keys. It is signed and
// hashed as the bytes that are stored, so its encoding need not be canonical.
type rosterBody struct {
	Form     int       `json:"version"`
	Number   uint64    `json:"number"`             // grows by one with each roster
	Previous []byte    `json:"previous,omitempty"` // SHA-256 of the body before
	Created  time.Time `json:"created"`
	Members  []member  `json:"members"`
	Log      logRoot   `json:"log"`
}

// member is one principal of the roster.
type member struct {
	ID     nvr.PrincipalID   `json:"id"`
	Kind   nvr.PrincipalKind `json:"kind"`
	Role   nvr.Role          `json:"role,omitempty"`
	Public []byte            `json:"public"`
	// Verify is the Ed25519 public key of an owner: it signs rosters and vaults.
	Verify []byte `json:"verify,omitempty"`
	// Cameras lists what anybody but an owner may see.
	Cameras []nvr.CameraID `json:"cameras,omitempty"`
	From    time.Time      `json:"from,omitzero"`
	Until   time.Time      `json:"until,omitzero"`
}

// logRoot pins the chain of the log: where it starts, the hash of its first
// key, and the household's vault to which its details are sealed.
type logRoot struct {
	Start  uint64      `json:"start"`
	Commit []byte      `json:"commit"`
	Vault  nvr.VaultID `json:"vault"`
	Public []byte      `json:"public"`
}

// rosterSig is one owner's signature.
type rosterSig struct {
	Signer nvr.PrincipalID `json:"signer"`
	Sig    []byte          `json:"sig"`
}

// parseRoster reads a body. It says nothing about who signed it.
func parseRoster(raw nvr.Roster) (*rosterBody, error) {
	if len(raw.Body) > maxRoster || len(raw.Sigs) > maxRoster {
		return nil, fmt.Errorf("roster of %d bytes: %w", len(raw.Body)+len(raw.Sigs), nvr.ErrCorrupt)
	}
	var b rosterBody
	if err := json.Unmarshal(raw.Body, &b); err != nil {
		return nil, fmt.Errorf("read roster: %w", nvr.ErrCorrupt)
	}
	if b.Form != rosterForm {
		return nil, fmt.Errorf("roster of version %d: %w", b.Form, nvr.ErrCorrupt)
	}
	if b.Number != raw.Version {
		return nil, fmt.Errorf("roster %d is stored as %d: %w", b.Number, raw.Version, nvr.ErrCorrupt)
	}
	return &b, nil
}

// sign encodes the body and signs it as the given owner.
func (b *rosterBody) sign(signer nvr.PrincipalID, key *vault.SigningKey) (nvr.Roster, error) {
	body, err := json.Marshal(b)
	if err != nil {
		return nvr.Roster{}, fmt.Errorf("encode roster: %w", err)
	}
	sig, err := key.Sign(rosterDomain, body)
	if err != nil {
		return nvr.Roster{}, fmt.Errorf("sign roster: %w", err)
	}
	sigs, err := json.Marshal([]rosterSig{{Signer: signer, Sig: sig}})
	if err != nil {
		return nvr.Roster{}, fmt.Errorf("encode signatures: %w", err)
	}
	return nvr.Roster{Version: b.Number, Body: body, Sigs: sigs}, nil
}

// signedBy reports whether one of the keys signed the roster.
func signedBy(raw nvr.Roster, keys [][]byte) bool {
	var sigs []rosterSig
	if len(raw.Sigs) > maxRoster || json.Unmarshal(raw.Sigs, &sigs) != nil {
		return false
	}
	for _, s := range sigs {
		for _, k := range keys {
			if vault.Verify(k, rosterDomain, raw.Body, s.Sig) {
				return true
			}
		}
	}
	return false
}

func rosterHash(raw nvr.Roster) []byte {
	h := sha256.Sum256(raw.Body)
	return h[:]
}

func sameRoster(a, b nvr.Roster) bool {
	return a.Version == b.Version && bytes.Equal(rosterHash(a), rosterHash(b))
}

func (b *rosterBody) member(id nvr.PrincipalID) (member, bool) {
	i := slices.IndexFunc(b.Members, func(m member) bool { return m.ID == id })
	if i < 0 {
		return member{}, false
	}
	return b.Members[i], true
}

// recovery returns the principal of the printed recovery key.
func (b *rosterBody) recovery() (member, bool) {
	i := slices.IndexFunc(b.Members, func(m member) bool { return m.Kind == nvr.Recovery })
	if i < 0 {
		return member{}, false
	}
	return b.Members[i], true
}

// verifyKeys returns the keys of all owners.
func (b *rosterBody) verifyKeys() [][]byte {
	var keys [][]byte
	for _, m := range b.Members {
		if m.Kind == nvr.Person && m.Role == nvr.Owner && len(m.Verify) > 0 {
			keys = append(keys, m.Verify)
		}
	}
	return keys
}

// entitled returns those to whom a vault of the camera is sealed; of a zero
// camera, the household's log, these are all people but guests. The recovery
// principal gets the escrow instead.
func (b *rosterBody) entitled(camera nvr.CameraID) []member {
	var out []member
	for _, m := range b.Members {
		switch {
		case m.Kind == nvr.Recovery || m.Kind == nvr.Kiosk:
		case m.Kind == nvr.Person && m.Role == nvr.Owner:
			out = append(out, m)
		case camera.IsZero():
			if m.Kind == nvr.Person && m.Role != nvr.Guest {
				out = append(out, m)
			}
		case slices.Contains(m.Cameras, camera) && slices.Contains(allowed(m.Role), ActReplay):
			out = append(out, m)
		}
	}
	return out
}

// complete reports whether there is an owner and a way back in.
func (b *rosterBody) complete() bool {
	_, ok := b.recovery()
	return ok && len(b.verifyKeys()) > 0
}
