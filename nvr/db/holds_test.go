package db_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"lares/nvr"
)

func TestHoldsAndDeletionsComeBackAndAreSealed(t *testing.T) {
	ctx, path, m := context.Background(), filepath.Join(t.TempDir(), "config.db"), newMachine(t)
	c := openConfig(t, path, m)
	h := nvr.Hold{
		ID: nvr.NewID[nvr.Hold](), Camera: nvr.NewID[nvr.Camera](), Streams: []nvr.StreamID{nvr.NewID[nvr.Stream]()},
		From: at(1), To: at(2), Why: "Nachbars Zaun ist kaputt", By: nvr.NewID[nvr.Principal](), Created: at(3),
	}
	d := nvr.Deletion{
		ID: nvr.NewID[nvr.Deletion](), Camera: h.Camera, By: h.By, Created: at(4),
		Parts:  []nvr.Gap{{Stream: h.Streams[0], From: at(1), To: at(2), Cause: nvr.Deleted, Detail: "Eine Quittung der Anna"}},
		Vaults: []nvr.DayVault{{Vault: nvr.NewID[nvr.Vault](), Day: at(0)}},
	}
	must(t, c.AddHold(ctx, h))
	if err := c.AddHold(ctx, h); !isErr(err, nvr.ErrInvalid) {
		t.Errorf("added twice: %v", err)
	}
	must(t, c.SaveDeletion(ctx, d))
	must(t, c.Close())
	c = openConfig(t, path, m)
	want(t, "holds", []nvr.Hold{h})(c.Holds(ctx))
	want(t, "deletions", []nvr.Deletion{d})(c.OpenDeletions(ctx))
	assertAbsent(t, rawFiles(t, path), map[string][]byte{"reason": []byte(h.Why), "detail": []byte(d.Parts[0].Detail), "stream": h.Streams[0][:]})
	d.Done = at(5).Add(time.Second)
	must(t, c.SaveDeletion(ctx, d))
	want(t, "deletions", []nvr.Deletion(nil))(c.OpenDeletions(ctx))
	must(t, c.RemoveHold(ctx, h.ID))
	want(t, "holds", []nvr.Hold(nil))(c.Holds(ctx))
	if err := c.RemoveHold(ctx, h.ID); !isErr(err, nvr.ErrNotFound) {
		t.Errorf("removed twice: %v", err)
	}
}
