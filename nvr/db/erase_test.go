package db_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/db"
)

func vault(camera nvr.CameraID, day, people int) (nvr.Vault, []nvr.Grant) {
	v := nvr.Vault{
		ID: nvr.NewID[nvr.Vault](), Camera: camera, Day: day, Public: randomBytes(1216), Roster: 3,
		Escrow: randomBytes(1168), Created: at(int64(day) * 86400),
	}
	grants := make([]nvr.Grant, people)
	for i := range grants {
		grants[i] = nvr.Grant{Vault: v.ID, Principal: nvr.NewID[nvr.Principal](), Sealed: randomBytes(1168)}
	}
	return v, grants
}

// secretsOf returns what must be gone when a vault was destroyed.
func secretsOf(v nvr.Vault, grants []nvr.Grant) map[string][]byte {
	secrets := map[string][]byte{"public key": v.Public, "escrow": v.Escrow}
	for i, g := range grants {
		secrets[fmt.Sprintf("grant %d", i)] = g.Sealed
	}
	return secrets
}

func TestVaultsByDay(t *testing.T) {
	ctx, c, cam := context.Background(), newConfig(t), nvr.NewID[nvr.Camera]()
	if _, err := c.NewestVault(ctx, cam, 5); !isErr(err, nvr.ErrNotFound) {
		t.Fatalf("none: got %v, want ErrNotFound", err)
	}
	first, grants := vault(cam, 5, 3)
	second, _ := vault(cam, 5, 0)
	second.Created = first.Created.AddDate(-1, 0, 0) // the clock went back
	next, _ := vault(cam, 6, 1)
	next.Signature = []byte("signed when it was made")
	must(t, c.AddVault(ctx, first, grants))
	must(t, c.AddVault(ctx, next, nil))
	must(t, c.AddVault(ctx, second, nil))
	want(t, "made last", second)(c.NewestVault(ctx, cam, 5))
	want(t, "by id", first)(c.Vault(ctx, first.ID))
	want(t, "grants", grants)(c.Grants(ctx, first.ID))
	want(t, "no grants", []nvr.Grant(nil))(c.Grants(ctx, second.ID))
	want(t, "unsigned", []nvr.Vault{first, second})(c.UnsignedVaults(ctx, 10))
	want(t, "one of them", []nvr.Vault{first})(c.UnsignedVaults(ctx, 1))

	must(t, c.SignVault(ctx, first.ID, []byte("signed")))
	first.Signature = []byte("signed")
	want(t, "signed", first)(c.Vault(ctx, first.ID))
	want(t, "unsigned", []nvr.Vault{second})(c.UnsignedVaults(ctx, 10))
	if err := c.SignVault(ctx, nvr.NewID[nvr.Vault](), []byte("x")); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("sign a missing vault: got %v, want ErrNotFound", err)
	}
	if err := c.AddVault(ctx, first, nil); !isErr(err, nvr.ErrInvalid) {
		t.Errorf("same vault again: got %v, want ErrInvalid", err)
	}
	if err := c.AddVault(ctx, mustVault(vault(cam, 7, 0)), grants); !isErr(err, nvr.ErrInvalid) {
		t.Errorf("grants of another vault: got %v, want ErrInvalid", err)
	}
}

func mustVault(v nvr.Vault, _ []nvr.Grant) nvr.Vault { return v }

func TestADestroyedVaultLeavesNoByteInAnyFile(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	cam := nvr.NewID[nvr.Camera]()
	v, grants := vault(cam, 5, 4)
	kept, keptGrants := vault(cam, 5, 4)
	must(t, c.AddVault(ctx, v, grants))
	must(t, c.AddVault(ctx, kept, keptGrants))
	must(t, c.DestroyVault(ctx, v.ID))
	assertAbsent(t, rawFiles(t, path), secretsOf(v, grants))

	want(t, "destroyed", true)(c.Destroyed(ctx, v.ID))
	want(t, "not destroyed", false)(c.Destroyed(ctx, kept.ID))
	want(t, "no grants", []nvr.Grant(nil))(c.Grants(ctx, v.ID))
	want(t, "the other", kept)(c.NewestVault(ctx, cam, 5))
	want(t, "its grants", keptGrants)(c.Grants(ctx, kept.ID))
	if _, err := c.Vault(ctx, v.ID); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
	if err := c.AddVault(ctx, v, grants); !isErr(err, nvr.ErrDestroyed) {
		t.Errorf("made again: got %v, want ErrDestroyed", err)
	}
	must(t, c.DestroyVault(ctx, v.ID))
	if err := c.DestroyVault(ctx, nvr.NewID[nvr.Vault]()); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("unknown: got %v, want ErrNotFound", err)
	}
	must(t, c.Close())
	c = openConfig(t, path, m)
	want(t, "destroyed after a restart", true)(c.Destroyed(ctx, v.ID))
	assertAbsent(t, rawFiles(t, path), secretsOf(v, grants))
}

// TestManyVaultsInAnyOrderLeaveNoByte makes the pages of the tables split and
// merge, which moves rows between pages, and destroys in random order.
func TestManyVaultsInAnyOrderLeaveNoByte(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	rng := rand.New(rand.NewPCG(3, 4))
	type made struct {
		v      nvr.Vault
		grants []nvr.Grant
	}
	var live []made
	for day := range 60 {
		v, grants := vault(nvr.NewID[nvr.Camera](), day, 1+rng.IntN(4))
		// Sizes that fit in a page together, so that they are moved about.
		for i := range grants {
			grants[i].Sealed = randomBytes(100 + rng.IntN(1500))
		}
		must(t, c.AddVault(ctx, v, grants))
		must(t, c.SignVault(ctx, v.ID, randomBytes(64+rng.IntN(600))))
		live = append(live, made{v, grants})
		if day < 20 || rng.IntN(2) == 0 {
			continue
		}
		i := rng.IntN(len(live))
		gone := live[i]
		live = append(live[:i], live[i+1:]...)
		must(t, c.DestroyVault(ctx, gone.v.ID))
		assertAbsent(t, rawFiles(t, path), secretsOf(gone.v, gone.grants))
	}
	for _, l := range live {
		want(t, "grants", l.grants)(c.Grants(ctx, l.v.ID))
	}
	must(t, c.Check(ctx))
}

func TestDestroyingHoldsWhileOthersRead(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	cam := nvr.NewID[nvr.Camera]()
	reading, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for reading.Err() == nil {
				if _, err := c.UnsignedVaults(reading, 100); err != nil && reading.Err() == nil {
					t.Errorf("read: %v", err)
					return
				}
			}
		})
	}
	for day := range 10 {
		v, grants := vault(cam, day, 3)
		must(t, c.AddVault(ctx, v, grants))
		must(t, c.DestroyVault(ctx, v.ID))
		assertAbsent(t, rawFiles(t, path), secretsOf(v, grants))
	}
	stop()
	wg.Wait()
}

func TestACallerThatLeavesDoesNotStopTheErasing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	v, grants := vault(nvr.NewID[nvr.Camera](), 5, 4)
	must(t, c.AddVault(context.Background(), v, grants))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.DestroyVault(ctx, v.ID); !isErr(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	want(t, "still there", v)(c.Vault(context.Background(), v.ID))
	must(t, c.DestroyVault(context.Background(), v.ID))
	assertAbsent(t, rawFiles(t, path), secretsOf(v, grants))
}

func TestForgettingPeopleLeavesNoKey(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	p := principal("Anna")
	word := unlocker(p.ID, nvr.Password)
	v, grants := vault(nvr.NewID[nvr.Camera](), 5, 4)
	gone, _ := vault(v.Camera, 4, 0)
	must(t, c.SavePrincipal(ctx, p, []nvr.Unlocker{word}))
	must(t, c.AddRoster(ctx, nvr.Roster{Version: 1, Body: []byte("people"), Sigs: []byte("signed")}))
	must(t, c.AddVault(ctx, v, grants))
	must(t, c.AddVault(ctx, gone, nil))
	must(t, c.DestroyVault(ctx, gone.ID))
	must(t, c.SaveSession(ctx, nvr.Session{TokenHash: [32]byte{1}, Principal: p.ID}))
	must(t, c.SetSetting(ctx, "zone", []byte("UTC")))

	must(t, c.ForgetPeople(ctx))
	secrets := secretsOf(v, grants)
	delete(secrets, "public key")
	secrets["unlocker"], secrets["secret"] = word.Wrapped, p.Secret
	assertAbsent(t, rawFiles(t, path), secrets)
	want(t, "people", []nvr.Principal(nil))(c.Principals(ctx))
	want(t, "sessions", []nvr.Session(nil))(c.Sessions(ctx))
	want(t, "destroyed stays", true)(c.Destroyed(ctx, gone.ID))
	want(t, "not destroyed: the recovery key may open it", false)(c.Destroyed(ctx, v.ID))
	want(t, "settings stay", []byte("UTC"))(c.Setting(ctx, "zone"))
	if _, err := c.Roster(ctx); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("roster: got %v, want ErrNotFound", err)
	}
	must(t, c.AddRoster(ctx, nvr.Roster{Version: 1}))
}

func TestAReplacedUnlockerLeavesNoByte(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	p := principal("Anna")
	old, phone, fresh := unlocker(p.ID, nvr.Password), unlocker(p.ID, nvr.Device), unlocker(p.ID, nvr.Password)
	must(t, c.SavePrincipal(ctx, p, []nvr.Unlocker{old, phone}))
	must(t, c.SavePrincipal(ctx, p, []nvr.Unlocker{fresh, phone}))
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"old password": old.Wrapped})
	want(t, "unlockers", []nvr.Unlocker{fresh, phone})(c.Unlockers(ctx, p.ID))
}

func TestNamesAndPasswordsAreSealed(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	cam := camera("Kinderzimmer", 1)
	must(t, c.SaveCamera(ctx, cam))
	must(t, c.SavePrincipal(ctx, principal("Wilhelmina"), nil))
	must(t, c.SaveSession(ctx, nvr.Session{TokenHash: [32]byte{1}, Device: "Telefon von Oma"}))
	must(t, c.SaveThrottle(ctx, nvr.Throttle{Key: "account:Wilhelmina"}))
	plain := map[string][]byte{
		"camera name": []byte("Kinderzimmer"), "user": []byte(cam.User), "password": []byte(cam.Password.Reveal()),
		"address": []byte(cam.Streams[0].URL), "second address": []byte(cam.Streams[1].URL),
		"person": []byte("Wilhelmina"), "device": []byte("Telefon von Oma"),
	}
	assertAbsent(t, rawFiles(t, path), plain)
	must(t, c.Close())
	assertAbsent(t, rawFiles(t, path), plain)
}

func TestARemovedCameraLeavesNoByte(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	m := &recordingMachine{machine: newMachine(t)}
	c, err := db.OpenConfig(ctx, path, m, quiet())
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	cam := camera("Kinderzimmer", 1)
	must(t, c.SaveCamera(ctx, cam))
	must(t, c.RemoveCamera(ctx, cam.ID))
	assertAbsent(t, rawFiles(t, path), m.sealed)
}

// recordingMachine remembers what it sealed.
type recordingMachine struct {
	machine
	sealed map[string][]byte
}

func (m *recordingMachine) Seal(context string, plaintext []byte) []byte {
	sealed := m.machine.Seal(context, plaintext)
	if m.sealed == nil {
		m.sealed = make(map[string][]byte)
	}
	m.sealed[context] = sealed
	return sealed
}

func TestOldStatesOfTheLogAreOverwrittenRegularly(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	states := make(map[string][]byte)
	for seq := range uint64(64) {
		state := randomBytes(48)
		must(t, c.AppendLog(ctx, nvr.LogEntry{Seq: seq + 1, Time: time.Now(), Action: "live"}, state))
		if seq < 63 {
			states[fmt.Sprint("state ", seq)] = state
		}
	}
	assertAbsent(t, rawFiles(t, path), states)
	last := randomBytes(48)
	must(t, c.AppendLog(ctx, nvr.LogEntry{Seq: 65}, last))
	must(t, c.AppendLog(ctx, nvr.LogEntry{Seq: 66}, randomBytes(48)))
	must(t, c.Close())
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"state before the last": last})
}
