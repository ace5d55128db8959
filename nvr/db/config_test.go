package db_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/db"
)

func principal(name string) nvr.Principal {
	return nvr.Principal{
		ID: nvr.NewID[nvr.Principal](), Kind: nvr.Person, Role: nvr.Member, Name: name,
		Public: randomBytes(1216), Secret: randomBytes(400), Created: at(1_700_000_000),
	}
}

func unlocker(p nvr.PrincipalID, kind nvr.UnlockerKind) nvr.Unlocker {
	return nvr.Unlocker{
		ID: nvr.NewID[nvr.Unlocker](), Principal: p, Kind: kind,
		Salt: randomBytes(16), Params: []byte{1, 2, 3}, Wrapped: randomBytes(60),
	}
}

func TestPeopleSurviveARestart(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	anna, ben := principal("Anna Grün"), principal("Ben")
	ben.Kind, ben.Role, ben.Secret, ben.Revoked = nvr.Token, nvr.Viewer, nil, at(1_800_000_000)
	word, device := unlocker(anna.ID, nvr.Password), unlocker(anna.ID, nvr.Device)
	device.Expires = at(1_900_000_000)
	must(t, c.SavePrincipal(ctx, anna, []nvr.Unlocker{word, device}))
	must(t, c.SavePrincipal(ctx, ben, nil))
	must(t, c.Close())

	c = openConfig(t, path, m)
	want(t, "people", []nvr.Principal{anna, ben})(c.Principals(ctx))
	want(t, "unlockers", []nvr.Unlocker{word, device})(c.Unlockers(ctx, anna.ID))
	want(t, "of nobody", []nvr.Unlocker(nil))(c.Unlockers(ctx, nvr.NewID[nvr.Principal]()))

	anna.Name, anna.Role = "Anna Blau", nvr.Owner
	must(t, c.SavePrincipal(ctx, anna, nil))
	want(t, "changed in place", []nvr.Principal{anna, ben})(c.Principals(ctx))
	want(t, "nil keeps unlockers", []nvr.Unlocker{word, device})(c.Unlockers(ctx, anna.ID))
	must(t, c.SavePrincipal(ctx, anna, []nvr.Unlocker{device}))
	want(t, "replaced", []nvr.Unlocker{device})(c.Unlockers(ctx, anna.ID))
	must(t, c.SavePrincipal(ctx, anna, []nvr.Unlocker{}))
	want(t, "none left", []nvr.Unlocker(nil))(c.Unlockers(ctx, anna.ID))

	if err := c.SavePrincipal(ctx, anna, []nvr.Unlocker{unlocker(ben.ID, nvr.Password)}); !isErr(err, nvr.ErrInvalid) {
		t.Errorf("somebody else's unlocker: got %v, want ErrInvalid", err)
	}
}

func TestRostersFollowEachOther(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	if _, err := c.Roster(ctx); !isErr(err, nvr.ErrNotFound) {
		t.Fatalf("no roster: got %v, want ErrNotFound", err)
	}
	roster := func(v uint64) nvr.Roster {
		return nvr.Roster{Version: v, Body: []byte{byte(v)}, Sigs: []byte("signed")}
	}
	if err := c.AddRoster(ctx, roster(0)); !isErr(err, nvr.ErrInvalid) {
		t.Errorf("begins with 0: got %v, want ErrInvalid", err)
	}
	must(t, c.AddRoster(ctx, roster(1)))
	must(t, c.AddRoster(ctx, roster(2)))
	for _, v := range []uint64{1, 2} {
		if err := c.AddRoster(ctx, roster(v)); !isErr(err, nvr.ErrInvalid) {
			t.Errorf("%d after 2: got %v, want ErrInvalid", v, err)
		}
	}
	want(t, "newest", roster(2))(c.Roster(ctx))
	must(t, c.AddRoster(ctx, roster(4))) // one that was lost is put back
	want(t, "above 1", []nvr.Roster{roster(2), roster(4)})(c.Rosters(ctx, 1, 10))
	want(t, "the first above 1", []nvr.Roster{roster(2)})(c.Rosters(ctx, 1, 1))
}

func TestSessionsComeAndGo(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	s := nvr.Session{
		TokenHash: [32]byte(randomBytes(32)), Principal: nvr.NewID[nvr.Principal](), Device: "Annas Handy",
		Created: at(10), Seen: at(20), Expires: at(30),
	}
	other := s
	other.TokenHash, other.Created = [32]byte(randomBytes(32)), at(11)
	must(t, c.SaveSession(ctx, other))
	must(t, c.SaveSession(ctx, s))
	s.Seen = at(25)
	must(t, c.SaveSession(ctx, s))
	must(t, c.Close())
	c = openConfig(t, path, m)
	want(t, "sessions", []nvr.Session{s, other})(c.Sessions(ctx))
	must(t, c.DeleteSession(ctx, s.TokenHash))
	want(t, "one left", []nvr.Session{other})(c.Sessions(ctx))
	if err := c.DeleteSession(ctx, s.TokenHash); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("deleted twice: got %v, want ErrNotFound", err)
	}
}

func TestThrottlesArePruned(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	for i, until := range []time.Time{{}, time.Unix(99, 999), time.Unix(100, 0), at(500)} {
		must(t, c.SaveThrottle(ctx, nvr.Throttle{Key: string(rune('a' + i)), Fails: i, Until: until}))
	}
	want(t, "saved", nvr.Throttle{Key: "d", Fails: 3, Until: at(500)})(c.Throttle(ctx, "d"))
	must(t, c.SaveThrottle(ctx, nvr.Throttle{Key: "d", Fails: 4, Until: at(600)}))
	want(t, "replaced", nvr.Throttle{Key: "d", Fails: 4, Until: at(600)})(c.Throttle(ctx, "d"))
	must(t, c.PruneThrottles(ctx, 100))
	for key, kept := range map[string]bool{"a": false, "b": false, "c": true, "d": true} {
		if _, err := c.Throttle(ctx, key); (err == nil) != kept || (err != nil && !isErr(err, nvr.ErrNotFound)) {
			t.Errorf("%s: got %v, kept should be %v", key, err, kept)
		}
	}
}

func TestLogKeepsOrderAndState(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	if _, err := c.LogState(ctx); !isErr(err, nvr.ErrNotFound) {
		t.Fatalf("no state: got %v, want ErrNotFound", err)
	}
	entries := make([]nvr.LogEntry, 150)
	for i := range entries {
		entries[i] = nvr.LogEntry{
			Seq: uint64(i + 1), Time: at(int64(1000 - i)), Action: "playback", Principal: nvr.NewID[nvr.Principal](),
			Camera: nvr.NewID[nvr.Camera](), Vault: nvr.NewID[nvr.Vault](), Details: randomBytes(100), MAC: randomBytes(32),
		}
		must(t, c.AppendLog(ctx, entries[i], []byte{byte(i)}))
	}
	if err := c.AppendLog(ctx, entries[3], []byte("other")); !isErr(err, nvr.ErrInvalid) {
		t.Errorf("same number: got %v, want ErrInvalid", err)
	}
	must(t, c.Close())
	c = openConfig(t, path, m)
	want(t, "state", []byte{149})(c.LogState(ctx))
	want(t, "a page", entries[99:109])(c.Log(ctx, 100, 10))
	want(t, "the end", entries[145:])(c.Log(ctx, 146, 10))
	want(t, "beyond", []nvr.LogEntry(nil))(c.Log(ctx, 151, 10))
}

func TestSettings(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	if _, err := c.Setting(ctx, "zone"); !isErr(err, nvr.ErrNotFound) {
		t.Fatalf("missing: got %v, want ErrNotFound", err)
	}
	must(t, c.SetSetting(ctx, "zone", []byte("Europe/Berlin")))
	must(t, c.SetSetting(ctx, "empty", nil))
	must(t, c.SetSetting(ctx, "zone", []byte("UTC")))
	want(t, "replaced", []byte("UTC"))(c.Setting(ctx, "zone"))
	want(t, "empty", []byte(nil))(c.Setting(ctx, "empty"))
	must(t, c.DeleteSetting(ctx, "zone"))
	if err := c.DeleteSetting(ctx, "zone"); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("deleted twice: got %v, want ErrNotFound", err)
	}
}

func camera(name string, order int) nvr.Camera {
	return nvr.Camera{
		ID: nvr.NewID[nvr.Camera](), Name: name, Order: order, Inside: true, Audio: true, Transport: nvr.UDP,
		User: "admin-of-" + name, Password: nvr.Secret("s3cret\xff-of-" + name), RetentionDays: 30, Added: at(1_700_000_000),
		Streams: []nvr.Source{
			{Stream: nvr.NewID[nvr.Stream](), Quality: nvr.Main, URL: "rtsps://camera-" + name + "/main", Pin: randomBytes(32)},
			{Stream: nvr.NewID[nvr.Stream](), Quality: nvr.Sub, URL: "rtsps://camera-" + name + "/sub"},
		},
	}
}

func TestCamerasSurviveARestart(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	door, garden := camera("Haustür", 2), camera("Garten", 1)
	must(t, c.SaveCamera(ctx, door))
	must(t, c.SaveCamera(ctx, garden))
	must(t, c.Close())
	c = openConfig(t, path, m)
	want(t, "by order", []nvr.Camera{garden, door})(c.Cameras(ctx))

	garden.Name, garden.Order, garden.Streams, garden.Disabled, garden.Inside = "Hof", 3, garden.Streams[:1], true, false
	must(t, c.SaveCamera(ctx, garden))
	want(t, "changed", []nvr.Camera{door, garden})(c.Cameras(ctx))

	thief := camera("Neu", 4)
	thief.Streams[0].Stream = door.Streams[0].Stream
	if err := c.SaveCamera(ctx, thief); err == nil {
		t.Error("a stream belongs to two cameras")
	}
	must(t, c.RemoveCamera(ctx, door.ID))
	want(t, "removed", []nvr.Camera{garden})(c.Cameras(ctx))
	if err := c.RemoveCamera(ctx, door.ID); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("removed twice: got %v, want ErrNotFound", err)
	}
	must(t, c.Check(ctx))
}

func TestAnotherMachineKeyOpensNothing(t *testing.T) {
	ctx, path := context.Background(), filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	must(t, c.SaveCamera(ctx, camera("Garten", 1)))
	must(t, c.Close())
	c = openConfig(t, path, newMachine(t))
	if got, err := c.Cameras(ctx); !isErr(err, nvr.ErrCorrupt) || got != nil {
		t.Errorf("got %v, %v, want ErrCorrupt", got, err)
	}
}

func TestDisks(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	a := nvr.Disk{ID: nvr.NewID[nvr.Disk](), Path: "/mnt/a"}
	b := nvr.Disk{ID: nvr.NewID[nvr.Disk](), Path: "/mnt/b", Quota: 1 << 40}
	must(t, c.SaveDisk(ctx, b))
	must(t, c.SaveDisk(ctx, a))
	b.Path = "/mnt/moved"
	must(t, c.SaveDisk(ctx, b))
	want(t, "disks", []nvr.Disk{b, a})(c.Disks(ctx))
}

func TestGapsOpenOnceAndClose(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	stream, other := nvr.NewID[nvr.Stream](), nvr.NewID[nvr.Stream]()
	offline := nvr.Gap{Stream: stream, From: at(100), Cause: nvr.CameraOffline, Detail: "no answer"}
	must(t, c.OpenGap(ctx, offline))
	must(t, c.OpenGap(ctx, nvr.Gap{Stream: stream, From: at(110), Cause: nvr.DiskFull}))
	must(t, c.OpenGap(ctx, nvr.Gap{Stream: other, From: at(50), Cause: nvr.Privacy}))
	want(t, "the first cause counts", []nvr.Gap{offline})(c.GapsIn(ctx, stream, at(1000), at(2000)))
	want(t, "not yet", []nvr.Gap(nil))(c.GapsIn(ctx, stream, at(0), at(100)))

	must(t, c.CloseGap(ctx, stream, at(200)))
	offline.To = at(200)
	want(t, "closed", []nvr.Gap{offline})(c.GapsIn(ctx, stream, at(199), at(2000)))
	want(t, "over", []nvr.Gap(nil))(c.GapsIn(ctx, stream, at(200), at(2000)))
	must(t, c.CloseGap(ctx, stream, at(300)))
	want(t, "nothing to close", []nvr.Gap{offline})(c.GapsIn(ctx, stream, at(0), at(2000)))

	must(t, c.OpenGap(ctx, nvr.Gap{Stream: stream, From: at(500), Cause: nvr.ClockStep}))
	must(t, c.CloseGap(ctx, stream, at(400)))
	want(t, "the clock went back", []nvr.Gap{offline})(c.GapsIn(ctx, stream, at(0), at(2000)))
}

func TestGapsOfOneCauseThatTouchBecomeOne(t *testing.T) {
	ctx, c, stream := context.Background(), newConfig(t), nvr.NewID[nvr.Stream]()
	gap := func(from, to int64, cause nvr.Cause) nvr.Gap {
		return nvr.Gap{Stream: stream, From: at(from), To: at(to), Cause: cause}
	}
	must(t, c.AddGap(ctx, gap(100, 160, nvr.Expired)))
	must(t, c.AddGap(ctx, gap(220, 280, nvr.Expired)))
	must(t, c.AddGap(ctx, gap(280, 300, nvr.Deleted)))
	must(t, c.AddGap(ctx, gap(300, 300, nvr.Deleted))) // does not last
	middle := gap(160, 220, nvr.Expired)
	middle.From, middle.To = middle.From.Add(100*time.Millisecond), middle.To.Add(-100*time.Millisecond)
	must(t, c.AddGap(ctx, middle))
	want(t, "gaps", []nvr.Gap{gap(100, 280, nvr.Expired), gap(280, 300, nvr.Deleted)})(c.GapsIn(ctx, stream, at(0), at(1000)))
	must(t, c.OpenGap(ctx, nvr.Gap{Stream: stream, From: at(290), Cause: nvr.Deleted}))
	must(t, c.AddGap(ctx, gap(300, 310, nvr.Deleted)))
	want(t, "one that is open stays alone", []nvr.Gap{
		gap(100, 280, nvr.Expired), gap(280, 310, nvr.Deleted), {Stream: stream, From: at(290), Cause: nvr.Deleted},
	})(c.GapsIn(ctx, stream, at(0), at(1000)))
}

func TestTimesThatDoNotFitAreBounded(t *testing.T) {
	ctx, c := context.Background(), newConfig(t)
	p := principal("Anna")
	p.Created, p.Revoked = time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	must(t, c.SavePrincipal(ctx, p, nil))
	got, err := c.Principals(ctx)
	must(t, err)
	if y := got[0].Created.Year(); y != 1677 {
		t.Errorf("created in %d", y)
	}
	if y := got[0].Revoked.Year(); y != 2262 {
		t.Errorf("revoked in %d", y)
	}
}

func TestConfigThatIsNoDatabaseIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.db")
	c := openConfig(t, path, newMachine(t))
	must(t, c.Close())
	damageFile(t, path, func(b []byte) { copy(b, "this is not what it was") })
	before := string(rawFiles(t, path)["config.db"])
	if _, err := db.OpenConfig(context.Background(), path, newMachine(t), quiet()); !isErr(err, db.ErrCorrupt) {
		t.Fatalf("got %v, want ErrCorrupt", err)
	}
	if string(rawFiles(t, path)["config.db"]) != before {
		t.Error("the file was changed")
	}
}
