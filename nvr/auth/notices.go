package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lares/nvr"
)

// What notices tell.
const (
	NoticeMany      = "many-views"     // many clips in an hour
	NoticeExports   = "many-exports"   // many files in an hour
	NoticeNight     = "night"          // the first time in 30 days that somebody watches at night
	NoticeNewDevice = "new-device"     // a login with a device that is not known
	NoticeJoined    = "joined"         // somebody used an invitation
	NoticeGuesses   = "failed-guesses" // many wrong passwords for a person
	nightFrom       = 23               // o'clock, local time
	nightTo         = 6                //
	forgetNight     = 30 * 24 * time.Hour
	// manyViews and manyExports in an hour, manyGuesses in a day, are told, once in
	// quietFor.
	manyViews   = 100
	manyExports = 10
	manyGuesses = 10
	quietFor    = 12 * time.Hour
	// maxWatched bounds the people that are counted.
	maxWatched = 256
	// maxKnown bounds the devices of a person that are known.
	maxKnown = 32
)

// habits counts what each person does, from the entries of the log as they are
// recorded.
type habits struct {
	mu     sync.Mutex // guards what follows
	people map[nvr.PrincipalID]*habit
	night  map[nvr.PrincipalID]time.Time // when they watched at night last
}

// forget begins with a new household.
func (h *habits) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.people)
	clear(h.night)
}

// habit is what one person did lately.
type habit struct {
	views, exports, guesses window
	told                    map[string]time.Time
	last                    time.Time
}

// window counts events within a span, in bounded memory.
type window struct{ times []time.Time }

// add counts an event and returns how many there were in the span, at most most.
func (w *window) add(now time.Time, span time.Duration, most int) int {
	w.times = slices.DeleteFunc(w.times, func(t time.Time) bool { return now.Sub(t) >= span || t.After(now) })
	w.times = append(w.times, now)
	if len(w.times) > most {
		w.times = slices.Delete(w.times, 0, len(w.times)-most)
	}
	return len(w.times)
}

func newHabits() *habits {
	return &habits{people: make(map[nvr.PrincipalID]*habit), night: make(map[nvr.PrincipalID]time.Time)}
}

// saw counts an entry and returns what is worth a notice.
func (h *habits) saw(e nvr.LogEntry) []nvr.Notice {
	if e.Principal.IsZero() {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.personLocked(e.Principal, e.Time)
	var kinds []nvr.Notice
	tell := func(kind string, n int) {
		if since := e.Time.Sub(p.told[kind]); since >= 0 && since < quietFor {
			return
		}
		p.told[kind] = e.Time
		kinds = append(kinds, nvr.Notice{Time: e.Time, Kind: kind, Principal: e.Principal, Camera: e.Camera, Count: n})
	}
	switch e.Action {
	case LogPlayback:
		if p.views.add(e.Time, time.Hour, manyViews) >= manyViews {
			tell(NoticeMany, manyViews)
		}
	case LogExport, LogLink:
		if p.exports.add(e.Time, time.Hour, manyExports) >= manyExports {
			tell(NoticeExports, manyExports)
		}
	case LogLoginFailed:
		if p.guesses.add(e.Time, 24*time.Hour, manyGuesses) >= manyGuesses {
			tell(NoticeGuesses, manyGuesses)
		}
	}
	if slices.Contains(looking(), e.Action) && isNight(e.Time) {
		if since := e.Time.Sub(h.night[e.Principal]); since < 0 || since >= forgetNight {
			tell(NoticeNight, 1)
		}
		h.night[e.Principal] = e.Time
	}
	return kinds
}

// looking lists the actions that show somebody pictures.
func looking() []string { return []string{LogLive, LogPlayback, LogExport} }

func isNight(t time.Time) bool {
	hour := t.Local().Hour()
	return hour >= nightFrom || hour < nightTo
}

func (h *habits) personLocked(id nvr.PrincipalID, now time.Time) *habit {
	p, ok := h.people[id]
	if !ok {
		if len(h.people) >= maxWatched {
			h.forgetOldestLocked()
		}
		p = &habit{told: make(map[string]time.Time)}
		h.people[id] = p
	}
	p.last = now
	return p
}

func (h *habits) forgetOldestLocked() {
	var oldest nvr.PrincipalID
	for id, p := range h.people {
		if oldest.IsZero() || p.last.Before(h.people[oldest].last) {
			oldest = id
		}
	}
	delete(h.people, oldest)
	delete(h.night, oldest)
}

// loadNotices takes over what earlier runs told, so that a restart does not tell
// it again.
func (s *Service) loadNotices(ctx context.Context) error {
	told, err := s.store.Notices(ctx, maxLines)
	if err != nil {
		return fmt.Errorf("read notices: %w", err)
	}
	h := s.habits
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range slices.Backward(told) { // oldest first
		if n.Principal.IsZero() {
			continue
		}
		h.personLocked(n.Principal, n.Time).told[n.Kind] = n.Time
		if n.Kind == NoticeNight {
			h.night[n.Principal] = n.Time
		}
	}
	return nil
}

// watch looks at an entry that was recorded.
func (s *Service) watch(ctx context.Context, e nvr.LogEntry) {
	for _, n := range s.habits.saw(e) {
		s.notice(ctx, n)
	}
}

func (s *Service) notice(ctx context.Context, n nvr.Notice) {
	if n.Time.IsZero() {
		n.Time = time.Now().UTC().Truncate(time.Millisecond)
	}
	if err := s.store.AddNotice(context.WithoutCancel(ctx), n); err != nil {
		s.log.WarnContext(ctx, "cannot store a notice", slog.String("kind", n.Kind), slog.Any("error", err))
	}
}

// Notices lists up to limit notices (at most 1000), newest first: owners see all,
// others those about themselves. Errors: nvr.ErrForbidden, ErrNoSession.
func (s *Service) Notices(ctx context.Context, sess *Session, limit int) ([]nvr.Notice, error) {
	if err := s.Authorize(ctx, sess, ActAccount, nvr.CameraID{}, time.Now()); err != nil {
		return nil, err
	}
	all, err := s.store.Notices(ctx, maxLines)
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	owner := sess.Role() == nvr.Owner
	all = slices.DeleteFunc(all, func(n nvr.Notice) bool { return !owner && n.Principal != sess.id })
	return all[:min(len(all), max(limit, 0))], nil
}

// Watched says who looked at a camera last, and how.
type Watched struct {
	Time      time.Time
	Principal nvr.PrincipalID // a person or a link
	Name      string          // empty for a link that is over
	Action    string
}

// LastWatched returns who looked at a camera last: live, recordings or a saved
// file. ok is false when nobody has. Errors: nvr.ErrForbidden, ErrNoSession.
func (s *Service) LastWatched(ctx context.Context, sess *Session, camera nvr.CameraID) (w Watched, ok bool, err error) {
	if err := s.Authorize(ctx, sess, ActStatus, camera, time.Now()); err != nil {
		return Watched{}, false, err
	}
	e, err := s.store.LastLog(ctx, camera, looking()...)
	if errors.Is(err, nvr.ErrNotFound) {
		return Watched{}, false, nil
	}
	if err != nil {
		return Watched{}, false, fmt.Errorf("read who looked last: %w", err)
	}
	w = Watched{Time: e.Time, Principal: e.Principal, Action: e.Action}
	if p, err := s.principal(ctx, e.Principal); err == nil {
		w.Name = p.Name
	} else if l, err := s.findLink(ctx, e.Principal); err == nil {
		w.Name = l.Label
	}
	return w, true, nil
}
