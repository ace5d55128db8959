package ui

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"lares/nvr"
	"lares/ui/view"
)

// maxPicture bounds the JPEG that a candidate carries, bytes.
const maxPicture = 1 << 20

// candidate is a camera that was asked and not added yet.
type candidate struct {
	camera  nvr.Camera
	said    nvr.DeviceReport // over ONVIF; empty where it was not asked
	report  nvr.ProbeReport
	picture []byte // JPEG; empty if there is none
	device  string // token of the device that was chosen
	maker   string
	// replace is the camera that it takes the place of; zero if none.
	replace nvr.CameraID
}

// showCandidate keeps what was typed and shows what the camera answered.
func (s *Server) showCandidate(c *call, next candidate) error {
	if found := usable(next.report); len(found) > 0 {
		next.camera.Streams = found
		next.picture = s.testPicture(c.r.Context(), next.report)
	}
	if next.camera.Name = s.proposeName(next); !next.replace.IsZero() {
		next.camera.Name = ""
	}
	token := s.asked.add(next)
	form := view.Form{Values: map[string]string{"name": next.camera.Name}}
	return s.showReport(c, http.StatusOK, token, next, form)
}

func (s *Server) showReport(c *call, status int, token string, next candidate, form view.Form) error {
	r := view.Report{
		Form: form, Draft: token, What: deviceName(next.said.Identity), Address: next.camera.Streams[0].URL,
		Picture: len(next.picture) > 0, Tables: s.advise(next), Usable: len(usable(next.report)) > 0,
	}
	if r.Advice = next.report.Advice; r.Advice == "" && !r.Usable {
		r.Advice = s.text.T(probeText(next.report.Problem))
	}
	if !next.replace.IsZero() {
		old, err := s.cfg.Cameras.Camera(next.replace)
		if err != nil {
			return err
		}
		r.Replace = replaceView(old)
	}
	return c.render(status, view.ReportPage(s.page(c, s.text.T("new.found"), "cameras"), r))
}

// usable lists the streams that can be recorded, if the main one can.
func usable(r nvr.ProbeReport) []nvr.Source {
	var sources []nvr.Source
	for _, p := range r.Streams {
		if p.Source.Quality == nvr.Quality(len(sources)) {
			sources = append(sources, p.Source)
		}
	}
	return sources
}

// testPicture is the newest key frame as a JPEG; nil where none can be made.
func (s *Server) testPicture(ctx context.Context, r nvr.ProbeReport) []byte {
	const patience, width, height = 5 * time.Second, 960, 540
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, p := range r.Streams {
		if p.Key == nil {
			continue
		}
		jpeg, err := s.cfg.Stills.JPEG(ctx, nvr.NewID[nvr.Stream](), []*nvr.Frame{p.Key}, nvr.StillOptions{MaxWidth: width, MaxHeight: height})
		if err == nil && len(jpeg) <= maxPicture {
			return jpeg
		}
		if err != nil {
			s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "no test picture", slog.Any("err", err))
		}
	}
	return nil
}

// draftPicture answers with the test picture of a camera that is being added.
func (s *Server) draftPicture(c *call) error {
	next, ok := s.asked.get(c.r.PathValue("draft"))
	if !ok || len(next.picture) == 0 {
		return nvr.ErrNotFound
	}
	return c.jpeg(next.picture)
}

// proposeName is what the camera calls itself, unless that is taken.
func (s *Server) proposeName(next candidate) string {
	name := next.said.Identity.Model
	if found, ok := s.found.get(next.device); ok && found.Name != "" {
		name = found.Name
	}
	if s.nameTaken(name, nvr.CameraID{}) != "" {
		return ""
	}
	return name
}

func probeText(cause nvr.Cause) string {
	switch cause {
	case nvr.CameraRefused:
		return "new.refused"
	case nvr.CameraUnfit:
		return "new.unfit"
	default:
		return "new.unreachable"
	}
}

// addCamera keeps the camera that was asked before.
func (s *Server) addCamera(c *call) error {
	token := c.r.PostFormValue("draft")
	next, ok := s.asked.get(token)
	if !ok || len(usable(next.report)) == 0 {
		m := view.NewCamera{Form: view.Form{Error: s.text.T("new.expired"), Values: map[string]string{"maker": makerOther}}}
		return s.showNewCamera(c, http.StatusUnprocessableEntity, m, nvr.Camera{})
	}
	if !next.replace.IsZero() {
		return s.replaceCamera(c, token, next)
	}
	camera := next.camera
	camera.Name = strings.TrimSpace(c.r.PostFormValue("name"))
	camera.Inside = c.r.PostFormValue("place") != "outside"
	camera.Audio = c.r.PostFormValue("sound") == "yes"
	form := view.Form{Field: "name", Values: map[string]string{
		"name": camera.Name, "place": c.r.PostFormValue("place"), "sound": c.r.PostFormValue("sound"),
	}}
	if form.Error = s.nameTaken(camera.Name, nvr.CameraID{}); camera.Name == "" {
		form.Error = s.text.T("form.missing", "field", s.text.T("new.name"))
	}
	var added nvr.Camera
	var err error
	if form.Error == "" {
		if added, err = s.cfg.Cameras.Add(c.r.Context(), camera); errors.Is(err, nvr.ErrInvalid) {
			form.Error = s.text.T("new.failed")
		}
	}
	if form.Error != "" {
		return s.showReport(c, http.StatusUnprocessableEntity, token, next, form)
	}
	if err != nil {
		return err
	}
	s.asked.drop(token)
	s.enterChange(c, logCameraAdded, added.ID)
	return withQuery("/cameras/"+added.ID.String(), "new", "1")
}

// replaceCamera puts the candidate in the place of another camera, whose name,
// rights, zones and recordings stay.
func (s *Server) replaceCamera(c *call, token string, next candidate) error {
	camera, err := s.cfg.Cameras.Camera(next.replace)
	if err != nil {
		return err
	}
	c.camera = camera
	streams := next.camera.Streams
	for i := range streams {
		if i < len(camera.Streams) {
			streams[i].Stream = camera.Streams[i].Stream
		}
	}
	camera.Streams, camera.Identity = streams, next.camera.Identity
	camera.User, camera.Password, camera.Transport = next.camera.User, next.camera.Password, next.camera.Transport
	if _, err := s.cfg.Control.Replace(c.r.Context(), camera); err != nil {
		return err
	}
	s.asked.drop(token)
	s.enterChange(c, logCameraReplaced, camera.ID)
	return withQuery("/cameras/"+camera.ID.String(), "done", "replaced")
}

// changeCamera goes back to the form.
func (s *Server) changeCamera(c *call) error {
	token := c.r.PostFormValue("draft")
	next, ok := s.asked.get(token)
	if !ok {
		return redirect("/cameras/new")
	}
	s.asked.drop(token)
	m := view.NewCamera{Form: view.Form{Values: draftValues(next)}}
	if found, ok := s.found.get(next.device); ok {
		m.Device = s.foundView(found, next.device)
	}
	var old nvr.Camera
	if !next.replace.IsZero() {
		var err error
		if old, err = s.cfg.Cameras.Camera(next.replace); err != nil {
			return err
		}
	}
	return s.showNewCamera(c, http.StatusOK, m, old)
}

func draftValues(next candidate) map[string]string {
	camera := next.camera
	values := map[string]string{"user": camera.User, "maker": makerOther, "address": camera.Streams[0].URL}
	if len(camera.Streams) > 1 {
		values["sub"] = camera.Streams[1].URL
	}
	if camera.Transport == nvr.UDP {
		values["udp"] = "yes"
	}
	return values
}
