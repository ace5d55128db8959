// Package recorder takes the frames of every stream into sealed segment files,
// seals events, their pictures and motion maps beside them, and gives all of it
// back for playback, export, lists of events and motion search.
//
// It owns the footage paths: their identity, their free space, the names of
// files, the tick that makes them durable, recovery after a crash, retention,
// deletion and what is kept as evidence. [Recorder] writes; [Library], which shares its files, reads. The
// recorder holds no key that opens footage: the key of a segment exists in
// memory while the segment is open, and reading one, even the one that is being
// written, goes through the caller's nvr.Opener.
//
// Recorder.Run blocks and owns all goroutines: one for each stream, one for
// each footage path, one for retention and one for the index. All other methods
// may be called from any goroutine while it runs. Only cmd builds a Recorder.
// Whoever detects motion tells it directly (MotionWatched, MotionBlind,
// MotionBegan, MotionEnded, SaveMotion, SaveEvent), not over the bus, which may
// lose news: what is kept depends on it.
//
// The format of the files, what must hold of them and the order of the steps
// that keep it so are in format.md.
package recorder
