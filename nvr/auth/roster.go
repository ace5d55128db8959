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
	Name   []byte            `json:"name,omitempty"` // see Service.sealName
	Public []byte            `json:"public"`
	// Verify is the Ed25519 public key of a person: an owner signs rosters and
	// vaults with it, everybody the keys that come next. Of somebody who was
	// invited and did not come yet it is the key in the invitation.
	Verify []byte `json:"verify,omitempty"`
	// Keys counts the key pairs that the person had.
	Keys uint64 `json:"keys,omitempty"`
	// Joins is when the invitation ends.
	Joins time.Time `json:"joins,omitzero"`
	// Cameras lists what anybody but an owner may do.
	Cameras   []nvr.CameraRights `json:"cameras,omitempty"`
	From      time.Time          `json:"from,omitzero"`
	Until     time.Time          `json:"until,omitzero"`
	Suspended bool               `json:"suspended,omitempty"`

	// fresh: the keys are ones that no owner has signed for yet.
	fresh bool
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

// signs reports whether the member's signature under a roster counts: that of an
// owner who is not suspended and whose keys an owner has signed for.
func (m member) signs() bool {
	return m.Kind == nvr.Person && m.Role == nvr.Owner && len(m.Verify) > 0 && m.joined() && !m.Suspended && !m.fresh
}

// joined reports whether the person has keys.
func (m member) joined() bool { return len(m.Public) > 0 }

// inForce reports whether the account may be used at all at the time now.
func (m member) inForce(now time.Time) bool {
	if !m.joined() || m.Suspended {
		return false
	}
	if m.Role == nvr.Guest && (m.From.IsZero() || m.Until.IsZero()) {
		return false // a guest without an end is a mistake
	}
	return m.within(now)
}

// within reports whether a time lies in the member's span of time.
func (m member) within(at time.Time) bool {
	return (m.From.IsZero() || !at.Before(m.From)) && (m.Until.IsZero() || at.Before(m.Until))
}

// rights returns what the member may do with a camera, within the role.
func (m member) rights(camera nvr.CameraID) nvr.Rights {
	if m.Role == nvr.Owner {
		return AllRights
	}
	for _, c := range m.Cameras {
		if c.Camera == camera {
			return c.Rights & Bound(m.Role)
		}
	}
	return 0
}

// verifyKeys returns the keys of all owners who may sign.
func (b *rosterBody) verifyKeys() [][]byte {
	var keys [][]byte
	for _, m := range b.Members {
		if m.signs() {
			keys = append(keys, m.Verify)
		}
	}
	return keys
}

// entitled returns those to whom a vault of the camera is sealed at the time
// now; of a zero camera, the household's log, these are owners and members. The
// recovery principal gets the escrow instead.
func (b *rosterBody) entitled(camera nvr.CameraID, now time.Time) []member {
	var out []member
	for _, m := range b.Members {
		if m.entitled(camera, now) {
			out = append(out, m)
		}
	}
	return out
}

func (m member) entitled(camera nvr.CameraID, now time.Time) bool {
	if m.Kind != nvr.Person || !m.inForce(now) {
		return false
	}
	if camera.IsZero() {
		return slices.Contains(allowed(m.Role), ActLog)
	}
	return m.rights(camera)&nvr.MayReplay != 0
}

// recipients is a digest of all keys to which a vault of the camera is sealed.
func (b *rosterBody) recipients(camera nvr.CameraID, now time.Time) [32]byte {
	h := sha256.New()
	if rec, ok := b.recovery(); ok {
		h.Write(rec.Public)
	}
	for _, m := range b.entitled(camera, now) {
		h.Write(m.ID[:])
		h.Write(m.Public)
	}
	return [32]byte(h.Sum(nil))
}

// following is a copy to be changed and signed next, by an owner whose newest
// roster is given. Keys that people took since become part of it.
func (b *rosterBody) following(newest nvr.Roster) *rosterBody {
	next := *b
	next.Members = slices.Clone(b.Members)
	now := time.Now().UTC().Truncate(time.Second)
	for i := range next.Members {
		m := &next.Members[i]
		m.fresh, m.Cameras = false, slices.Clone(m.Cameras)
		switch {
		case m.joined():
			m.Joins = time.Time{}
		case !m.Joins.IsZero() && !now.Before(m.Joins):
			m.Verify = nil // the invitation is over
		}
	}
	next.Number, next.Previous, next.Created = newest.Version+1, rosterHash(newest), now
	return &next
}

// edit returns the entry of a person in a copy that following made.
func (b *rosterBody) edit(id nvr.PrincipalID) (*member, error) {
	i := slices.IndexFunc(b.Members, func(m member) bool { return m.ID == id && m.Kind == nvr.Person })
	if i < 0 {
		return nil, fmt.Errorf("find person: %w", nvr.ErrNotFound)
	}
	return &b.Members[i], nil
}

// complete reports whether there is an owner and a way back in.
func (b *rosterBody) complete() bool {
	_, ok := b.recovery()
	return ok && len(b.verifyKeys()) > 0
}
