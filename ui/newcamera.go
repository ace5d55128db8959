package ui

import (
	"errors"
	"net/http"
	"strings"

	"lares/nvr"
	"lares/ui/view"
)

func (s *Server) newCameraForm(c *call) error {
	return s.showNewCamera(c, http.StatusOK, view.Form{Values: map[string]string{"maker": makerOther}})
}

func (s *Server) showNewCamera(c *call, status int, form view.Form) error {
	m := view.NewCamera{Form: form, Makers: makerChoices(s.text)}
	return c.render(status, view.NewCameraPage(s.page(c, s.text.T("new.title"), "cameras"), m))
}

// askCamera looks at a camera once and shows what it answers.
func (s *Server) askCamera(c *call) error {
	camera, field, message := s.readCamera(c)
	if message == "" {
		message, field = s.nameTaken(camera.Name, nvr.CameraID{}), "name"
	}
	if message != "" {
		return s.showNewCamera(c, http.StatusUnprocessableEntity, view.Form{Error: message, Field: field, Values: typedCamera(c)})
	}
	report, err := s.cfg.Cameras.Probe(c.r.Context(), camera)
	switch {
	case errors.Is(err, nvr.ErrInvalid):
		form := view.Form{Error: s.text.T("new.bad_address"), Field: "address", Values: typedCamera(c)}
		return s.showNewCamera(c, http.StatusUnprocessableEntity, form)
	case err != nil:
		return err
	}
	return s.showReport(c, camera, report)
}

// showReport keeps what was typed and shows what the camera answered.
func (s *Server) showReport(c *call, camera nvr.Camera, report nvr.ProbeReport) error {
	r := &view.Report{Address: camera.Streams[0].URL, Advice: report.Advice}
	for _, p := range report.Streams {
		v := s.streamView(p.Source, p.Params, p.FrameRate, 0, p.Notes)
		v.URL = "" // it stands above
		r.Streams = append(r.Streams, v)
	}
	if found := found(report); len(found) > 0 {
		camera.Streams, r.Usable = found, true
	}
	if r.Advice == "" && !r.Usable {
		r.Advice = s.text.T(probeText(report.Problem))
	}
	r.Draft = s.asked.add(camera)
	m := view.NewCamera{Report: r}
	return c.render(http.StatusOK, view.NewCameraPage(s.page(c, s.text.T("new.found"), "cameras"), m))
}

// found lists the streams that can be recorded, if the main one can.
func found(r nvr.ProbeReport) []nvr.Source {
	var sources []nvr.Source
	for _, p := range r.Streams {
		if p.Source.Quality == nvr.Quality(len(sources)) {
			sources = append(sources, p.Source)
		}
	}
	return sources
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

// readCamera reads the form. A message says what is wrong with which field.
func (s *Server) readCamera(c *call) (camera nvr.Camera, field, message string) {
	camera.Name = strings.TrimSpace(c.r.PostFormValue("name"))
	if camera.Name == "" {
		return camera, "name", s.text.T("form.missing", "field", s.text.T("new.name"))
	}
	main, ok := parseAddress(c.r.PostFormValue("address"))
	if !ok {
		return camera, "address", s.text.T("new.bad_address")
	}
	mainURL, subURL := main.url, ""
	if !main.path {
		mainPath, subPath := paths(c.r.PostFormValue("maker"))
		if mainPath == "" {
			return camera, "address", s.text.T("new.need_path")
		}
		mainURL = main.withPath(mainPath)
		if subPath != "" {
			subURL = main.withPath(subPath)
		}
	}
	if typed := strings.TrimSpace(c.r.PostFormValue("sub")); typed != "" {
		sub, ok := parseAddress(typed)
		if !ok || !sub.path {
			return camera, "sub", s.text.T("new.bad_sub")
		}
		subURL = sub.url
	}
	camera.Streams = []nvr.Source{{Quality: nvr.Main, URL: mainURL}}
	if subURL != "" {
		camera.Streams = append(camera.Streams, nvr.Source{Quality: nvr.Sub, URL: subURL})
	}
	camera.User, camera.Password = c.r.PostFormValue("user"), nvr.Secret(c.r.PostFormValue("password"))
	if camera.User == "" && camera.Password == "" {
		camera.User, camera.Password = main.user, nvr.Secret(main.password)
	}
	if c.r.PostFormValue("udp") == "yes" {
		camera.Transport = nvr.UDP
	}
	return camera, "", ""
}

// typedCamera is what to show again: everything but passwords.
func typedCamera(c *call) map[string]string {
	values := make(map[string]string)
	for _, name := range []string{"name", "maker", "user", "udp"} {
		values[name] = c.r.PostFormValue(name)
	}
	for _, name := range []string{"address", "sub"} {
		values[name] = c.r.PostFormValue(name)
		if a, ok := parseAddress(values[name]); ok && a.user != "" {
			values[name] = a.url
		}
	}
	return values
}

// nameTaken says so if another camera has the name; else it is empty.
func (s *Server) nameTaken(name string, self nvr.CameraID) string {
	for _, st := range s.cfg.Cameras.List() {
		if st.Camera.ID != self && strings.EqualFold(st.Camera.Name, name) {
			return s.text.T("new.same_name")
		}
	}
	return ""
}

// addCamera keeps the camera that was asked before.
func (s *Server) addCamera(c *call) error {
	token := c.r.PostFormValue("draft")
	camera, ok := s.asked.get(token)
	if !ok {
		form := view.Form{Error: s.text.T("new.expired"), Values: map[string]string{"maker": makerOther}}
		return s.showNewCamera(c, http.StatusUnprocessableEntity, form)
	}
	camera.Inside = c.r.PostFormValue("place") != "outside"
	camera.Audio = c.r.PostFormValue("sound") == "yes"
	added, err := s.cfg.Cameras.Add(c.r.Context(), camera)
	if errors.Is(err, nvr.ErrInvalid) {
		form := view.Form{Error: s.text.T("new.failed"), Values: draftValues(camera)}
		return s.showNewCamera(c, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return err
	}
	s.asked.drop(token)
	s.enterChange(c, logCameraAdded, added.ID)
	return withQuery("/cameras/"+added.ID.String(), "new", "1")
}

// changeCamera goes back to the form.
func (s *Server) changeCamera(c *call) error {
	token := c.r.PostFormValue("draft")
	camera, ok := s.asked.get(token)
	if !ok {
		return redirect("/cameras/new")
	}
	s.asked.drop(token)
	return s.showNewCamera(c, http.StatusOK, view.Form{Values: draftValues(camera)})
}

func draftValues(camera nvr.Camera) map[string]string {
	values := map[string]string{
		"name": camera.Name, "user": camera.User, "maker": makerOther, "address": camera.Streams[0].URL,
	}
	if len(camera.Streams) > 1 {
		values["sub"] = camera.Streams[1].URL
	}
	if camera.Transport == nvr.UDP {
		values["udp"] = "yes"
	}
	return values
}
