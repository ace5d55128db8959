package auth_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
)

// alarmed reports whether there is an alarm.
func alarmed(h *house, word string) bool {
	return slices.Contains(h.Alarms(), word)
}

// logged returns the newest entry of an action.
func logged(t *testing.T, h *house, sess *auth.Session, action string) (auth.LogLine, bool) {
	t.Helper()
	lines, _, err := h.ReadLog(t.Context(), sess, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(lines)
	i := slices.IndexFunc(lines, func(l auth.LogLine) bool { return l.Action == action })
	if i < 0 {
		return auth.LogLine{}, false
	}
	return lines[i], true
}

// forgedRoster is the stored roster with a principal of the attacker, signed by
// a key of the attacker.
func forgedRoster(t *testing.T, h *house, version uint64) (body, sigs, public []byte) {
	t.Helper()
	var stored []byte
	h.query(`SELECT body FROM roster ORDER BY version DESC LIMIT 1`, &stored)
	var b map[string]any
	if err := json.Unmarshal(stored, &b); err != nil {
		t.Fatal(err)
	}
	pair, err := vault.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	eve := vault.NewSigningKey()
	members := b["members"].([]any)
	owner := members[0].(map[string]any)
	owner["verify"] = eve.Public()
	b["members"] = append(members, map[string]any{
		"id": nvr.NewID[nvr.Principal](), "kind": nvr.Person, "role": nvr.Owner, "public": pair.Public(), "verify": eve.Public(),
	})
	b["number"] = version
	if before := sha256.Sum256(stored); version > 1 {
		b["previous"] = before[:]
	}
	if body, err = json.Marshal(b); err != nil {
		t.Fatal(err)
	}
	sig, err := eve.Sign("lares/roster/v1", body)
	if err != nil {
		t.Fatal(err)
	}
	if sigs, err = json.Marshal([]map[string]any{{"signer": owner["id"], "sig": sig}}); err != nil {
		t.Fatal(err)
	}
	return body, sigs, pair.Public()
}

func TestSubstitutedRosterIsNotSealedToAndIsReported(t *testing.T) {
	for name, version := range map[string]uint64{"same version": 1, "later version": 2} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.claim()
			cam := camera()
			before := h.record(cam, time.Now())
			h.stop()
			body, sigs, _ := forgedRoster(t, h, version)
			h.tamper(`INSERT OR REPLACE INTO roster (version, body, sigs) VALUES (?, ?, ?)`, version, body, sigs)
			h.start()
			if _, err := h.CurrentVault(t.Context(), cam, time.Now()); !errors.Is(err, auth.ErrRoster) {
				t.Errorf("the box seals to a forged roster: %v", err)
			}
			if claimed, _ := h.Claimed(t.Context()); !claimed {
				t.Error("a damaged roster lets a stranger claim the box")
			}
			if len(h.Alarms()) == 0 {
				t.Error("no alarm at the start")
			}
			sess := h.login()
			if !alarmed(h, auth.AlarmRoster) {
				t.Errorf("alarms after the login: %q", h.Alarms())
			}
			if line, ok := logged(t, h, sess, auth.LogAlarm); !ok || line.Detail != auth.AlarmRoster {
				t.Errorf("the log says %+v", line)
			}
			mustOpen(t, sess, before)
			mustOpen(t, sess, h.record(cam, time.Now()))
			h.restart()
			mustOpen(t, h.login(), h.record(cam, time.Now()))
			if a := h.Alarms(); len(a) != 0 {
				t.Errorf("alarms after it was put right: %q", a)
			}
		})
	}
}

func TestRemovedRosterIsPutBack(t *testing.T) {
	h := newHouse(t)
	h.claim()
	h.stop()
	h.tamper(`DELETE FROM roster`)
	h.start()
	if claimed, _ := h.Claimed(t.Context()); !claimed {
		t.Error("without its roster the box can be claimed by a stranger")
	}
	sess := h.login()
	mustOpen(t, sess, h.record(camera(), time.Now()))
	if !alarmed(h, auth.AlarmRoster) {
		t.Errorf("alarms: %q", h.Alarms())
	}
}

func TestRolledBackRosterIsReported(t *testing.T) {
	const next = "seven loud geese whistle"
	h := newHouse(t)
	sess, _, _ := h.claim()
	if err := h.ChangePassword(t.Context(), sess, password, next); err != nil {
		t.Fatal(err)
	}
	h.stop()
	// The pin goes as well: somebody with the machine key could make one.
	h.tamper(`DELETE FROM roster WHERE version = 2; DELETE FROM setting WHERE key = 'auth/roster-pin'`)
	h.start()
	if _, err := h.CurrentVault(t.Context(), camera(), time.Now()); !errors.Is(err, auth.ErrRoster) {
		t.Errorf("the box seals to an older roster: %v", err)
	}
	again, _, err := h.Login(t.Context(), auth.LoginRequest{Name: anna, Password: next, Addr: lan})
	if err != nil {
		t.Fatal(err)
	}
	if !alarmed(h, auth.AlarmRoster) {
		t.Errorf("alarms: %q", h.Alarms())
	}
	mustOpen(t, again, h.record(camera(), time.Now()))
}

func TestExchangedPublicKeyIsReportedAndNotSealedTo(t *testing.T) {
	h := newHouse(t)
	h.claim()
	h.stop()
	pair, err := vault.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	h.tamper(`UPDATE principal SET public = ? WHERE kind = ?`, pair.Public(), nvr.Person)
	h.start()
	film := h.record(camera(), time.Now())
	grants, err := h.cfg.Grants(t.Context(), film.Vault)
	if err != nil || len(grants) != 1 {
		t.Fatal(grants, err)
	}
	sess := h.login()
	mustOpen(t, sess, film)
	if !alarmed(h, auth.AlarmPublic) {
		t.Errorf("alarms: %q", h.Alarms())
	}
}

func TestSecretCannotBeForged(t *testing.T) {
	h := newHouse(t)
	h.claim()
	var public []byte
	h.query(`SELECT public FROM principal WHERE kind = 1`, &public)
	h.stop()
	forged, err := vault.Seal(public, []byte("lares/principal-secret/v1"), []byte(`{"version":1}`))
	if err != nil {
		t.Fatal(err)
	}
	h.tamper(`UPDATE principal SET secret = ? WHERE kind = 1`, forged)
	h.start()
	if err := h.guess(anna, password, lan); !errors.Is(err, nvr.ErrCorrupt) {
		t.Errorf("login with a forged secret: %v", err)
	}
}

// plantVault stores a vault for a camera of today that the attacker knows.
func plantVault(t *testing.T, h *house, v nvr.Vault, seed, public []byte, to nvr.PrincipalID) nvr.Vault {
	t.Helper()
	info := append([]byte("lares/vault-grant/v1"), 0)
	info = append(info, v.ID[:]...)
	info = append(info, to[:]...)
	info = append(info, v.Camera[:]...)
	info = append(info, 0, 0, 0, 0, 0, 0, byte(v.Day>>8), byte(v.Day))
	sealed, err := vault.Seal(public, info, seed)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.cfg.AddVault(t.Context(), v, []nvr.Grant{{Vault: v.ID, Principal: to, Sealed: sealed}}); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestForgedGrantsAreRefusedAndReported(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	var owner []byte
	h.query(`SELECT public FROM principal WHERE kind = 1`, &owner)
	good, err := vault.NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	other := make([]byte, vault.SeedSize)
	rand.Read(other)
	base := nvr.Vault{Camera: camera(), Day: auth.Day(time.Now()), Public: good.Public(), Escrow: []byte{1}, Roster: 1}

	// The grant holds another seed than the one whose public key stands there.
	wrong := base
	wrong.ID = nvr.NewID[nvr.Vault]()
	wrong = plantVault(t, h, wrong, other, owner, sess.Principal())
	mustStayShut(t, sess, sealTo(t, nvr.Recipient{Vault: wrong.ID, Public: wrong.Public}), nvr.ErrCorrupt)

	// A grant of one vault stands in for that of another.
	moved := base
	moved.ID = nvr.NewID[nvr.Vault]()
	film := h.record(base.Camera, time.Now())
	grants, err := h.cfg.Grants(t.Context(), film.Vault)
	if err != nil {
		t.Fatal(err)
	}
	grants[0].Vault = moved.ID
	if err := h.cfg.AddVault(t.Context(), moved, grants); err != nil {
		t.Fatal(err)
	}
	mustStayShut(t, sess, sealTo(t, nvr.Recipient{Vault: moved.ID, Public: moved.Public}), nvr.ErrCorrupt)

	// A vault that somebody else may open as well.
	shared := base
	shared.ID = nvr.NewID[nvr.Vault]()
	shared.Public = good.Public()
	shared = plantVault(t, h, shared, good.Seed(), owner, sess.Principal())
	h.stop()
	h.tamper(`INSERT INTO vault_grant (vault, principal, sealed_to) SELECT num, ?, x'00' FROM vault WHERE id = ?`,
		other[:16], shared.ID[:])
	h.start()
	if v := h.record(base.Camera, time.Now()); v.Vault == shared.ID || v.Vault == wrong.ID {
		t.Error("the box seals to a vault that it did not make in this run")
	}
	h.login()
	if !alarmed(h, auth.AlarmVaultKey) || !alarmed(h, auth.AlarmVaultWho) {
		t.Errorf("alarms: %q", h.Alarms())
	}
	unsigned, err := h.cfg.UnsignedVaults(t.Context(), 100)
	if err != nil || len(unsigned) != 3 {
		t.Errorf("%d vaults are not countersigned, want the 3 forged ones; %v", len(unsigned), err)
	}
}

func TestGoodVaultsAreCountersigned(t *testing.T) {
	h := newHouse(t)
	h.claim()
	for range 3 {
		h.record(camera(), time.Now())
	}
	h.restart()
	h.record(camera(), time.Now())
	h.login()
	if unsigned, err := h.cfg.UnsignedVaults(t.Context(), 100); err != nil || len(unsigned) != 0 {
		t.Errorf("%d vaults are not countersigned, %v", len(unsigned), err)
	}
	if a := h.Alarms(); len(a) != 0 {
		t.Errorf("alarms: %q", a)
	}
}

func TestInterruptedClaimDidNotHappen(t *testing.T) {
	h := newHouse(t)
	h.stop()
	h.wrap = func(s *auth.Store) { s.RosterStore = noRoster{s.RosterStore} }
	h.start()
	if _, _, err := h.Claim(t.Context(), auth.ClaimRequest{
		Console: true, Name: anna, Password: password, WaiveSecondFactor: true, Recovery: vault.NewRecoveryKey(),
	}); err == nil {
		t.Fatal("the claim went through")
	}
	h.wrap = nil
	h.restart()
	if claimed, _ := h.Claimed(t.Context()); claimed {
		t.Fatal("half a claim counts")
	}
	if err := h.guess(anna, password, lan); err == nil {
		t.Error("half an owner can log in")
	}
	sess, _, _ := h.claim()
	if report, err := h.VerifyLog(t.Context(), sess); err != nil || report.Problem != auth.NoProblem {
		t.Errorf("log: %+v, %v", report, err)
	}
}

type noRoster struct{ auth.RosterStore }

func (noRoster) AddRoster(context.Context, nvr.Roster) error { return errors.New("power cut") }

// cut stands for a power cut just before or just after a change of the people is
// on the disk.
type cut struct {
	auth.PeopleStore
	after bool
}

func (c cut) Enact(ctx context.Context, e nvr.Enactment) error {
	if c.after {
		if err := c.PeopleStore.Enact(ctx, e); err != nil {
			return err
		}
	}
	return errors.New("power cut")
}

// noSettings stands for a box that stops before it pins a roster.
type noSettings struct {
	auth.SettingStore
	off *atomic.Bool
}

func (n noSettings) SetSetting(ctx context.Context, key string, value []byte) error {
	if n.off.Load() {
		return errors.New("power cut")
	}
	return n.SettingStore.SetSetting(ctx, key, value)
}

func TestInterruptedNewPasswordHappensAsAWholeOrNotAtAll(t *testing.T) {
	const next = "seven loud geese whistle"
	for name, after := range map[string]bool{"before it is stored": false, "after it is stored": true} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.claim()
			film := h.record(camera(), time.Now())
			h.stop()
			off := new(atomic.Bool)
			h.wrap = func(s *auth.Store) {
				s.PeopleStore, s.SettingStore = cut{s.PeopleStore, after}, noSettings{s.SettingStore, off}
			}
			h.start()
			sess := h.login()
			off.Store(true)
			if err := h.ChangePassword(t.Context(), sess, password, next); err == nil {
				t.Fatal("the change went through")
			}
			h.wrap = nil
			h.restart()
			between := h.record(camera(), time.Now())
			works, fails := password, next
			if after {
				works, fails = next, password
			}
			if err := h.guess(anna, fails, lan); !errors.Is(err, auth.ErrWrong) {
				t.Errorf("the other password: %v", err)
			}
			again, _, err := h.Login(t.Context(), auth.LoginRequest{Name: anna, Password: works, Addr: lan})
			if err != nil {
				t.Fatal(err)
			}
			mustOpen(t, again, film)
			mustOpen(t, again, between)
			mustOpen(t, again, h.record(camera(), time.Now()))
			if a := h.Alarms(); len(a) != 0 {
				t.Errorf("alarms: %q", a)
			}
		})
	}
}

func TestTwoNewPasswordsAtOnceLoseNoFootage(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	film := h.record(camera(), time.Now())
	next := []string{"seven loud geese whistle", "nine green owls juggle"}
	errs := make([]error, len(next))
	var wg sync.WaitGroup
	for i := range next {
		wg.Go(func() { errs[i] = h.ChangePassword(context.Background(), sess, password, next[i]) })
	}
	wg.Wait()
	after := h.record(camera(), time.Now())
	for i := range next {
		again, _, err := h.Login(t.Context(), auth.LoginRequest{Name: anna, Password: next[i], Addr: lan})
		if (err == nil) != (errs[i] == nil) {
			t.Errorf("change: %v, login: %v", errs[i], err)
		}
		if err == nil {
			mustOpen(t, again, film)
			mustOpen(t, again, after)
		}
	}
	if errs[0] != nil && errs[1] != nil {
		t.Error(errs)
	}
}

// fullVaults stands for a config.db that takes no vault.
type fullVaults struct {
	auth.VaultStore
	full *atomic.Bool
}

func (f fullVaults) AddVault(ctx context.Context, v nvr.Vault, g []nvr.Grant) error {
	if f.full.Load() {
		return errors.New("disk full")
	}
	return f.VaultStore.AddVault(ctx, v, g)
}

func TestRecordingGoesOnWhileVaultsCannotBeStored(t *testing.T) {
	h := newHouse(t)
	h.stop()
	full := new(atomic.Bool)
	h.wrap = func(s *auth.Store) { s.VaultStore = fullVaults{s.VaultStore, full} }
	h.start()
	sess, _, rec := h.claim()
	full.Store(true)
	cam, doomed := camera(), camera()
	film, gone := h.record(cam, time.Now()), h.record(doomed, time.Now())
	mustOpen(t, sess, film)
	mustOpen(t, auth.RecoveryOpener(rec, func(nvr.VaultID) ([]byte, error) { return film.EscrowFile, nil }), film)
	if err := h.DestroyDay(t.Context(), doomed, auth.Day(time.Now())); err != nil {
		t.Fatal(err)
	}
	full.Store(false)
	if again := h.record(cam, time.Now()); again.Vault != film.Vault {
		t.Error("another vault was made")
	}
	h.restart()
	sess = h.login()
	mustOpen(t, sess, film)
	if err := gone.open(sess); err == nil {
		t.Error("a vault that was destroyed came back")
	}
}

func TestConfigHoldsNoNameInClear(t *testing.T) {
	h := newHouse(t)
	h.claim()
	h.stop()
	raw, err := os.ReadFile(h.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{anna, browser, lan, password} {
		if strings.Contains(string(raw), word) {
			t.Errorf("config.db holds %q in clear", word)
		}
	}
}
