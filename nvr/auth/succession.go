package auth

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"lares/nvr"
	"lares/nvr/vault"
)

// successionDomain separates signatures on new keys from all other signatures.
const successionDomain = "lares/succession/v1"

// maxSuccession is how often a person who is no owner can take new keys before
// an owner logs in and signs for them.
const maxSuccession = 16

// successor says which keys a person takes next. It is signed with the keys
// before it; the first of a chain with those in the roster.
type successor struct {
	Person nvr.PrincipalID `json:"person"`
	Keys   uint64          `json:"keys"` // one above those before
	Public []byte          `json:"public"`
	Verify []byte          `json:"verify"`
	Sig    []byte          `json:"sig"`
}

// succession is what nvr.Principal.Succession holds.
type succession struct {
	Form  int         `json:"version"`
	Chain []successor `json:"chain"`
}

// body is what the signature covers.
func (x successor) body() []byte {
	b := append([]byte(nil), x.Person[:]...)
	b = binary.BigEndian.AppendUint64(b, x.Keys)
	b = appendBlob(b, x.Public)
	return appendBlob(b, x.Verify)
}

// parseSuccession reads what a principal holds; what cannot be read is none.
func parseSuccession(raw []byte) []successor {
	var s succession
	if len(raw) == 0 || len(raw) > maxRoster || json.Unmarshal(raw, &s) != nil || s.Form != 1 {
		return nil
	}
	return s.Chain[:min(len(s.Chain), maxSuccession)]
}

// succeed returns the member with the keys that the chain leads to.
func (m member) succeed(chain []successor) member {
	for _, x := range chain {
		if x.Person == m.ID && x.Keys == m.Keys+1 && len(x.Public) == vault.PublicSize &&
			vault.Verify(m.Verify, successionDomain, x.body(), x.Sig) {
			m.Public, m.Verify, m.Keys, m.fresh = x.Public, x.Verify, x.Keys, true
		}
	}
	return m
}

// extend adds the next keys to what a principal holds, signed with the key
// before. m is the person's entry in the roster that an owner signed. Error:
// nvr.ErrInvalid when an owner has to sign first.
func (m member) extend(raw, public, verify []byte, key *vault.SigningKey) ([]byte, error) {
	var chain []successor
	now := m
	for _, x := range parseSuccession(raw) {
		if after := now.succeed([]successor{x}); after.Keys != now.Keys {
			chain, now = append(chain, x), after
		}
	}
	if len(chain) >= maxSuccession {
		return nil, fmt.Errorf("%w: an owner of this box has to log in first", nvr.ErrInvalid)
	}
	x := successor{Person: m.ID, Keys: now.Keys + 1, Public: public, Verify: verify}
	var err error
	if x.Sig, err = key.Sign(successionDomain, x.body()); err != nil {
		return nil, fmt.Errorf("sign the next keys: %w", err)
	}
	out, err := json.Marshal(succession{Form: 1, Chain: append(chain, x)})
	if err != nil {
		return nil, fmt.Errorf("encode the next keys: %w", err)
	}
	return out, nil
}
