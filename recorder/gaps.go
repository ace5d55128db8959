package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// How a writer accounts for the time in which it stores nothing.

// bridge accounts for the time between the last footage and the key frame f.
func (w *writer) bridge(ctx context.Context, f *nvr.Frame) {
	if err := w.rec.gaps.CloseGap(ctx, w.stream.ID(), nvr.TickTime(f.DTS)); err != nil {
		w.log.Error("close gap", slog.Any("err", err))
	}
	if !w.quiet && w.end != 0 && f.DTS-w.end > tolerance {
		cause, detail := nvr.CameraOffline, ""
		if f.Break != nil {
			cause, detail = f.Break.Cause, f.Break.Detail
		}
		w.addGap(ctx, f.DTS, cause, detail)
	}
	w.quiet, w.boot = false, false
	w.end = f.DTS
}

func (w *writer) addGap(ctx context.Context, to int64, cause nvr.Cause, detail string) {
	if w.end == 0 || to <= w.end {
		return
	}
	gap := nvr.Gap{Stream: w.stream.ID(), From: nvr.TickTime(w.end), To: nvr.TickTime(to), Cause: cause, Detail: detail}
	if err := w.rec.gaps.AddGap(ctx, gap); err != nil {
		w.log.Error("note gap", slog.Any("err", err))
	}
}

// refuse notes why no segment could be begun and waits a little.
func (w *writer) refuse(ctx context.Context, err error) {
	cause, detail := causeOf(err)
	w.retry = time.Now().Add(time.Second)
	w.away(ctx, nvr.Break{Since: w.endTime(), Cause: cause, Detail: detail})
	w.log.Warn("cannot record", slog.Any("cause", cause), slog.Any("err", err))
}

// switchOff notes that the owner ended the recording. The writer has ended.
func (w *writer) switchOff(ctx context.Context) {
	w.away(ctx, nvr.Break{Cause: nvr.CameraSwitchedOff})
}

// away opens a gap from the end of the footage on.
func (w *writer) away(ctx context.Context, b nvr.Break) {
	w.setStatus(nvr.RecordingStatus{Since: w.endTime(), Cause: b.Cause, Detail: b.Detail})
	if w.quiet && w.cause == b.Cause {
		return
	}
	if w.quiet {
		w.endGap(ctx, time.Now())
	}
	gap := nvr.Gap{Stream: w.stream.ID(), From: w.endTime(), Cause: b.Cause, Detail: b.Detail}
	if err := w.rec.gaps.OpenGap(ctx, gap); err != nil {
		w.log.Error("open gap", slog.Any("err", err))
		return
	}
	w.quiet, w.cause = true, b.Cause
}

// endGap ends the open gap where its cause gives way to another one.
func (w *writer) endGap(ctx context.Context, to time.Time) {
	if err := w.rec.gaps.CloseGap(ctx, w.stream.ID(), to); err != nil {
		w.log.Error("close gap", slog.Any("err", err))
	}
	w.end, w.quiet, w.boot = nvr.Ticks(to), false, false
}

// resume accounts for the time before the start: from the newest footage, or
// from when the camera was added, until the first frame comes.
func (w *writer) resume(ctx context.Context, added time.Time) error {
	newest, err := w.rec.newestEnd(ctx, w.stream.ID())
	if err != nil {
		return fmt.Errorf("find the newest segment: %w", err)
	}
	if newest.IsZero() {
		if !added.IsZero() {
			w.end = nvr.Ticks(added)
		}
		return nil
	}
	w.end = nvr.Ticks(newest)
	gap := nvr.Gap{Stream: w.stream.ID(), From: newest, Cause: nvr.BoxOff}
	if err := w.rec.gaps.OpenGap(ctx, gap); err != nil {
		return fmt.Errorf("open gap: %w", err)
	}
	w.quiet, w.boot, w.cause = true, true, nvr.BoxOff
	return nil
}

func (w *writer) endTime() time.Time {
	if w.end == 0 {
		return time.Now()
	}
	return nvr.TickTime(w.end)
}

// idle stores what lies in memory when no frames come, and opens a gap when
// none came for a while.
func (w *writer) idle(ctx context.Context) {
	w.deliver(ctx)
	if w.asleep {
		w.rest(ctx)
		return
	}
	state := w.stream.State()
	if w.boot {
		if time.Since(w.began) < bootPatience && !private(state) {
			return
		}
		w.endGap(ctx, w.began)
	}
	if w.seg != nil && !w.frag.empty() && time.Since(w.frag.added) >= idleTick {
		w.frag.close(0)
		w.store(ctx)
		w.flush(ctx)
	}
	since := time.Since(w.frag.pictured)
	if w.frag.pictured.IsZero() || private(state) && since > lastEvent || !state.Up && since > time.Second || since > gapAfter {
		if w.seg != nil {
			w.finish(ctx)
		}
		if b := w.quietBreak(state); b.Cause != nvr.CauseUnknown {
			w.away(ctx, b)
		}
	}
}

// private reports whether a stream stopped for privacy mode, and so at once.
func private(state nvr.StreamState) bool { return !state.Up && state.Down.Cause == nvr.Privacy }

const noPictures = "The camera sends no pictures."

// quietBreak says why a stream sends nothing.
func (w *writer) quietBreak(state nvr.StreamState) nvr.Break {
	if w.quiet && w.RecordingStatus().Cause != nvr.CameraOffline && state.Up {
		return nvr.Break{} // frames come and cannot be stored: that was noted
	}
	if state.Up {
		return nvr.Break{Cause: nvr.CameraOffline, Detail: noPictures}
	}
	if state.Down.Cause == nvr.CauseUnknown {
		return nvr.Break{Cause: nvr.CameraOffline}
	}
	return state.Down
}

func (w *writer) setStatus(s nvr.RecordingStatus) {
	w.mu.Lock()
	old := w.status
	if old.Recording == s.Recording && old.Cause == s.Cause {
		s.Since = old.Since
	}
	w.status = s
	w.mu.Unlock()
	if old.Recording == s.Recording && old.Cause == s.Cause {
		return
	}
	wasWell, well := isWell(old), isWell(s)
	if wasWell && well {
		return // where only motion is kept the rest is no news
	}
	kind := nvr.RecordingDown
	if well {
		kind = nvr.RecordingUp
	}
	w.rec.bus.Publish(nvr.Event{Kind: kind, Source: "recorder", Camera: w.camera, Start: s.Since, Cause: s.Cause, Detail: s.Detail})
}

// isWell reports whether all that is to be kept is.
func isWell(s nvr.RecordingStatus) bool { return s.Recording || s.Waits() }

// RecordingStatus returns whether the stream is being recorded.
func (w *writer) RecordingStatus() nvr.RecordingStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// errNoVault: there is an owner, and yet no key to seal to.
var errNoVault = errors.New("no vault of the day")

// errVaultGone: the vault was replaced while the segment was begun; the next one
// takes another.
var errVaultGone = errors.New("the vault was replaced")

// causeOf turns an error into what the owner is told.
func causeOf(err error) (nvr.Cause, string) {
	switch {
	case errors.Is(err, nvr.ErrNoOwner):
		return nvr.NoOwner, "Finish the set-up: without an owner there is nobody to seal footage to."
	case errors.Is(err, errNoVault):
		return nvr.NoOwner, "An owner must log in: until then there is nobody to seal footage to."
	case errors.Is(err, errKept):
		return nvr.DiskFull, keptDetail
	case isFull(err):
		return nvr.DiskFull, "The disk is full."
	case errors.Is(err, errNoDisk):
		return nvr.DiskGone, "No footage disk can be written."
	case errors.Is(err, nvr.ErrInvalid), errors.Is(err, vault.ErrFormat):
		return nvr.CameraUnfit, "The stream cannot be stored."
	}
	return nvr.DiskGone, "The disk cannot be written."
}
