package watch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"lares/nvr"
)

const (
	// thumbnailWidth and thumbnailHeight bound the picture of an event.
	thumbnailWidth, thumbnailHeight = 640, 480
	// saveWithin bounds making and storing one event: where nothing is being
	// recorded at the moment, the store waits for the next segment.
	saveWithin = 150 * time.Second
	// saverQueue is how many events may wait to be stored, beside those that
	// are being stored.
	saverQueue, savedAtOnce = 16, 16
)

// finished is an event that is over, with what its picture is made of: the
// frames from a key frame to the picture, nil where there are none.
type finished struct {
	event  nvr.Event
	stream nvr.StreamID
	frames []*nvr.Frame
}

// saver stores events beside the watchers, so that a slow disk or decoder holds
// up nobody who looks.
type saver struct {
	stills Stills
	store  Store
	log    *slog.Logger
	queue  chan finished
}

func newSaver(stills Stills, store Store, log *slog.Logger) *saver {
	return &saver{stills: stills, store: store, log: log, queue: make(chan finished, saverQueue)}
}

// save takes an event. If too many wait, its picture is left out: that is what
// takes the time and the memory.
func (s *saver) save(f finished) {
	if len(s.queue) > saverQueue/2 {
		f.frames = nil
	}
	select {
	case s.queue <- f:
	default:
		s.log.Warn("event lost: too many wait to be stored", slog.Any("camera", f.event.Camera))
	}
}

// close ends run after what is in the queue. Nobody may call save any more.
func (s *saver) close() { close(s.queue) }

// run stores events until close. The end of ctx cuts short what is being stored.
func (s *saver) run(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(savedAtOnce)
	for f := range s.queue {
		group.Go(func() error {
			s.one(ctx, f)
			return nil
		})
	}
	return group.Wait()
}

func (s *saver) one(ctx context.Context, f finished) {
	ctx, cancel := context.WithTimeout(ctx, saveWithin)
	defer cancel()
	var jpeg []byte
	if len(f.frames) > 0 {
		var err error
		o := nvr.StillOptions{MaxWidth: thumbnailWidth, MaxHeight: thumbnailHeight, Crop: around(f.event.Box)}
		if jpeg, err = s.stills.JPEG(ctx, f.stream, f.frames, o); err != nil {
			s.log.Warn("make the picture of an event", slog.Any("camera", f.event.Camera), slog.Any("err", err))
		}
	}
	if err := s.store.SaveEvent(ctx, f.event, jpeg); err != nil {
		level := slog.LevelError
		if errors.Is(err, nvr.ErrNoOwner) || errors.Is(err, nvr.ErrNotFound) {
			level = slog.LevelInfo // nothing is recorded: there is nothing that the event could lie beside
		}
		s.log.Log(ctx, level, "store an event", slog.Any("camera", f.event.Camera), slog.Any("err", err))
	}
}

// around returns the part of the picture that a thumbnail shows: the box with
// room around it, at least half of the picture each way, so that one sees where
// it was.
func around(b nvr.Box) nvr.Box {
	if b.W <= 0 || b.H <= 0 {
		return nvr.Box{}
	}
	const least = 0.5
	side := min(1, max(least, 1.6*b.W, 1.6*b.H))
	x := min(max(0, b.X+b.W/2-side/2), 1-side)
	y := min(max(0, b.Y+b.H/2-side/2), 1-side)
	return nvr.Box{X: x, Y: y, W: side, H: side}
}
