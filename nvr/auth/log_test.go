package auth_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

// brokenLog stands for a disk that is full: nothing can be appended.
type brokenLog struct {
	auth.LogStore
	broken *atomic.Bool
}

func (b brokenLog) AppendLog(ctx context.Context, e nvr.LogEntry, state []byte) error {
	if b.broken.Load() {
		return errors.New("disk full")
	}
	return b.LogStore.AppendLog(ctx, e, state)
}

func breakableHouse(t *testing.T) (*house, *atomic.Bool) {
	t.Helper()
	h := newHouse(t)
	h.stop()
	broken := new(atomic.Bool)
	h.wrap = func(s *auth.Store) { s.LogStore = brokenLog{s.LogStore, broken} }
	h.start()
	return h, broken
}

func (h *house) look(sess *auth.Session, action string, cam nvr.CameraID, detail string) error {
	return h.Record(h.t.Context(), auth.Entry{Action: action, Session: sess, Camera: cam, Detail: detail})
}

func details(t *testing.T, h *house, sess *auth.Session, action string) []string {
	t.Helper()
	var out []string
	for next := uint64(0); ; {
		lines, after, err := h.ReadLog(t.Context(), sess, next, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if l.Action == action {
				out = append(out, l.Detail)
			}
		}
		if after == next {
			return out
		}
		next = after
	}
}

func verify(t *testing.T, h *house, sess *auth.Session) auth.Report {
	t.Helper()
	report, err := h.VerifyLog(t.Context(), sess)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestLogSaysWhoLookedAtWhatFromWhere(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	cam := camera()
	from := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	if err := h.Record(t.Context(), auth.Entry{
		Action: auth.LogPlayback, Session: sess, Camera: cam, From: from, To: from.Add(time.Minute),
	}); err != nil {
		t.Fatal(err)
	}
	h.restart()
	sess = h.login()
	line, ok := logged(t, h, sess, auth.LogPlayback)
	if !ok || line.Shut || line.Principal != sess.Principal() || line.Camera != cam || !line.From.Equal(from) ||
		!line.To.Equal(from.Add(time.Minute)) || line.Addr != lan || line.Device != browser {
		t.Errorf("entry: %+v", line)
	}
	for _, action := range []string{auth.LogStart, auth.LogSetup, auth.LogWaived, auth.LogLogin} {
		if n := len(details(t, h, sess, action)); n != 1 {
			t.Errorf("%d entries %q, want 1", n, action)
		}
	}
	lines, next, err := h.ReadLog(t.Context(), sess, line.Seq, 1)
	if err != nil || len(lines) != 1 || next != line.Seq+1 {
		t.Errorf("one entry at a time: %v, %d, %v", lines, next, err)
	}
	if r := verify(t, h, sess); r.Problem != auth.NoProblem || r.First != 1 || r.Last < 5 {
		t.Errorf("report: %+v", r)
	}
}

func TestDetailsAboutACameraGoWithItsDay(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	cam := camera()
	if err := h.look(sess, auth.LogPlayback, cam, "the secret party"); err != nil {
		t.Fatal(err)
	}
	if err := h.DestroyDay(t.Context(), cam, auth.Day(time.Now())); err != nil {
		t.Fatal(err)
	}
	line, ok := logged(t, h, sess, auth.LogPlayback)
	if !ok || !line.Shut || line.Detail != "" || line.Camera != cam {
		t.Errorf("entry of a day that is gone: %+v", line)
	}
	if line, ok := logged(t, h, sess, auth.LogKeysDestroyed); !ok || line.Shut || line.Camera != cam {
		t.Errorf("receipt: %+v", line)
	}
	if r := verify(t, h, sess); r.Problem != auth.NoProblem {
		t.Errorf("report: %+v", r)
	}
}

func TestLockedSessionReadsNoLog(t *testing.T) {
	h := newHouse(t)
	_, token, _ := h.claim()
	h.restart()
	sess, err := h.Resume(t.Context(), token, lan)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.ReadLog(t.Context(), sess, 0, 10); !errors.Is(err, nvr.ErrLocked) {
		t.Errorf("read: %v", err)
	}
	if _, err := h.VerifyLog(t.Context(), sess); !errors.Is(err, nvr.ErrLocked) {
		t.Errorf("verify: %v", err)
	}
}

// TestR4TamperedLogIsFoundAndNamed plays somebody who has the disk of a stopped
// box, and in one case the key of the entry to come.
func TestR4TamperedLogIsFoundAndNamed(t *testing.T) {
	const bad = 7 // the row that is attacked; the rows are 1 to 12 or so
	for name, tc := range map[string]struct {
		attack func(h *house, key [32]byte)
		want   auth.Problem
		row    uint64
	}{
		"edited action": {func(h *house, _ [32]byte) {
			h.tamper(`UPDATE log SET action = 'live' WHERE seq = ?`, bad)
		}, auth.Edited, bad},
		"edited time": {func(h *house, _ [32]byte) {
			h.tamper(`UPDATE log SET time = time - 3600000000000 WHERE seq = ?`, bad)
		}, auth.Edited, bad},
		"edited details": {func(h *house, _ [32]byte) {
			h.tamper(`UPDATE log SET details = (SELECT details FROM log WHERE seq = ?) WHERE seq = ?`, bad-1, bad)
		}, auth.Edited, bad},
		"dropped": {func(h *house, _ [32]byte) {
			h.tamper(`DELETE FROM log WHERE seq = ?`, bad)
		}, auth.Dropped, bad},
		"dropped and closed up": {func(h *house, _ [32]byte) {
			h.tamper(`DELETE FROM log WHERE seq = ?`, bad)
			h.tamper(`UPDATE log SET seq = -(seq - 1) WHERE seq > ?`, bad)
			h.tamper(`UPDATE log SET seq = -seq WHERE seq < 0`)
		}, auth.Edited, bad},
		"first dropped": {func(h *house, _ [32]byte) {
			h.tamper(`DELETE FROM log WHERE seq = 1`)
		}, auth.Dropped, 1},
		"first edited": {func(h *house, _ [32]byte) {
			h.tamper(`UPDATE log SET action = 'live' WHERE seq = 1`)
		}, auth.Edited, 1},
		"tail dropped": {func(h *house, _ [32]byte) {
			h.tamper(`DELETE FROM log WHERE seq >= ?`, bad)
		}, auth.Dropped, bad},
		"neighbours exchanged": {func(h *house, _ [32]byte) {
			h.tamper(`UPDATE log SET seq = -1 WHERE seq = ?1; UPDATE log SET seq = ?1 WHERE seq = ?1 + 1; UPDATE log SET seq = ?1 + 1 WHERE seq = -1`, bad)
		}, auth.Reordered, bad},
		"exchanged further away": {func(h *house, _ [32]byte) {
			h.tamper(`UPDATE log SET seq = -1 WHERE seq = ?1; UPDATE log SET seq = ?1 WHERE seq = ?1 + 3; UPDATE log SET seq = ?1 + 3 WHERE seq = -1`, bad)
		}, auth.Reordered, bad},
		"re-keyed with the newest key": {func(h *house, key [32]byte) {
			rekey(h, key, bad)
		}, auth.Rekeyed, bad},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			sess, _, _ := h.claim()
			for i := range 9 {
				if err := h.look(sess, auth.LogPlayback, nvr.CameraID{}, fmt.Sprint(i)); err != nil {
					t.Fatal(err)
				}
			}
			if r := verify(t, h, sess); r.Problem != auth.NoProblem {
				t.Fatalf("before: %+v", r)
			}
			key := h.LogKeyOfEnd()
			h.stop()
			tc.attack(h, key)
			h.start()
			sess = h.login()
			if r := verify(t, h, sess); r.Problem != tc.want || r.Row != tc.row {
				t.Errorf("found %q at %d, want %q at %d", r.Problem, r.Row, tc.want, tc.row)
			}
		})
	}
}

// rekey edits a row and seals it with a key of a later row (CVE-2023-31439).
func rekey(h *house, key [32]byte, seq uint64) {
	ctx := context.Background()
	h.start()
	rows, err := h.cfg.Log(ctx, seq-1, 2)
	if err != nil {
		h.t.Fatal(err)
	}
	h.stop()
	e := rows[1]
	e.Action = auth.LogLive
	h.tamper(`UPDATE log SET action = ?, mac = ? WHERE seq = ?`, e.Action, auth.MACOf(key, rows[0].MAC, e), e.Seq)
}

func TestRowsBehindTheEndAreFoundAndDoNotStopTheLog(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	end := verify(t, h, sess).Last
	h.tamper(`INSERT INTO log SELECT ?2 + 1, time, action, principal, camera, vault, details, mac FROM log WHERE seq = ?2`, nil, end)
	if r := verify(t, h, sess); r.Problem != auth.Added || r.Row != end+1 {
		t.Errorf("before the next entry: %+v", r)
	}
	if err := h.look(sess, auth.LogPlayback, nvr.CameraID{}, "goes on"); err != nil {
		t.Fatal(err)
	}
	if got := details(t, h, sess, auth.LogPlayback); !slices.Equal(got, []string{"goes on"}) {
		t.Errorf("entries: %q", got)
	}
	if r := verify(t, h, sess); r.Problem != auth.Edited && r.Problem != auth.Reordered || r.Row != end+1 {
		t.Errorf("after it: %+v", r)
	}
}

func TestVerifyingWhileEntriesAreMadeFindsNothing(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 50 {
			if err := h.Record(context.Background(), auth.Entry{Action: auth.LogLive, Session: sess}); err != nil {
				t.Error(err)
			}
		}
	})
	for range 20 {
		if r := verify(t, h, sess); r.Problem != auth.NoProblem {
			t.Errorf("report: %+v", r)
		}
	}
	wg.Wait()
}

// TestCutLogWithItsOlderStateIsNotFound states the limit: whoever puts a complete older
// copy of config.db in place takes the entries since then with it.
func TestCutLogWithItsOlderStateIsNotFound(t *testing.T) {
	h := newHouse(t)
	h.claim()
	h.stop()
	older, err := os.ReadFile(h.path)
	if err != nil {
		t.Fatal(err)
	}
	h.start()
	if err := h.look(h.login(), auth.LogPlayback, nvr.CameraID{}, "gone"); err != nil {
		t.Fatal(err)
	}
	h.stop()
	if err := os.WriteFile(h.path, older, 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	if r := verify(t, h, h.login()); r.Problem != auth.NoProblem {
		t.Errorf("report: %+v", r)
	}
}

func TestEntriesGoToTheSpillAndComeBackInOrder(t *testing.T) {
	h, broken := breakableHouse(t)
	sess, _, _ := h.claim()
	lost := filepath.Join(t.TempDir(), "not mounted")
	disk := t.TempDir()
	h.spill = []string{lost, disk}
	broken.Store(true)
	var want []string
	for i := range 5 {
		detail := fmt.Sprint("clip ", i)
		want = append(want, detail)
		if err := h.look(sess, auth.LogPlayback, nvr.CameraID{}, detail); err != nil {
			t.Fatalf("playback with a spill: %v", err)
		}
	}
	if _, err := os.Stat(lost); !errors.Is(err, os.ErrNotExist) {
		t.Error("a folder was made where a disk should be mounted")
	}
	h.restart() // the entries survive
	broken.Store(false)
	sess = h.login()
	if got := details(t, h, sess, auth.LogPlayback); !slices.Equal(got, want) {
		t.Errorf("entries: %q", got)
	}
	if r := verify(t, h, sess); r.Problem != auth.NoProblem {
		t.Errorf("report: %+v", r)
	}
	left, err := os.ReadDir(filepath.Join(disk, "log-spill"))
	if err != nil || len(left) != 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	// A second time, with the numbers going on, and with a crash after the entry
	// was merged and before its file was removed.
	broken.Store(true)
	if err := h.look(sess, auth.LogPlayback, nvr.CameraID{}, "again"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(disk, "log-spill", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	file, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	broken.Store(false)
	if got := details(t, h, sess, auth.LogPlayback); !slices.Equal(got, append(want, "again")) {
		t.Errorf("entries: %q", got)
	}
	if err := os.WriteFile(files[0], file, 0o600); err != nil {
		t.Fatal(err)
	}
	h.restart()
	sess = h.login()
	if got := details(t, h, sess, auth.LogPlayback); !slices.Equal(got, append(want, "again")) {
		t.Errorf("entries: %q", got)
	}
	if n := len(details(t, h, sess, auth.LogLost)); n != 0 {
		t.Errorf("%d entries are said to be lost", n)
	}
}

func TestSpillIsSealedAndWhatIsRemovedFromItIsMissed(t *testing.T) {
	h, broken := breakableHouse(t)
	sess, _, _ := h.claim()
	disk := t.TempDir()
	h.spill = []string{disk}
	broken.Store(true)
	for i := range 4 {
		if err := h.look(sess, auth.LogExport, nvr.CameraID{}, fmt.Sprint("clip ", i)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(disk, "log-spill", "*"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains([]string{auth.LogExport}, string(raw)) || len(raw) < 100 {
			t.Errorf("entry in clear: %q", raw)
		}
	}
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(files[2], filepath.Join(disk, "log-spill", "00000000000000000009.entry")); err != nil {
		t.Fatal(err) // renamed: sealed to its number, so it is not taken
	}
	broken.Store(false)
	if got := details(t, h, sess, auth.LogExport); !slices.Equal(got, []string{"clip 0", "clip 3"}) {
		t.Errorf("entries: %q", got)
	}
	if got := details(t, h, sess, auth.LogLost); len(got) != 1 || got[0] != "2 entries could not be kept or were removed" {
		t.Errorf("lost: %q", got)
	}
}

func TestR4WithoutAnyLogPlaybackIsRefusedAndTheRestIsEnteredLater(t *testing.T) {
	h, broken := breakableHouse(t)
	sess, _, _ := h.claim()
	broken.Store(true)
	for _, action := range []string{auth.LogPlayback, auth.LogExport} {
		if err := h.look(sess, action, camera(), "refused"); !errors.Is(err, nvr.ErrLogUnavailable) {
			t.Errorf("%s: %v", action, err)
		}
	}
	for i := range 1100 {
		if err := h.look(sess, auth.LogLive, nvr.CameraID{}, fmt.Sprint(i)); !errors.Is(err, nvr.ErrLogUnavailable) {
			t.Fatalf("live: %v", err)
		}
	}
	if n := h.Waiting(); n != 1024 {
		t.Errorf("%d entries wait in memory", n)
	}
	broken.Store(false)
	if err := h.look(sess, auth.LogPlayback, nvr.CameraID{}, "allowed"); err != nil {
		t.Fatal(err)
	}
	if h.Waiting() != 0 {
		t.Error("entries still wait")
	}
	if got := details(t, h, sess, auth.LogPlayback); !slices.Equal(got, []string{"allowed"}) {
		t.Errorf("playback: %q", got)
	}
	if got := details(t, h, sess, auth.LogLive); len(got) != 1024 || got[0] != "0" || got[1023] != "1023" {
		t.Errorf("live: %d entries", len(got))
	}
	if got := details(t, h, sess, auth.LogLost); len(got) != 1 {
		t.Errorf("lost: %q", got)
	}
	if r := verify(t, h, sess); r.Problem != auth.NoProblem {
		t.Errorf("report: %+v", r)
	}
}

func TestOwnerLogsInWithAFullDisk(t *testing.T) {
	h, broken := breakableHouse(t)
	h.claim()
	broken.Store(true)
	sess := h.login()
	if sess.Locked() {
		t.Error("no keys")
	}
	if err := h.Revoke(t.Context(), sess.ID()); err != nil {
		t.Errorf("revoke: %v", err)
	}
}

func TestEntryIsWrittenWhenTheViewerHangsUp(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Record(gone, auth.Entry{Action: auth.LogLive, Session: sess, Detail: "short"}); err != nil {
		t.Fatal(err)
	}
	if got := details(t, h, sess, auth.LogLive); !slices.Equal(got, []string{"short"}) {
		t.Errorf("entries: %q", got)
	}
}
