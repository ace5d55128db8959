package ui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// setPrivate makes the camera of the request private, or the house.
func (s *Server) setPrivate(c *call) error {
	r, err := s.privacyRequest(c)
	if err != nil {
		return err
	}
	r.On = true
	if r.Until, err = s.privateUntil(c.r.PostFormValue("for")); err != nil {
		return err
	}
	return s.changePrivacy(c, r, "private")
}

// reveal ends that.
func (s *Server) reveal(c *call) error {
	r, err := s.privacyRequest(c)
	if err != nil {
		return err
	}
	return s.changePrivacy(c, r, "revealed")
}

func (s *Server) privacyRequest(c *call) (nvr.PrivacyRequest, error) {
	if err := c.r.ParseForm(); err != nil {
		return nvr.PrivacyRequest{}, nvr.ErrInvalid
	}
	return nvr.PrivacyRequest{Camera: c.camera.ID, By: c.sess.Principal(), Addr: c.addr()}, nil
}

// changePrivacy does it and goes back to where it was asked for.
func (s *Server) changePrivacy(c *call, r nvr.PrivacyRequest, done string) error {
	if err := s.cfg.Privacy.SetPrivate(c.r.Context(), r); err != nil {
		return err
	}
	back, _, _ := strings.Cut(localPath(c.r.PostFormValue("next")), "?")
	return redirect(back + "?done=" + done)
}

// privateUntil reads how long it shall last; zero is until somebody lifts it.
func (s *Server) privateUntil(lasts string) (time.Time, error) {
	now := time.Now()
	switch lasts {
	case "quarter":
		return now.Add(15 * time.Minute), nil
	case "hour":
		return now.Add(time.Hour), nil
	case "morning":
		return s.cfg.Privacy.Morning(now), nil
	case "lifted":
		return time.Time{}, nil
	}
	return time.Time{}, nvr.ErrInvalid
}

// privacyPage shows what is private, and the plan.
func (s *Server) privacyPage(c *call) error { return s.showPrivacy(c, view.Form{}, http.StatusOK) }

func (s *Server) showPrivacy(c *call, form view.Form, status int) error {
	m := view.Privacy{Form: form, House: s.privateView(c, nvr.Camera{}), Zone: time.Now().Format("MST")}
	for _, st := range s.camerasFor(c, auth.ActPrivacy) {
		m.Cameras = append(m.Cameras, s.privateView(c, st.Camera))
		m.Choices = append(m.Choices, view.Choice{ID: st.Camera.ID.String(), Name: st.Camera.Name})
	}
	for i, h := range s.cfg.Privacy.PrivateHours() {
		if words := s.hoursWords(m.Choices, h); words != "" {
			m.Hours = append(m.Hours, view.Choice{ID: strconv.Itoa(i), Name: words})
		}
	}
	return c.render(status, view.PrivacyPage(s.page(c, s.text.T("privacy.title"), "cameras"), m))
}

// privateView is the state of a camera, or of the house, for whoever asks.
func (s *Server) privateView(c *call, camera nvr.Camera) view.Private {
	st := s.cfg.Privacy.Private(camera.ID)
	v := view.Private{
		ID: idText(camera.ID), Name: camera.Name, On: st.On, House: st.House && !camera.ID.IsZero(), Since: st.Since, Until: st.Until,
		May: s.authorize(c.r.Context(), c.sess, auth.ActPrivacy, camera.ID, time.Now()) == nil,
	}
	v.MayLift = s.authorize(c.r.Context(), c.sess, auth.ActReveal, camera.ID, time.Now()) == nil
	if st.On {
		v.By = s.privateBy(c, st)
	}
	return v
}

// privateBy says who wanted it; empty where that is not for whoever asks.
func (s *Server) privateBy(c *call, st nvr.PrivacyState) string {
	if st.By.IsZero() {
		return s.text.T("privacy.by_plan")
	}
	names, err := s.cfg.Auth.Names(c.r.Context(), c.sess)
	if name := names[st.By]; err == nil && name != "" {
		return s.text.T("privacy.by", "who", name)
	}
	return ""
}

// hoursWords puts a line of the plan into words; empty for a camera that whoever
// asks may not see.
func (s *Server) hoursWords(cameras []view.Choice, h nvr.PrivateHours) string {
	which := s.text.T("privacy.which_all")
	switch {
	case !h.Camera.IsZero():
		i := slices.IndexFunc(cameras, func(c view.Choice) bool { return c.ID == h.Camera.String() })
		if i < 0 {
			return ""
		}
		which = cameras[i].Name
	case h.Inside:
		which = s.text.T("privacy.which_inside")
	}
	var days []string
	for _, d := range weekdays() {
		if h.Days.Has(d) {
			days = append(days, s.text.T("privacyday."+strconv.Itoa(int(d))))
		}
	}
	id := "privacy.hours"
	if h.To <= h.From {
		id = "privacy.hours_over"
	}
	return s.text.T(id, "which", which, "days", strings.Join(days, " "), "from", clockText(h.From), "to", clockText(h.To))
}

// weekdays are the days from Monday on.
func weekdays() []time.Weekday {
	return []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday}
}

// clockText writes minutes since midnight as inputs of type time do.
func clockText(minutes int) string {
	return time.Date(2000, 1, 1, 0, minutes, 0, 0, time.UTC).Format("15:04")
}

func parseClock(text string) (minutes int, ok bool) {
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil
}

// addHours adds a line to the plan of the week.
func (s *Server) addHours(c *call) error {
	h, ok := s.readHours(c)
	if !ok {
		form := view.Form{Error: s.text.T("privacy.hours_bad"), Field: "from"}
		return s.showPrivacy(c, form, http.StatusUnprocessableEntity)
	}
	return s.savePlan(c, append(s.cfg.Privacy.PrivateHours(), h))
}

func (s *Server) readHours(c *call) (h nvr.PrivateHours, ok bool) {
	switch which := c.r.PostFormValue("which"); which {
	case "all":
	case "inside":
		h.Inside = true
	default:
		var err error
		if h.Camera, err = nvr.ParseID[nvr.Camera](which); err != nil {
			return h, false
		}
		if _, err := s.cfg.Cameras.Camera(h.Camera); err != nil {
			return h, false
		}
	}
	for _, d := range weekdays() {
		if c.r.PostFormValue("day-"+strconv.Itoa(int(d))) == "on" {
			h.Days |= 1 << d
		}
	}
	var okTo bool
	h.From, ok = parseClock(c.r.PostFormValue("from"))
	h.To, okTo = parseClock(c.r.PostFormValue("to"))
	return h, ok && okTo && h.Days != 0
}

// dropHours takes a line out of the plan.
func (s *Server) dropHours(c *call) error {
	hours := s.cfg.Privacy.PrivateHours()
	i, err := strconv.Atoi(c.r.PostFormValue("line"))
	if err != nil || i < 0 || i >= len(hours) {
		return nvr.ErrNotFound
	}
	return s.savePlan(c, slices.Delete(hours, i, i+1))
}

func (s *Server) savePlan(c *call, hours []nvr.PrivateHours) error {
	plan := nvr.PrivacyPlan{Hours: hours, By: c.sess.Principal(), Addr: c.addr()}
	if err := s.cfg.Privacy.SetPrivateHours(c.r.Context(), plan); err != nil {
		return err
	}
	return redirect("/privacy?done=planned")
}

// privateJSON is the sign of privacy mode for scripts. Camera is empty for the
// house; times are milliseconds since the Unix epoch, 0 for none.
type privateJSON struct {
	Camera string `json:"camera"`
	On     bool   `json:"on"`
	Since  int64  `json:"since,omitempty"`
	Until  int64  `json:"until,omitempty"`
	By     string `json:"by,omitempty"` // in words
	House  bool   `json:"house,omitempty"`
}

func describePrivate(v view.Private) privateJSON {
	j := privateJSON{Camera: v.ID, On: v.On}
	if v.On {
		j.Since, j.Until, j.By, j.House = millis(v.Since), millis(v.Until), v.By, v.House
	}
	return j
}

// privates lists what is private of what whoever asks sees.
func (s *Server) privates(c *call) []privateJSON {
	list := []privateJSON{}
	if v := s.privateView(c, nvr.Camera{}); v.On {
		list = append(list, describePrivate(v))
	}
	for _, st := range s.visible(c) {
		if v := s.privateView(c, st.Camera); v.On {
			list = append(list, describePrivate(v))
		}
	}
	return list
}
