package db_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"lares/nvr"
)

func roster(version uint64) nvr.Roster {
	return nvr.Roster{Version: version, Body: randomBytes(100), Sigs: randomBytes(100)}
}

func TestEnactmentHappensAsAWholeOrNotAtAll(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	cam := nvr.NewID[nvr.Camera]()
	anna, ben := principal("Anna"), principal("Ben")
	word := unlocker(ben.ID, nvr.Password)
	must(t, c.AddRoster(ctx, roster(1)))
	must(t, c.SavePrincipal(ctx, anna, nil))
	must(t, c.SavePrincipal(ctx, ben, []nvr.Unlocker{word}))
	v, grants := vault(cam, 5, 2)
	other, otherGrants := vault(nvr.NewID[nvr.Camera](), 5, 1)
	grants[1].Principal, otherGrants[0].Principal = ben.ID, ben.ID
	must(t, c.AddVault(ctx, v, grants))
	must(t, c.AddVault(ctx, other, otherGrants))
	log, logGrants := vault(nvr.CameraID{}, 6, 1)

	gone := ben
	gone.Public, gone.Secret, gone.Succession, gone.Revoked = nil, nil, nil, at(50)
	anna.Succession = randomBytes(40)
	e := nvr.Enactment{
		Roster: roster(1), Vault: log, Grants: logGrants, Drop: []nvr.GrantDrop{{Principal: ben.ID, Cameras: []nvr.CameraID{cam}}},
		People: []nvr.PersonChange{{Principal: anna}, {Principal: gone, Unlockers: []nvr.Unlocker{}}},
	}
	if err := c.Enact(ctx, e); !isErr(err, nvr.ErrInvalid) {
		t.Errorf("a roster that is there already: %v", err)
	}
	want(t, "nothing happened", []nvr.Unlocker{word})(c.Unlockers(ctx, ben.ID))
	want(t, "nothing happened", grants)(c.Grants(ctx, v.ID))

	e.Roster = roster(2)
	must(t, c.Enact(ctx, e))
	want(t, "roster", e.Roster)(c.Roster(ctx))
	want(t, "people", []nvr.Principal{anna, gone})(c.Principals(ctx))
	want(t, "unlockers", []nvr.Unlocker(nil))(c.Unlockers(ctx, ben.ID))
	want(t, "grants of the camera", grants[:1])(c.Grants(ctx, v.ID))
	want(t, "grants of another", otherGrants)(c.Grants(ctx, other.ID))
	want(t, "the log's vault", log)(c.Vault(ctx, log.ID))
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"unlocker": word.Wrapped, "grant": grants[1].Sealed})

	must(t, c.Enact(ctx, nvr.Enactment{Roster: roster(3), Drop: []nvr.GrantDrop{{Principal: ben.ID, All: true}}}))
	want(t, "all grants", []nvr.Grant(nil))(c.Grants(ctx, other.ID))
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"grant": otherGrants[0].Sealed})
}

func TestManyDroppedGrantsLeaveNoByte(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	who := nvr.NewID[nvr.Principal]()
	secrets := make(map[string][]byte)
	for i := range 300 {
		v, grants := vault(nvr.NewID[nvr.Camera](), i, 1)
		grants[0].Principal = who
		must(t, c.AddVault(ctx, v, grants))
		secrets[fmt.Sprint("grant ", i)] = grants[0].Sealed
	}
	must(t, c.Enact(ctx, nvr.Enactment{Roster: roster(1), Drop: []nvr.GrantDrop{{Principal: who, All: true}}}))
	assertAbsent(t, rawFiles(t, path), secrets)
}

func TestVaultsWithoutAGrantAreListedAndFilled(t *testing.T) {
	ctx, c, cam := context.Background(), newConfig(t), nvr.NewID[nvr.Camera]()
	who := nvr.NewID[nvr.Principal]()
	var made []nvr.Vault
	for day := range 5 {
		v, grants := vault(cam, day, 1)
		must(t, c.AddVault(ctx, v, grants))
		made = append(made, v)
	}
	foreign, _ := vault(nvr.CameraID{}, 5, 0)
	must(t, c.AddVault(ctx, foreign, nil))
	want(t, "cameras", []nvr.CameraID{{}, cam})(c.VaultCameras(ctx))
	want(t, "newest first", []nvr.Vault{made[4], made[3]})(c.VaultsWithout(ctx, who, cam, nvr.VaultID{}, 2))
	want(t, "older ones", []nvr.Vault{made[2], made[1], made[0]})(c.VaultsWithout(ctx, who, cam, made[3].ID, 10))
	want(t, "how many", 5)(c.CountWithout(ctx, who, cam))

	must(t, c.DestroyVault(ctx, made[1].ID))
	grant := func(v nvr.Vault) nvr.Grant { return nvr.Grant{Vault: v.ID, Principal: who, Sealed: randomBytes(60)} }
	first := grant(made[4])
	must(t, c.AddGrants(ctx, []nvr.Grant{first, grant(made[1]), grant(made[4])}))
	all, err := c.Grants(ctx, made[4].ID)
	if err != nil || len(all) != 2 || !bytes.Equal(all[1].Sealed, first.Sealed) {
		t.Errorf("grants: %d, %v", len(all), err)
	}
	want(t, "a destroyed vault gets none", []nvr.Grant(nil))(c.Grants(ctx, made[1].ID))
	want(t, "what is left", 3)(c.CountWithout(ctx, who, cam))
}

func TestLinksHoldKeysUntilTheyEndOrTheVaultDoes(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	a, _ := vault(nvr.NewID[nvr.Camera](), 5, 0)
	b, _ := vault(a.Camera, 6, 0)
	must(t, c.AddVault(ctx, a, nil))
	must(t, c.AddVault(ctx, b, nil))
	l := nvr.ShareLink{
		ID: nvr.NewID[nvr.Principal](), Label: "für die Versicherung", Camera: a.Camera, From: at(10), To: at(20), Audio: true,
		By: nvr.NewID[nvr.Principal](), Created: at(30), Expires: at(40), Check: randomBytes(32),
	}
	keys := []nvr.SharedKey{
		{Vault: a.ID, Lookup: [32]byte(randomBytes(32)), Wrapped: randomBytes(105)},
		{Vault: b.ID, Lookup: [32]byte(randomBytes(32)), Wrapped: randomBytes(105)},
		{Vault: nvr.NewID[nvr.Vault](), Lookup: [32]byte(randomBytes(32)), Wrapped: randomBytes(105)},
	}
	must(t, c.AddShare(ctx, l, keys))
	if err := c.AddShare(ctx, l, nil); !isErr(err, nvr.ErrInvalid) {
		t.Errorf("the same link again: %v", err)
	}
	want(t, "links", []nvr.ShareLink{l})(c.Shares(ctx))
	want(t, "key", keys[0].Wrapped)(c.ShareKey(ctx, l.ID, keys[0].Lookup))
	if _, err := c.ShareKey(ctx, l.ID, keys[2].Lookup); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("the key of a vault that is not there: %v", err)
	}
	if _, err := c.ShareKey(ctx, l.By, keys[0].Lookup); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("the key in another link: %v", err)
	}
	must(t, c.DestroyVault(ctx, a.ID))
	if _, err := c.ShareKey(ctx, l.ID, keys[0].Lookup); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("the key of a destroyed vault: %v", err)
	}
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"key": keys[0].Wrapped, "label": []byte(l.Label)})
	must(t, c.RemoveShare(ctx, l.ID))
	want(t, "none left", []nvr.ShareLink(nil))(c.Shares(ctx))
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"key": keys[1].Wrapped})
	if err := c.RemoveShare(ctx, l.ID); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
}

func TestForgettingPeopleForgetsLinksAndNotices(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	must(t, c.AddShare(ctx, nvr.ShareLink{ID: nvr.NewID[nvr.Principal](), Expires: at(1)}, nil))
	must(t, c.AddNotice(ctx, nvr.Notice{Time: at(1), Kind: "x"}))
	must(t, c.ForgetPeople(ctx))
	want(t, "links", []nvr.ShareLink(nil))(c.Shares(ctx))
	want(t, "notices", []nvr.Notice(nil))(c.Notices(ctx, 10))
}

func TestNoticesAreBoundedAndNewestFirst(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	n := nvr.Notice{Time: at(5), Kind: "night", Principal: nvr.NewID[nvr.Principal](), Camera: nvr.NewID[nvr.Camera](), Count: 7}
	for range 1003 {
		must(t, c.AddNotice(ctx, n))
	}
	all, err := c.Notices(ctx, 5000)
	must(t, err)
	if len(all) != 1000 || all[0].Num != 1003 {
		t.Errorf("%d notices, the newest is %d", len(all), all[0].Num)
	}
	n.Num = 1003
	want(t, "newest", []nvr.Notice{n})(c.Notices(ctx, 1))
}

func TestLogIsReadFromItsEndAndByCamera(t *testing.T) {
	ctx, c, cam := context.Background(), newConfig(t), nvr.NewID[nvr.Camera]()
	for i := range 6 {
		e := nvr.LogEntry{Seq: uint64(i + 1), Time: at(int64(i)), Action: []string{"live", "settings", "playback"}[i%3], Details: []byte{1}, MAC: []byte{2}}
		if i < 3 {
			e.Camera = cam
		}
		must(t, c.AppendLog(ctx, e, []byte("state")))
	}
	seqs := func(entries []nvr.LogEntry, err error) ([]uint64, error) {
		var out []uint64
		for _, e := range entries {
			out = append(out, e.Seq)
		}
		return out, err
	}
	want(t, "newest", []uint64{6, 5})(seqs(c.LogBefore(ctx, 0, 2)))
	want(t, "before", []uint64{4, 3, 2, 1})(seqs(c.LogBefore(ctx, 5, 10)))
	last, err := c.LastLog(ctx, cam, "live", "settings")
	if err != nil || last.Seq != 2 {
		t.Errorf("last: %d, %v", last.Seq, err)
	}
	if _, err := c.LastLog(ctx, nvr.NewID[nvr.Camera](), "live"); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("of a camera that nobody looked at: %v", err)
	}
}

func TestLabelOfADeviceIsSealed(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	anna := principal("Anna")
	device := unlocker(anna.ID, nvr.Device)
	device.Label, device.Created = "Annas Handy in der Küche", at(5)
	must(t, c.SavePrincipal(ctx, anna, []nvr.Unlocker{device}))
	want(t, "device", []nvr.Unlocker{device})(c.Unlockers(ctx, anna.ID))
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"label": []byte(device.Label)})
}
