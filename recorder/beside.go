package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lares/nvr"
	"lares/nvr/vault"
)

// What lies sealed beside the footage: events, their pictures, motion maps.

const (
	// surveyors is how many segments are opened at the same time: opening one is
	// arithmetic and a few reads.
	surveyors = 4
	// surveyBatch is how many are looked at before it is asked for more.
	surveyBatch = 32
	// storedLate is how long after an event ended it may have been stored: it is
	// looked for in segments that lie so much later.
	storedLate = 5 * time.Minute
	// storedEarly is how far a segment may end, by the clock of the pictures,
	// before an event that was stored in it.
	storedEarly = 10 * time.Second
)

// beside is what a segment holds beside the footage.
type beside struct {
	events    []nvr.StoredEvent
	moved     []nvr.MotionSecond
	opened    bool
	forbidden error
}

// isLost reports whether a segment is passed over after this error: it is
// damaged or was deleted meanwhile.
func isLost(err error) bool {
	return errors.Is(err, nvr.ErrCorrupt) || errors.Is(err, nvr.ErrNotFound) || errors.Is(err, nvr.ErrDestroyed)
}

// survey reads what lies beside the footage of segments, in their order: events
// or motion maps, and both where the index does not know how many there are,
// which it is then told. What is damaged is left out. Errors: those of the
// opener, but for nvr.ErrForbidden.
func (l *Library) survey(ctx context.Context, opener nvr.Opener, parts []part, want vault.SlotType) ([]beside, error) {
	all := make([]beside, len(parts))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(surveyors)
	for i, p := range parts {
		group.Go(func() (err error) {
			if groupCtx.Err() != nil {
				return groupCtx.Err()
			}
			all[i], err = l.look(groupCtx, opener, p, want)
			return err
		})
	}
	err := group.Wait()
	l.learn(ctx, parts, all)
	return all, err
}

// look reads what lies beside the footage of one segment.
func (l *Library) look(ctx context.Context, opener nvr.Opener, p part, want vault.SlotType) (found beside, err error) {
	o, err := l.reopen(ctx, opener, p)
	switch {
	case errors.Is(err, nvr.ErrForbidden):
		return beside{forbidden: err}, nil
	case isLost(err):
		l.rec.log.Warn("pass over segment", slog.Any("stream", p.Stream), slog.Any("start", p.Start), slog.Any("err", err))
		return beside{}, nil
	case err != nil:
		return beside{}, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	found.opened = true
	records, err := o.records()
	if err != nil {
		return found, nil //nolint:nilerr // damaged: nothing of it can be read
	}
	for i, r := range records {
		if r.Type != want && o.Activity.Known {
			continue
		}
		switch r.Type {
		case vault.Event:
			if e, err := o.event(records, i); err == nil {
				found.events = append(found.events, e)
			}
		case vault.MotionMap:
			if moved, err := o.motion(r); err == nil {
				found.moved = append(found.moved, moved...)
			}
		}
	}
	found.moved = append(found.moved, o.moved...)
	return found, nil
}

// learn tells the index what it does not know of segments that were opened.
func (l *Library) learn(ctx context.Context, parts []part, all []beside) {
	var news []nvr.Segment
	for i, p := range parts {
		if all[i].opened && !p.Activity.Known {
			p.Activity = nvr.Activity{Known: true, Events: len(all[i].events), Moving: len(all[i].moved)}
			news = append(news, p.Segment)
		}
	}
	if len(news) == 0 {
		return
	}
	if err := l.rec.index.SetActivity(context.WithoutCancel(ctx), news...); err != nil {
		l.rec.log.Warn("note what moved", slog.Any("err", err)) // it is found out again
	}
}

// records lists the records of a segment.
func (o *opened) records() ([]vault.Record, error) {
	if o.isLive {
		return o.written, nil
	}
	return o.Records()
}

// event reads the i-th record.
func (o *opened) event(records []vault.Record, i int) (nvr.StoredEvent, error) {
	raw, err := o.ReadRecord(nil, records[i])
	if err != nil {
		return nvr.StoredEvent{}, err
	}
	e, err := decodeEvent(raw)
	if err != nil {
		return nvr.StoredEvent{}, err
	}
	return nvr.StoredEvent{
		Event: e, Ref: nvr.EventRef{Stream: o.Stream, Start: o.Start, Seq: o.Seq, Slot: records[i].Slot},
		Thumbnail: i+1 < len(records) && records[i+1].Type == vault.Thumbnail,
	}, nil
}

func (o *opened) motion(r vault.Record) ([]nvr.MotionSecond, error) {
	raw, err := o.ReadRecord(nil, r)
	if err != nil {
		return nil, err
	}
	return decodeMotion(raw)
}

// maxEvents bounds what Events returns at once.
const maxEvents = 500

// Events returns the events of streams that ended in [From, To), newest first
// by End. Errors: nvr.ErrInvalid for a limit out of bounds; those of opener,
// nvr.ErrForbidden only where it opens none of the segments that were looked at.
func (l *Library) Events(ctx context.Context, opener nvr.Opener, req nvr.EventRequest) ([]nvr.StoredEvent, error) {
	if req.Limit < 1 || req.Limit > maxEvents {
		return nil, fmt.Errorf("%d events at once: %w", req.Limit, nvr.ErrInvalid)
	}
	s := eventSurvey{lib: l, opener: opener, req: req}
	for _, stream := range req.Streams {
		if err := s.stream(ctx, stream); err != nil {
			return nil, err
		}
	}
	if !s.opened {
		return nil, s.forbidden
	}
	return s.found, nil
}

// eventSurvey collects the newest events of several streams.
type eventSurvey struct {
	lib       *Library
	opener    nvr.Opener
	req       nvr.EventRequest
	found     []nvr.StoredEvent // newest first, at most req.Limit
	opened    bool
	forbidden error
}

// stream adds the events of a stream. It goes back from the newest segment until
// no older one can hold an event that is new enough.
func (s *eventSurvey) stream(ctx context.Context, stream nvr.StreamID) error {
	from, to := s.req.From.Add(-storedEarly), s.req.To.Add(storedLate)
	live := s.lib.rec.live(stream, from, to) // first: see parts
	known := make(map[uint64]bool, len(live))
	for _, p := range live {
		known[p.Seq] = true
	}
	live = slices.DeleteFunc(live, func(p part) bool { return p.Activity.Known && p.Activity.Events == 0 })
	if err := s.add(ctx, live); err != nil {
		return err
	}
	for {
		rows, err := s.lib.rec.index.Eventful(ctx, stream, from, to, surveyBatch)
		if err != nil {
			return fmt.Errorf("list segments with events: %w", err)
		}
		if len(rows) == 0 || s.enough(rows[0].End().Add(storedEarly)) {
			return nil
		}
		var parts []part
		for _, row := range rows {
			if p, ok := s.lib.listed(row); ok && !known[row.Seq] {
				parts = append(parts, p)
			}
			known[row.Seq] = true
		}
		if err := s.add(ctx, parts); err != nil {
			return err
		}
		if len(rows) < surveyBatch {
			return nil
		}
		if to = rows[len(rows)-1].Start; len(parts) > 0 {
			to = to.Add(time.Millisecond) // others may have begun at the same moment
		}
	}
}

// enough reports whether nothing that ended before a time can be wanted.
func (s *eventSurvey) enough(before time.Time) bool {
	return len(s.found) == s.req.Limit && s.found[s.req.Limit-1].End.After(before)
}

// add takes the events in segments.
func (s *eventSurvey) add(ctx context.Context, parts []part) error {
	all, err := s.lib.survey(ctx, s.opener, parts, vault.Event)
	if err != nil {
		return err
	}
	for _, b := range all {
		s.opened = s.opened || b.opened
		if b.forbidden != nil {
			s.forbidden = b.forbidden
		}
		for _, e := range b.events {
			if !e.End.Before(s.req.From) && e.End.Before(s.req.To) {
				s.found = append(s.found, e)
			}
		}
	}
	slices.SortStableFunc(s.found, func(a, b nvr.StoredEvent) int { return b.End.Compare(a.End) })
	s.found = s.found[:min(len(s.found), s.req.Limit)]
	return nil
}

// Thumbnail returns the picture (JPEG) of an event. Errors: nvr.ErrNotFound
// where there is none, nvr.ErrCorrupt, those of opener.
func (l *Library) Thumbnail(ctx context.Context, opener nvr.Opener, ref nvr.EventRef) (jpeg []byte, err error) {
	parts, err := l.parts(ctx, ref.Stream, ref.Start, ref.Start.Add(time.Millisecond))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(parts, func(p part) bool { return p.Seq == ref.Seq && p.Start.Equal(ref.Start) })
	if i < 0 {
		return nil, fmt.Errorf("find the segment of an event: %w", nvr.ErrNotFound)
	}
	o, err := l.reopen(ctx, opener, parts[i])
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	records, err := o.records()
	if err != nil {
		return nil, fmt.Errorf("list events: %w: %w", nvr.ErrCorrupt, err)
	}
	i = slices.IndexFunc(records, func(r vault.Record) bool { return r.Type == vault.Event && r.Slot == ref.Slot })
	if i < 0 || i+1 == len(records) || records[i+1].Type != vault.Thumbnail {
		return nil, fmt.Errorf("find the picture of an event: %w", nvr.ErrNotFound)
	}
	e, err := o.event(records, i)
	if err != nil {
		return nil, fmt.Errorf("read event: %w: %w", nvr.ErrCorrupt, err)
	}
	raw, err := o.ReadRecord(nil, records[i+1])
	if err != nil {
		return nil, fmt.Errorf("read thumbnail: %w: %w", nvr.ErrCorrupt, err)
	}
	return decodeThumbnail(raw, e.ID)
}
