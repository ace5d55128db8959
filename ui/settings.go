package ui

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

func (s *Server) settingsForm(c *call) error {
	return s.showSettings(c, http.StatusOK, c.camera, view.Form{})
}

// showSettings shows the form with what is in the camera given, which may not
// be saved yet.
func (s *Server) showSettings(c *call, status int, camera nvr.Camera, form view.Form) error {
	st, err := s.status(c)
	if err != nil {
		return err
	}
	motion, err := s.motionView(camera)
	if err != nil {
		return err
	}
	form.Values = map[string]string{"name": camera.Name, "user": camera.User}
	m := view.Settings{Form: form, Camera: s.cameraView(st), Days: s.days(st.Camera), Motion: motion}
	m.Camera.Inside, m.Camera.Sound = camera.Inside, camera.Audio
	return c.render(status, view.SettingsPage(s.page(c, s.text.T("settings.title"), "cameras"), m))
}

func (s *Server) saveSettings(c *call) error {
	camera := c.camera
	camera.Streams = slices.Clone(camera.Streams)
	camera.Name = strings.TrimSpace(c.r.PostFormValue("name"))
	camera.Inside = c.r.PostFormValue("place") != "outside"
	camera.Audio = c.r.PostFormValue("sound") == "yes"
	camera.User = c.r.PostFormValue("user")
	if password := c.r.PostFormValue("password"); password != "" {
		camera.Password = nvr.Secret(password)
	}
	form := view.Form{Field: "name"}
	if camera.Name == "" {
		form.Error = s.text.T("form.missing", "field", s.text.T("new.name"))
	} else {
		form.Error = s.nameTaken(camera.Name, camera.ID)
	}
	if field, message := s.readMotion(c, &camera); form.Error == "" {
		form.Field, form.Error = field, message
	}
	if form.Error != "" {
		return s.showSettings(c, http.StatusUnprocessableEntity, camera, form)
	}
	_, err := s.cfg.Control.Update(c.r.Context(), camera)
	if errors.Is(err, nvr.ErrInvalid) {
		form.Error = s.text.T("settings.failed")
		return s.showSettings(c, http.StatusUnprocessableEntity, camera, form)
	}
	if err != nil {
		return err
	}
	s.enterChange(c, logCameraChanged, camera.ID)
	return withQuery("/cameras/"+camera.ID.String(), "done", "saved")
}

func (s *Server) removeCamera(c *call) error {
	if c.r.PostFormValue("sure") != "yes" {
		return redirect("/cameras/" + c.camera.ID.String() + "/settings")
	}
	if err := s.cfg.Cameras.Remove(c.r.Context(), c.camera.ID); err != nil {
		return err
	}
	s.enterChange(c, logCameraRemoved, c.camera.ID)
	return withQuery("/", "done", "removed")
}

func (s *Server) retryCamera(c *call) error {
	if err := s.cfg.Control.Retry(c.camera.ID); err != nil {
		return err
	}
	return withQuery("/cameras/"+c.camera.ID.String(), "done", "retried")
}

// enterChange notes a change of a camera. It goes ahead without the record:
// only footage is refused then.
func (s *Server) enterChange(c *call, action string, camera nvr.CameraID) {
	err := s.cfg.Auth.Record(c.r.Context(), auth.Entry{Action: action, Session: c.sess, Camera: camera, Addr: c.addr()})
	if err != nil && !errors.Is(err, nvr.ErrLogUnavailable) {
		s.cfg.Log.LogAttrs(c.r.Context(), slog.LevelWarn, "change not entered",
			slog.String("action", action), slog.Any("err", err))
	}
}
