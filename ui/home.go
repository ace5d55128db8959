package ui

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// home shows all cameras of whoever asks.
func (s *Server) home(c *call) error {
	notices := ""
	switch n := s.unseen(c); {
	case n == 1:
		notices = s.text.T("home.notice")
	case n > 1:
		notices = s.text.T("home.notices_n", "n", strconv.Itoa(n))
	}
	return c.render(http.StatusOK, view.HomePage(s.wallPage(c), s.tiles(c), notices))
}

// kiosk shows the wall alone.
func (s *Server) kiosk(c *call) error {
	return c.render(http.StatusOK, view.KioskPage(s.wallPage(c), s.tiles(c)))
}

// wallPage is the frame of pages that show all cameras.
func (s *Server) wallPage(c *call) view.Page {
	p, house := s.page(c, s.text.T("home.title"), "cameras"), s.privateView(c, nvr.Camera{})
	p.House, p.Privates = &house, s.privates(c)
	return p
}

// tiles puts the cameras of the wall into words.
func (s *Server) tiles(c *call) []view.Camera {
	var cameras []view.Camera
	for _, st := range s.visible(c) {
		v := s.cameraView(st)
		v.MayReplay = s.authorize(c.r.Context(), c.sess, auth.ActReplay, st.Camera.ID, time.Now()) == nil
		cameras = append(cameras, v)
	}
	return cameras
}

// visible lists the cameras whose live picture the session may see, in order.
func (s *Server) visible(c *call) []nvr.CameraStatus { return s.camerasFor(c, auth.ActLive) }

// camerasFor lists the cameras of which the session may do a now, in order.
func (s *Server) camerasFor(c *call, a auth.Action) []nvr.CameraStatus {
	now := time.Now()
	list := slices.DeleteFunc(slices.Clone(s.cfg.Cameras.List()), func(st nvr.CameraStatus) bool {
		return s.authorize(c.r.Context(), c.sess, a, st.Camera.ID, now) != nil
	})
	slices.SortStableFunc(list, func(a, b nvr.CameraStatus) int {
		return cmp.Or(cmp.Compare(a.Camera.Order, b.Camera.Order), strings.Compare(a.Camera.Name, b.Camera.Name))
	})
	return list
}

// cameraView puts a camera into words.
func (s *Server) cameraView(st nvr.CameraStatus) view.Camera {
	v := view.Camera{
		ID: st.Camera.ID.String(), Name: st.Camera.Name,
		Inside: st.Camera.Inside, Sound: st.Camera.Audio, HasSub: len(st.Camera.Streams) > 1,
	}
	r := s.recording(st.Camera)
	v.Refused = r.Cause == nvr.CameraRefused && !r.Recording
	v.State = view.State{Recording: r.Recording, Starting: starting(st.Camera), Waits: r.Waits(), Private: !r.Recording && r.Cause == nvr.Privacy, Since: r.Since, Cause: s.text.T("cause." + r.Cause.String()), Detail: r.Detail}
	for _, stream := range st.Streams {
		v.Streams = append(v.Streams, s.streamView(stream.Source, stream.Params, stream.FrameRate, stream.BitRate, stream.Notes))
	}
	return v
}

// starting reports whether a camera was added so recently that nothing is
// wrong yet if it sends no picture.
func starting(c nvr.Camera) bool {
	const patience = 15 * time.Second
	age := time.Since(c.Added)
	return age >= 0 && age < patience
}

// recording is the state of the camera's main picture.
func (s *Server) recording(c nvr.Camera) nvr.RecordingStatus {
	if len(c.Streams) == 0 {
		return nvr.RecordingStatus{}
	}
	return s.cfg.Status.Recording(c.Streams[0].Stream)
}

// streamView puts a stream into words: codec, size, pictures a second, bit rate.
func (s *Server) streamView(src nvr.Source, p *nvr.Params, rate, bits float64, notes []string) view.Stream {
	v := view.Stream{Title: s.text.T("new.main"), URL: src.URL, Notes: notes}
	if src.Quality == nvr.Sub {
		v.Title = s.text.T("new.sub_title")
	}
	if p == nil {
		v.Facts = s.text.T("new.fact_none")
		return v
	}
	facts := []string{
		p.Video.String(),
		s.text.T("new.fact_size", "width", strconv.Itoa(p.Width), "height", strconv.Itoa(p.Height)),
	}
	if rate > 0 {
		facts = append(facts, s.text.T("new.fact_rate", "rate", strconv.Itoa(int(rate+0.5))))
	}
	if bits > 0 {
		facts = append(facts, s.text.T("new.fact_bits", "rate", strconv.FormatFloat(bits/1e6, 'f', 1, 64)))
	}
	if p.Audio != nvr.NoCodec {
		facts = append(facts, p.Audio.String())
	}
	v.Facts = strings.Join(facts, ", ")
	return v
}

// status returns what the camera of the request does.
func (s *Server) status(c *call) (nvr.CameraStatus, error) {
	for _, st := range s.cfg.Cameras.List() {
		if st.Camera.ID == c.camera.ID {
			return st, nil
		}
	}
	return nvr.CameraStatus{}, nvr.ErrNotFound
}

// cameraPage shows one camera, live and what was recorded.
func (s *Server) cameraPage(c *call) error {
	st, err := s.status(c)
	if err != nil {
		return err
	}
	p := s.page(c, st.Camera.Name, "cameras")
	v := s.cameraView(st)
	p.Privates, v.Private = s.privates(c), s.privateView(c, st.Camera)
	v.Watched, v.Sound = s.lastWatched(c), v.Sound && s.mayHear(c)
	now := time.Now()
	may := func(a auth.Action) bool { return s.authorize(c.r.Context(), c.sess, a, c.camera.ID, now) == nil }
	v.MayReplay, v.MayExport, v.MayDelete = may(auth.ActReplay), may(auth.ActExport), may(auth.ActDelete)
	var all []string
	for _, other := range s.visible(c) {
		all = append(all, other.Camera.ID.String())
	}
	v.All = strings.Join(all, ",")
	return c.render(http.StatusOK, view.CameraPage(p, v, c.r.URL.Query().Has("new")))
}
