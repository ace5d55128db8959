package homekit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"lares/homekit/guard"
	"lares/nvr"
)

const (
	// stillWithin bounds making a picture: a phone shows a grey tile after some
	// seconds.
	stillWithin = 3 * time.Second
	// triggerFor is how long after motion began a picture is that of its beginning.
	triggerFor = 15 * time.Second
	// series is after how long without a snapshot the next ones are entered in the
	// record of who looked once more.
	series = 10 * time.Minute
	// fresh is how old a picture may be that was made ahead of its request, and
	// ahead how long before a request that is expected it is made: all tiles of a
	// house are asked for at once, and one worker makes their pictures.
	fresh, ahead = 3 * time.Second, 1500 * time.Millisecond
	// usualPoll is how often phones ask while they show tiles; leastPoll and
	// mostPoll bound what is expected.
	usualPoll, leastPoll, mostPoll = 10 * time.Second, 5 * time.Second, 90 * time.Second
	// largest bounds the side of a snapshot, pixels.
	largest = 2048
	// sizes is how many sizes of a picture are kept.
	sizes = 8
)

// Stills makes JPEGs in a media worker. It may be used from any goroutine.
type Stills interface {
	// JPEG decodes frames of a stream, of which the first is a key frame, and
	// returns the last one as a JPEG.
	JPEG(ctx context.Context, stream nvr.StreamID, frames []*nvr.Frame, o nvr.StillOptions) ([]byte, error)
}

// size is the size of a snapshot, pixels.
type size struct{ width, height int }

// still is a JPEG of a key frame.
type still struct {
	frame *nvr.Frame
	made  time.Time
	jpeg  []byte
	done  chan struct{} // closed when jpeg and err are there
	err   error
}

// album is the snapshots of one camera, in memory only.
type album struct {
	mu      sync.Mutex // guards what follows
	made    map[size]*still
	last    []byte // the latest picture, for when the camera is away
	lastAt  time.Time
	trigger []byte // of the last motion's beginning
	moved   time.Time
	seen    map[string]time.Time // controller -> its latest snapshot
	polls   map[size]poll        // of what is prepared
}

func newAlbum() *album {
	return &album{made: make(map[size]*still), seen: make(map[string]time.Time), polls: make(map[size]poll)}
}

// forget forgets all pictures.
func (b *album) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.made)
	b.last, b.trigger = nil, nil
}

// begins reports whether a controller's snapshot begins a series.
func (b *album) begins(controller string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	latest, known := b.seen[controller]
	b.seen[controller] = now
	return !known || now.Sub(latest) > series
}

// ends lets the next snapshot of a controller begin a series.
func (b *album) ends(controller string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.seen, controller)
}

// poll is the rhythm in which pictures of a size are asked for.
type poll struct {
	asked time.Time
	every time.Duration
}

// expect notes a request for a size and reports whether somebody has to prepare
// the next picture from now on.
func (b *album) expect(want size, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, prepared := b.polls[want]
	next := poll{asked: now, every: usualPoll}
	if since := now.Sub(before.asked); since >= leastPoll && since <= mostPoll {
		next.every = since
	}
	if !prepared && len(b.polls) >= sizes {
		return false
	}
	b.polls[want] = next
	return !prepared
}

// next returns when to make a picture ahead of the request that is expected.
func (b *album) next(want size) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.polls[want]
	return p.asked.Add(p.every - ahead)
}

// idle ends the preparing of a size unless it was asked for since at.
func (b *album) idle(want size, at time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.polls[want].asked.After(at) {
		return false
	}
	delete(b.polls, want)
	return true
}

// ready returns a picture that was made a moment ago, nil if there is none.
func (b *album) ready(want size, now time.Time) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one := b.made[want]; one != nil && one.jpeg != nil && now.Sub(one.made) <= fresh {
		return one.jpeg
	}
	return nil
}

// take returns the picture of a key frame in a size; whoever asks at once shares
// one.
func (b *album) take(ctx context.Context, stills Stills, stream *nvr.Stream, key *nvr.Frame, want size) ([]byte, error) {
	b.mu.Lock()
	one := b.made[want]
	mine := one == nil || one.frame != key
	if mine {
		if len(b.made) >= sizes {
			clear(b.made)
		}
		one = &still{frame: key, done: make(chan struct{})}
		b.made[want] = one
	}
	b.mu.Unlock()
	if !mine {
		select {
		case <-one.done:
			return one.jpeg, one.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	jpeg, err := stills.JPEG(ctx, stream.ID(), []*nvr.Frame{key}, nvr.StillOptions{MaxWidth: want.width, MaxHeight: want.height})
	b.mu.Lock()
	defer b.mu.Unlock()
	one.jpeg, one.err, one.made = jpeg, err, time.Now()
	close(one.done)
	switch {
	case b.made[want] != one: // privacy mode came meanwhile, or a newer picture
	case one.err != nil:
		delete(b.made, want)
	default:
		b.last, b.lastAt = one.jpeg, key.Time()
	}
	return one.jpeg, one.err
}

// resource answers the request for a snapshot (HAP specification, 11.5).
func (a *accessory) resource(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Type   string `json:"resource-type"`
		Width  int    `json:"image-width"`
		Height int    `json:"image-height"`
		Reason int    `json:"reason"` // 1: because something happened
	}
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&ask) != nil || ask.Type != "image" || ask.Width < 1 || ask.Height < 1 {
		http.Error(w, "no picture is asked for", http.StatusBadRequest)
		return
	}
	want := size{min(ask.Width, largest), min(ask.Height, largest)}
	jpeg := a.snapshot(r, want, ask.Reason == 1)
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(jpeg)))
	if _, err := w.Write(jpeg); err != nil { //nolint:gosec // a JPEG of ours, said to be one
		a.log.Debug("answer with a snapshot", slog.Any("error", err))
	}
}

// snapshot returns a picture, or a card that says why there is none.
func (a *accessory) snapshot(r *http.Request, want size, event bool) []byte {
	controller := guard.Controller(r)
	switch err := a.mayWatch(r); {
	case errors.Is(err, errPrivate):
		return a.house.card(want, cardPrivate)
	case err != nil, a.store.about().Reach != nvr.ReachAway:
		// A home hub asks for whoever is away in the same words as for whoever is at
		// home.
		return a.house.card(want, cardNeutral)
	}
	album := a.house.album(a.camera)
	if album.begins(controller, time.Now()) {
		if err := a.house.record(r.Context(), controller, Entry{Action: LogSnapshots, Camera: a.camera, Addr: hostOf(r.RemoteAddr)}); err != nil {
			album.ends(controller)
			a.log.Warn("no snapshot", slog.Any("error", err))
			return a.house.card(want, cardNeutral)
		}
	}
	now := time.Now()
	if album.expect(want, now) {
		select {
		case a.starting <- func(ctx context.Context) { a.prepare(ctx, album, want) }:
		default:
			album.idle(want, now)
		}
	}
	if jpeg := album.begun(event, now); jpeg != nil {
		return jpeg
	}
	if jpeg := album.ready(want, now); jpeg != nil {
		return jpeg
	}
	jpeg, err := a.house.newest(r.Context(), a.camera, album, want)
	if err != nil {
		a.log.Info("no snapshot", slog.Any("error", err))
		return a.house.away(album, want)
	}
	return jpeg
}

// prepare makes the pictures for the next requests of a phone that shows tiles,
// until it stops asking. One that cannot be prepared is made when it is asked for.
func (a *accessory) prepare(ctx context.Context, album *album, want size) {
	for {
		at := album.next(want)
		if sleepUntil(ctx, at) != nil {
			return
		}
		if album.next(want).After(at) {
			continue // it was asked for earlier than expected
		}
		if !a.house.isPrivate(a.camera) {
			if _, err := a.house.newest(ctx, a.camera, album, want); err != nil {
				a.log.DebugContext(ctx, "no snapshot ahead", slog.Any("error", err))
			}
		}
		if sleepUntil(ctx, at.Add(2*ahead)) != nil || album.idle(want, at) {
			return
		}
	}
}

// begun returns the picture of the beginning of motion, if it is what somebody
// wants who was told of it a moment ago.
func (b *album) begun(event bool, now time.Time) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	since := now.Sub(b.moved)
	if since > 2*triggerFor {
		b.trigger = nil
	}
	if since > triggerFor && !event {
		return nil
	}
	return b.trigger
}

// newest returns a picture of the newest key frame of a camera, of its smallest
// stream that is as wide as wanted.
func (s *Service) newest(ctx context.Context, camera nvr.CameraID, album *album, want size) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, stillWithin)
	defer cancel()
	stream := s.picked(camera, want)
	if stream == nil {
		return nil, fmt.Errorf("take a picture of the camera: %w", nvr.ErrNotFound)
	}
	key := stream.LastKey()
	if key == nil || !stream.State().Up {
		return nil, fmt.Errorf("take a picture of the camera: %w", nvr.ErrNotFound)
	}
	return album.take(ctx, s.cfg.Stills, stream, key, want)
}

// picked returns the smallest stream that is as wide as wanted, or the largest.
func (s *Service) picked(camera nvr.CameraID, want size) (best *nvr.Stream) {
	width := 0
	for _, st := range s.cfg.Cameras.List() {
		if st.Camera.ID != camera {
			continue
		}
		for _, src := range st.Camera.Streams {
			stream := s.cfg.Cameras.Stream(src.Stream)
			if stream == nil || stream.LastKey() == nil {
				continue
			}
			p := stream.Params()
			if p == nil {
				continue
			}
			if best == nil || width < want.width && p.Width > width || p.Width >= want.width && p.Width < width {
				best, width = stream, p.Width
			}
		}
	}
	return best
}

// begin keeps the picture of the moment at which something began to move: who is
// told of it asks for a picture seconds later, when it is gone.
func (s *Service) begin(ctx context.Context, camera nvr.CameraID, at time.Time) {
	album := s.album(camera)
	want := size{1280, 960}
	stream := s.picked(camera, want)
	if stream == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stillWithin)
	defer cancel()
	frames := framesUntil(stream, time.Now())
	if len(frames) == 0 {
		return
	}
	jpeg, err := s.cfg.Stills.JPEG(ctx, stream.ID(), frames, nvr.StillOptions{MaxWidth: want.width, MaxHeight: want.height})
	if err != nil {
		s.cfg.Log.InfoContext(ctx, "no picture of motion", slog.Any("error", err))
		return
	}
	if s.isPrivate(camera) {
		return
	}
	album.mu.Lock()
	defer album.mu.Unlock()
	album.trigger, album.moved = jpeg, at
}

// framesUntil returns the pictures of a stream from its newest key frame to a
// time.
func framesUntil(stream *nvr.Stream, until time.Time) (frames []*nvr.Frame) {
	r := stream.NewReader(nvr.ReaderOptions{From: until})
	defer r.Close()
	for {
		f, missed, err := r.Poll()
		if err != nil || f == nil || missed > 0 {
			return frames
		}
		if f.Track != nvr.VideoTrack {
			continue
		}
		if f.PTS > nvr.Ticks(until) {
			return frames
		}
		frames = append(frames, f)
	}
}
