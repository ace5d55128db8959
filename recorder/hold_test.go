package recorder_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lares/nvr"
	"lares/recorder"
)

func (h *house) hold(from, to time.Time) nvr.Hold {
	h.t.Helper()
	hold := nvr.Hold{
		ID: nvr.NewID[nvr.Hold](), Camera: h.camera.ID, From: from, To: to, Why: "the fence", By: someone,
		Created: time.Now().UTC(),
	}
	if err := h.rec.Hold(h.t.Context(), h.keys, hold); err != nil {
		h.t.Fatal(err)
	}
	return hold
}

// expire lets footage grow older than it is kept.
func (h *house) expire() {
	h.rec.Age(100)
	h.rec.Expire(h.t.Context())
}

func TestWhatIsKeptOutlivesItsDayAndGoesWhenTheHoldIsLifted(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(2), newKeys())
	start := yesterday()
	h.minutes(start, 4)
	h.stopRecording()
	kept, others := split(h.all(), start.Add(70*time.Second), start.Add(80*time.Second))
	day := kept[0].Vault
	hold := h.hold(start.Add(70*time.Second), start.Add(80*time.Second))
	if held := must[[]nvr.KeptFootage](t)(h.rec.Held(t.Context())); len(held) != 1 || held[0].Why != hold.Why || held[0].Bytes != bytesOf(kept) || len(held[0].Streams) != 2 {
		t.Errorf("kept: %+v, want %d bytes", held, bytesOf(kept))
	}
	plan := must[nvr.DeletionPlan](t)(h.rec.PlanDeletion(t.Context(), h.keys, h.request(start, time.Now())))
	if len(plan.Kept) != 1 || plan.Kept[0].ID != hold.ID || plan.Bytes != bytesOf(others) {
		t.Errorf("a deletion takes %d bytes of %d and leaves %+v", plan.Bytes, bytesOf(others), plan.Kept)
	}
	h.expire()
	if left := h.all(); len(left) != len(kept) {
		t.Fatalf("%d segments are left, %d are kept", len(left), len(kept))
	}
	h.intact(h.all())
	if !h.keys.isDestroyed(day) {
		t.Error("the day stays with what is kept of it")
	}
	if _, err := h.rec.Delete(t.Context(), h.keys, h.request(start, time.Now())); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("what is kept was deleted: %v", err)
	}

	// The index forgets what is kept, config.db does not.
	h.stop()
	removeIndex(t, h.dir)
	h = newHouse(t, h.dir, h.camera, h.keys)
	h.settled(1)
	eventually(t, "what is kept is known again", func() bool {
		left := h.all()
		return len(left) == len(kept) && left[0].Flags&left[len(left)-1].Flags&nvr.Held != 0
	})
	h.expire()
	if left := h.all(); len(left) != len(kept) {
		t.Fatalf("with a new index %d segments are left, %d are kept", len(left), len(kept))
	}

	own := h.all()[0].Vault
	second := h.hold(start.Add(70*time.Second), start.Add(75*time.Second))
	again := h.all()[0].Vault
	for _, id := range []nvr.ID[nvr.Hold]{hold.ID, second.ID} {
		h.expire()
		if len(h.all()) == 0 {
			t.Fatal("the other hold keeps nothing")
		}
		if err := h.rec.Lift(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	h.expire()
	if left := h.all(); len(left) > 0 || !h.keys.isDestroyed(again) {
		t.Errorf("%d segments are left of what nobody keeps; vaults %v, %v", len(left), own, again)
	}
	if err := h.rec.Lift(t.Context(), hold.ID); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("lifted twice: %v", err)
	}
}

func bytesOf(rows []nvr.Segment) (sum int64) {
	for _, row := range rows {
		sum += row.Bytes
	}
	return sum
}

func (k *keys) isDestroyed(id nvr.VaultID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.destroyed[id]
}

func TestHoldOfWhatIsBeingRecordedKeepsItAndNothingWithoutFootage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	stop := h.feed(h.main())
	defer stop()
	start := time.Now()
	eventually(t, "it is being recorded", func() bool { return len(h.recorded(h.id(), start.Add(-time.Minute), time.Now())) > 10 })
	h.hold(start.Add(-time.Minute), time.Now())
	if rows := h.rows(); len(rows) == 0 || rows[0].Flags&nvr.Held == 0 {
		t.Errorf("rows: %+v", rows)
	}
	empty := nvr.Hold{ID: nvr.NewID[nvr.Hold](), Camera: h.camera.ID, From: start.Add(-time.Hour), To: start.Add(-50 * time.Minute)}
	if err := h.rec.Hold(t.Context(), h.keys, empty); !errors.Is(err, nvr.ErrNotFound) {
		t.Errorf("where there is nothing: %v", err)
	}
}

func TestHoldThatWasInterruptedKeepsTheFootage(t *testing.T) {
	t.Parallel()
	recorded := newHouse(t, t.TempDir(), testCamera(1), newKeys())
	start := yesterday()
	recorded.minutes(start, 2)
	recorded.stopRecording()
	kept, _ := split(recorded.all(), start.Add(70*time.Second), start.Add(80*time.Second))
	recorded.stop()
	for steps := int64(0); ; steps++ {
		h, f := fused(t, copyTree(t, recorded.dir), recorded.camera, recorded.keys.clone())
		f.left.Store(steps)
		err := h.rec.Hold(t.Context(), h.keys, nvr.Hold{
			ID: nvr.NewID[nvr.Hold](), Camera: h.camera.ID, From: start.Add(70 * time.Second), To: start.Add(80 * time.Second), By: someone,
		})
		h.stop()
		h = newHouse(t, h.dir, h.camera, h.keys)
		noted := len(must[[]nvr.KeptFootage](t)(h.rec.Held(t.Context()))) > 0
		h.expire()
		if left := h.all(); noted != (len(left) == len(kept)) || !noted && len(left) > 0 {
			t.Errorf("after %d steps: %d segments left of %d; noted: %v", steps, len(left), len(kept), noted)
		}
		h.intact(h.all())
		h.stop()
		if err == nil {
			if !noted {
				t.Error("it is not kept")
			}
			return
		}
	}
}

// The disk is a tmpfs, which only root can mount.
func TestDiskThatIsFullOfEvidenceSaysWhatToDo(t *testing.T) {
	t.Parallel()
	mnt := t.TempDir()
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, "size=40m"); err != nil {
		t.Skipf("needs a small file system, which root may mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mnt, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	h := newHouse(t, t.TempDir(), testCamera(1), newKeys(), withPaths(mnt))
	src := newSource(time.Now())
	src.size = 15000
	start := time.Now().Add(-time.Hour)
	h.span(src, start, 59)
	stop := h.feed(h.main())
	defer stop()
	h.settled(1)
	hold := h.hold(start, time.Now())
	fill(t, mnt+"/other")
	says := func(text string) bool { return strings.Contains(text, "kept as evidence") }
	eventually(t, "it says so", func() bool {
		fill(t, mnt+"/other")
		h.rec.Trim(t.Context())
		status := h.rec.Recording(h.id())
		return status.Cause == nvr.DiskFull && says(status.Detail) && says(h.diskState(mnt).Detail)
	})
	if err := h.rec.Lift(t.Context(), hold.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what nobody keeps makes room", func() bool { return len(h.rows()) == 0 })
	if err := os.Remove(mnt + "/other"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it records again", func() bool { return h.rec.Recording(h.id()).Recording })
}

var _ recorder.Ledger = (*fuse)(nil)
