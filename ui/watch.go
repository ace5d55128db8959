package ui

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/live"
)

// maxWhat bounds the id that a player chooses for itself.
const maxWhat = 64

// live streams the picture of now.
func (s *Server) live(c *call) error {
	src, err := c.source()
	if err != nil {
		return err
	}
	window := s.cfg.Control.Stream(src.Stream)
	if window == nil {
		return nvr.ErrNotFound
	}
	sound := c.r.URL.Query().Get("sound") == "1"
	if sound {
		if err := s.allow(c, auth.ActAudio, time.Now()); err != nil {
			return err
		}
	}
	return live.Send(c.r.Context(), c.w, window, live.Options{
		Sound: sound,
		Begin: func() error { return s.enterLive(c) },
	})
}

// enterLive makes the entry before the first picture. An owner may look at
// what happens now even if it can be written nowhere; it is entered later.
func (s *Server) enterLive(c *call) error {
	err := s.enter(c, auth.Entry{Action: auth.LogLive}, c.r.URL.Query().Get("view"))
	if errors.Is(err, nvr.ErrLogUnavailable) && c.sess.Role() == nvr.Owner {
		return nil
	}
	return err
}

// enter records one look before the first byte of it, at the camera of the
// request unless e names another. what is the id that the player gave itself;
// without one each request is a look of its own.
func (s *Server) enter(c *call, e auth.Entry, what string) error {
	if len(what) > maxWhat {
		return nvr.ErrInvalid
	}
	if e.Camera.IsZero() {
		e.Camera = c.camera.ID
	}
	e.Session, e.Addr = c.sess, c.addr()
	l := look{session: c.sess.ID(), camera: e.Camera, action: e.Action, what: what}
	return s.entered.once(l, func() error { return s.cfg.Auth.Record(c.r.Context(), e) })
}

// footage checks a request for recorded footage: what, when, whether the session
// may, and with sound or without.
func (s *Server) footage(c *call, longest time.Duration) (nvr.MediaRequest, error) {
	src, err := c.source()
	if err != nil {
		return nvr.MediaRequest{}, err
	}
	from, to, err := c.span(longest)
	if err != nil {
		return nvr.MediaRequest{}, err
	}
	if err := s.allowSpan(c, c.route.action, from, to); err != nil {
		return nvr.MediaRequest{}, err
	}
	return nvr.MediaRequest{Stream: src.Stream, From: from, To: to, Sound: s.mayHear(c)}, nil
}

// enterPlayback makes the entry of footage that is played.
func (s *Server) enterPlayback(c *call, req nvr.MediaRequest) error {
	return s.enter(c, auth.Entry{Action: auth.LogPlayback, From: req.From, To: req.To}, c.r.URL.Query().Get("play"))
}

// mayHear reports whether the session may have the sound of the camera's
// footage. Init segment and fragments have to agree, so it does not depend on
// the span that is asked for.
func (s *Server) mayHear(c *call) bool { return s.allow(c, auth.ActAudio, c.moment()) == nil }

// allowSpan asks for both ends of a span of footage.
func (s *Server) allowSpan(c *call, a auth.Action, from, to time.Time) error {
	if err := s.allow(c, a, from); err != nil {
		return err
	}
	return s.allow(c, a, to.Add(-time.Millisecond))
}

type gapJSON struct {
	From   int64  `json:"from"`
	To     int64  `json:"to"` // 0 while it lasts
	Cause  string `json:"cause"`
	Detail string `json:"detail,omitempty"`
}

func describeGap(g nvr.Gap) gapJSON {
	return gapJSON{From: millis(g.From), To: millis(g.To), Cause: g.Cause.String(), Detail: g.Detail}
}

// lineOf looks up a time line; where somebody deleted footage it says who, to
// those who may know the people of the house.
func (s *Server) lineOf(c *call, stream nvr.StreamID, span nvr.Span) (nvr.Timeline, error) {
	line, err := s.cfg.Recordings.Timeline(c.r.Context(), stream, span.From, span.To)
	if err != nil || !slices.ContainsFunc(line.Gaps, func(g nvr.Gap) bool { return g.Cause == nvr.Deleted }) {
		return line, err
	}
	names, err := s.cfg.Auth.Names(c.r.Context(), c.sess)
	if err != nil && !errors.Is(err, nvr.ErrForbidden) {
		return line, err
	}
	for i, g := range line.Gaps {
		if g.Cause == nvr.Deleted {
			id, _ := nvr.ParseID[nvr.Principal](g.Detail) // of nobody: no name
			line.Gaps[i].Detail = names[id]
		}
	}
	return line, nil
}

// timeline answers with what there is and is not in a span.
func (s *Server) timeline(c *call) error {
	src, err := c.source()
	if err != nil {
		return err
	}
	from, to, err := c.span(maxTimeline)
	if err != nil {
		return err
	}
	if err := s.allowSpan(c, auth.ActReplay, from, to); err != nil {
		return err
	}
	t, err := s.lineOf(c, src.Stream, nvr.Span{From: from, To: to})
	if err != nil {
		return err
	}
	answer := struct {
		Version int        `json:"version"`
		From    int64      `json:"from"`
		To      int64      `json:"to"`
		Spans   [][2]int64 `json:"spans"`
		Gaps    []gapJSON  `json:"gaps"`
	}{Version: apiVersion, From: millis(from), To: millis(to), Spans: [][2]int64{}, Gaps: []gapJSON{}}
	for _, span := range t.Spans {
		answer.Spans = append(answer.Spans, [2]int64{millis(span.From), millis(span.To)})
	}
	for _, g := range t.Gaps {
		answer.Gaps = append(answer.Gaps, describeGap(g))
	}
	return c.json(http.StatusOK, answer)
}

type initJSON struct {
	Segment string `json:"segment"`
	Codecs  string `json:"codecs"`
	Width   int    `json:"width"`
	Height  int    `json:"height"`
}

// playIndex answers with the fragments of a span: time and duration in ticks
// of 1/90000 s, size, size of the key frame, place of the init segment.
func (s *Server) playIndex(c *call) error {
	req, err := s.footage(c, maxIndex)
	if err != nil {
		return err
	}
	if err := s.enterPlayback(c, req); err != nil {
		return err
	}
	index, err := s.cfg.Recordings.Index(c.r.Context(), c.sess, req)
	if err != nil {
		return err
	}
	answer := struct {
		Version int        `json:"version"`
		Inits   []initJSON `json:"inits"`
		Parts   [][5]int64 `json:"parts"`
	}{Version: apiVersion, Inits: []initJSON{}, Parts: [][5]int64{}}
	for _, i := range index.Inits {
		answer.Inits = append(answer.Inits, initJSON{Segment: i.Segment.String(), Codecs: i.Codecs, Width: i.Width, Height: i.Height})
	}
	for _, p := range index.Parts {
		answer.Parts = append(answer.Parts, [5]int64{p.Time, p.Duration, int64(p.Bytes), int64(p.KeyBytes), int64(p.Init)})
	}
	return c.json(http.StatusOK, answer)
}

// playInit answers with the init segment that fragments need.
func (s *Server) playInit(c *call) error {
	src, err := c.source()
	if err != nil {
		return err
	}
	id, err := nvr.ParseID[nvr.Segment](c.r.PathValue("segment"))
	if err != nil {
		return nvr.ErrNotFound
	}
	if err := s.enter(c, auth.Entry{Action: auth.LogPlayback}, c.r.URL.Query().Get("play")); err != nil {
		return err
	}
	b, err := s.cfg.Recordings.Init(c.r.Context(), c.sess, src.Stream, id, s.mayHear(c))
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "video/mp4")
	_, _ = c.w.Write(b) // a client that left is not our problem
	return nil
}

// playMedia answers with fragments, decrypted while they are read.
func (s *Server) playMedia(c *call) error {
	req, err := s.footage(c, maxMedia)
	if err != nil {
		return err
	}
	if err := s.enterPlayback(c, req); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "video/mp4")
	req.KeysOnly = c.r.URL.Query().Get("keys") == "1"
	return s.cfg.Recordings.Media(c.r.Context(), c.sess, req, c.w)
}

// export answers with an mp4 file. A download in several ranges is one entry.
func (s *Server) export(c *call) error {
	req, err := s.footage(c, maxExport)
	if err != nil {
		return err
	}
	what := req.Stream.String()[:8] + req.From.Format(time.RFC3339Nano) + req.To.Format("150405.000")
	if err := s.enter(c, auth.Entry{Action: auth.LogExport, From: req.From, To: req.To}, what); err != nil {
		return err
	}
	clip, err := s.cfg.Recordings.Export(c.r.Context(), c.sess, req)
	if err != nil {
		return err
	}
	h := c.w.Header()
	h.Set("Content-Type", "video/mp4")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": clipName(c.camera.Name, clip.From)}))
	http.ServeContent(c.w, c.r, "clip.mp4", time.Time{}, clip)
	return clip.Close()
}

// clipName is the name of a file that every system takes.
func clipName(camera string, from time.Time) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '-'
		}
		return r
	}, camera)
	return clean + " " + from.UTC().Format("2006-01-02 15.04.05") + " UTC.mp4"
}
