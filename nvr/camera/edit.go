package camera

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lares/nvr"
)

// Add stores a new camera and begins to pull it. Ids and the time are given
// here, whatever c says. The error, which wraps nvr.ErrInvalid where c is at
// fault, says in plain words what to change; nvr.ErrPrivate: one with this address
// is private.
func (f *Fleet) Add(ctx context.Context, c nvr.Camera) (nvr.Camera, error) {
	f.edit.Lock()
	defer f.edit.Unlock()
	if err := f.loadLocked(ctx); err != nil {
		return nvr.Camera{}, err
	}
	c.ID, c.Added = nvr.NewID[nvr.Camera](), time.Now().UTC()
	c.Streams = slices.Clone(c.Streams)
	for i := range c.Streams {
		c.Streams[i].Stream = nvr.NewID[nvr.Stream]()
	}
	c, err := f.check(c)
	if err != nil {
		return nvr.Camera{}, err
	}
	if !f.Private(nvr.CameraID{}).On { // else the new one is private as well
		if err := f.besidePrivate(c); err != nil {
			return nvr.Camera{}, err
		}
	}
	if err := f.cfg.Store.SaveCamera(ctx, c); err != nil {
		return nvr.Camera{}, fmt.Errorf("store camera: %w", err)
	}
	f.change(ctx, func() { f.entries[c.ID] = f.newEntry(c) }) // the house may be private
	f.wake()
	f.changed(c.ID)
	return c, nil
}

// Update changes the settings of a camera. Streams that keep their id keep
// their window and are recorded on; a stream without an id is new. An address
// that changed loses its pinned certificate. Errors: nvr.ErrNotFound,
// nvr.ErrInvalid in plain words.
func (f *Fleet) Update(ctx context.Context, c nvr.Camera) (nvr.Camera, error) {
	f.edit.Lock()
	defer f.edit.Unlock()
	if err := f.loadLocked(ctx); err != nil {
		return nvr.Camera{}, err
	}
	old, err := f.Camera(c.ID)
	if err != nil {
		return nvr.Camera{}, err
	}
	c.Added = old.Added
	c.Streams = slices.Clone(c.Streams)
	for i := range c.Streams {
		source := &c.Streams[i]
		if source.Stream.IsZero() {
			source.Stream = nvr.NewID[nvr.Stream]()
			continue
		}
		j := slices.IndexFunc(old.Streams, func(o nvr.Source) bool { return o.Stream == source.Stream })
		if j < 0 {
			return nvr.Camera{}, fmt.Errorf("stream %s of the camera: %w", source.Stream, nvr.ErrNotFound)
		}
		if old.Streams[j].URL == source.URL {
			source.Pin = old.Streams[j].Pin
		} else {
			source.Pin = nil
		}
	}
	if c, err = f.check(c); err != nil {
		return nvr.Camera{}, err
	}
	if err := f.cfg.Store.SaveCamera(ctx, c); err != nil {
		return nvr.Camera{}, fmt.Errorf("store camera: %w", err)
	}
	if sameConnection(old, c) {
		f.change(ctx, func() { f.entries[c.ID].camera = c }) // the plan may mean it now, or no longer
	} else {
		f.replace(ctx, c)
	}
	f.changed(c.ID)
	return c, nil
}

// sameConnection reports whether a camera is pulled in the same way: to connect
// anew costs a second of footage.
func sameConnection(a, b nvr.Camera) bool {
	return a.Disabled == b.Disabled && a.Audio == b.Audio && a.Transport == b.Transport && a.User == b.User && a.Password == b.Password &&
		slices.EqualFunc(a.Streams, b.Streams, func(x, y nvr.Source) bool {
			return x.Stream == y.Stream && x.Quality == y.Quality && x.URL == y.URL && slices.Equal(x.Pin, y.Pin)
		})
}

// replace puts new settings in place: the old supervisor ends first, because
// feeds belong to one supervisor at a time.
func (f *Fleet) replace(ctx context.Context, c nvr.Camera) {
	e := f.hold(c.ID)
	fresh := f.newEntry(c)
	var gone []*Feed
	for _, feed := range e.feeds {
		i := slices.IndexFunc(c.Streams, func(s nvr.Source) bool { return s.Stream == feed.stream.ID() })
		if i < 0 {
			gone = append(gone, feed)
			continue
		}
		fresh.feeds[i] = feed
		if c.Disabled {
			feed.down(time.Now(), nvr.CameraSwitchedOff, "")
		}
	}
	f.change(ctx, func() {
		if fresh.private = e.private; e.blind {
			fresh.shut(time.Now())
		}
		f.entries[c.ID] = fresh
	})
	forget(gone)
	f.wake()
}

// hold stops the supervisor of a camera and keeps Run from starting another.
func (f *Fleet) hold(id nvr.CameraID) *entry {
	f.mu.Lock()
	e := f.entries[id]
	e.held = true
	running := e.task
	f.mu.Unlock()
	running.stop()
	return e
}

func forget(feeds []*Feed) {
	for _, feed := range feeds {
		feed.stream.Clear()
		feed.stream.Close()
	}
}

// Remove ends a camera and forgets it. What was recorded is not its business.
// Errors: nvr.ErrNotFound.
func (f *Fleet) Remove(ctx context.Context, id nvr.CameraID) error {
	f.edit.Lock()
	defer f.edit.Unlock()
	if err := f.loadLocked(ctx); err != nil {
		return err
	}
	if _, err := f.Camera(id); err != nil {
		return err
	}
	if err := f.cfg.Store.RemoveCamera(ctx, id); err != nil {
		return fmt.Errorf("remove camera: %w", err)
	}
	e := f.hold(id)
	f.mu.Lock()
	delete(f.entries, id)
	f.privacy.forget(id)
	f.mu.Unlock()
	forget(e.feeds)
	f.changed(id)
	return nil
}

func (f *Fleet) changed(id nvr.CameraID) {
	f.cfg.Bus.Publish(nvr.Event{
		ID: nvr.NewID[nvr.Event](), Kind: nvr.CameraChanged, Source: "camera", Camera: id, Start: time.Now(),
	})
}

// check brings the settings into order or says what is wrong with them.
func (f *Fleet) check(c nvr.Camera) (nvr.Camera, error) {
	bad := func(words string) (nvr.Camera, error) {
		return nvr.Camera{}, fmt.Errorf("%s: %w", words, nvr.ErrInvalid)
	}
	c.Name = strings.TrimSpace(c.Name)
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case c.Name == "":
		return bad("give the camera a name")
	case len(c.Name) > maxName || !utf8.ValidString(c.Name) || strings.ContainsFunc(c.Name, unprintable):
		return bad("this name is too long or has characters that cannot be shown")
	case c.RetentionDays < 0 || c.RetentionDays > maxRetentionDays:
		return bad("footage can be kept for 1 to 3650 days")
	case c.Transport != nvr.TCP && c.Transport != nvr.UDP:
		return bad("the transport must be TCP or UDP")
	case strings.ContainsRune(c.User, ':'):
		return bad("a user name cannot have a colon in it")
	}
	if err := checkSources(c.Streams); err != nil {
		return nvr.Camera{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.entries[c.ID] == nil && len(f.entries) >= maxCameras {
		return bad("more cameras than Lares can hold")
	}
	for id, e := range f.entries {
		if id != c.ID && strings.EqualFold(e.camera.Name, c.Name) {
			return bad("there is a camera with this name already; choose another one")
		}
	}
	return c, nil
}

// checkSources wants the main stream and at most one small one after it.
func checkSources(sources []nvr.Source) error {
	if len(sources) == 0 || len(sources) > 2 {
		return fmt.Errorf("a camera has one or two streams: %w", nvr.ErrInvalid)
	}
	for i, source := range sources {
		if source.Quality != nvr.Quality(i) {
			return fmt.Errorf("the main stream comes first, the small one second: %w", nvr.ErrInvalid)
		}
		if err := CheckURL(source.URL); err != nil {
			return fmt.Errorf("%v stream: %w", source.Quality, err)
		}
	}
	return nil
}
