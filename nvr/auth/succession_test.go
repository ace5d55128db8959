package auth_test

import (
	"encoding/json"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
)

// TestForgedSuccessionIsNotSealedTo lets somebody with the disk enter keys of his
// own for a person, signed by himself, and the person's own statement for
// somebody else.
func TestForgedSuccessionIsNotSealedTo(t *testing.T) {
	h := newHouse(t)
	owner, _, _ := h.claim()
	cam := camera()
	sess := h.join(owner, member(rights(cam, auth.AllRights)))
	eve, err := vault.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	forged, err := auth.ForgeSuccession(sess.Principal(), 1, eve.Public(), vault.NewSigningKey())
	if err != nil {
		t.Fatal(err)
	}
	var genuine []byte
	h.query(`SELECT succession FROM principal WHERE role = 2`, &genuine)
	for name, raw := range map[string][]byte{"signed by himself": forged, "none": {}, "rubbish": []byte("{"), "his keys in a genuine one": exchange(t, genuine, eve.Public())} {
		t.Run(name, func(t *testing.T) {
			h.stop()
			h.tamper(`UPDATE principal SET succession = ? WHERE role = 2`, raw)
			h.start()
			film := h.record(cam, time.Now())
			grants, err := h.cfg.Grants(t.Context(), film.Vault)
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range grants {
				if g.Principal == sess.Principal() {
					t.Error("the vault is sealed to somebody's keys that nobody certified")
				}
			}
			h.stop()
			h.tamper(`UPDATE principal SET succession = ? WHERE role = 2`, genuine)
			h.start()
			mustOpen(t, h.loginAs(ben, benWord), h.record(cam, time.Now()))
		})
	}
}

// exchange puts another public key into a statement.
func exchange(t *testing.T, raw, public []byte) []byte {
	t.Helper()
	var s map[string]any
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	s["chain"].([]any)[0].(map[string]any)["public"] = public
	out, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func FuzzSuccession(f *testing.F) {
	sign := vault.NewSigningKey()
	pair, err := vault.NewKeyPair()
	if err != nil {
		f.Fatal(err)
	}
	id := nvr.NewID[nvr.Principal]()
	good, err := auth.ForgeSuccession(id, 1, pair.Public(), sign)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"chain":[{}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if auth.Succeeds(auth.Member{ID: id, Kind: nvr.Person, Verify: vault.NewSigningKey().Public()}, raw) {
			t.Error("keys that nobody certified were taken")
		}
	})
}
