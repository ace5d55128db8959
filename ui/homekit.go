package ui

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// The words of the log about the Home app.
const (
	logHomeKitOn        = "homekit-on"
	logHomeKitOff       = "homekit-off"
	logHomeKitInside    = "homekit-inside" // opened for pairing, for inside the house only
	logHomeKitAway      = "homekit-away"   // the same, also for away from home
	logHomeKitWithdrawn = "homekit-withdrawn"

	// What pairings do is entered by the Home app's side.
	logHomeKitPaired    = "homekit-paired"
	logHomeKitUnpaired  = "homekit-unpaired"
	logHomeKitWrongCode = "homekit-wrong-code"
)

// homeKitRoutes are the pages about the Home app. Who adds a phone gives somebody
// access: that is for who decides about people.
func (s *Server) homeKitRoutes() []route {
	return []route{
		{pattern: "GET /homekit", handle: s.homeKitPage, action: auth.ActPeople},
		{pattern: "POST /homekit/switch", handle: s.switchHomeKit, action: auth.ActPeople},
		{pattern: "GET /homekit/house", handle: s.homeThingPage, action: auth.ActPeople},
		{pattern: "POST /homekit/house", handle: s.offerHome, action: auth.ActPeople},
		{pattern: "POST /homekit/house/remove", handle: s.withdrawHome, action: auth.ActPeople},
		{pattern: "POST /homekit/house/test", handle: s.testHome, action: auth.ActPeople},
		{pattern: "GET /cameras/{camera}/homekit", handle: s.homeThingPage, action: auth.ActPeople},
		{pattern: "POST /cameras/{camera}/homekit", handle: s.offerHome, action: auth.ActPeople},
		{pattern: "POST /cameras/{camera}/homekit/remove", handle: s.withdrawHome, action: auth.ActPeople},
		{pattern: "POST /cameras/{camera}/homekit/test", handle: s.testHome, action: auth.ActPeople},
	}
}

func (s *Server) homeKitPage(c *call) error {
	st := s.cfg.HomeKit.Status()
	m := view.HomeKit{On: st.On}
	for _, a := range st.Accessories {
		m.Accessories = append(m.Accessories, s.homeThing(a))
	}
	return c.render(http.StatusOK, view.HomeKitPage(s.page(c, s.text.T("homekit.title"), "people"), m))
}

// homeThing puts an accessory into words.
func (s *Server) homeThing(a nvr.HomeAccessory) view.HomeThing {
	t := view.HomeThing{
		Name: a.Name, Offered: a.Reach != nvr.ReachUnset, Away: a.Reach == nvr.ReachAway,
		Up: a.Up, Problem: a.Problem,
	}
	for _, p := range a.Pairings {
		t.Paired = append(t.Paired, view.HomePaired{ID: p.ID.String(), Name: p.Name, Since: p.Since})
	}
	if a.Camera.IsZero() {
		t.Name = s.text.T("homekit.house_name")
		return t
	}
	t.Camera = a.Camera.String()
	for _, st := range s.cfg.Cameras.List() {
		if st.Camera.ID != a.Camera {
			continue
		}
		t.Single = len(st.Streams) < 2
		known := slices.ContainsFunc(st.Streams, func(x nvr.StreamStatus) bool { return x.Params != nil })
		t.NoStream = known && !slices.ContainsFunc(st.Streams, func(x nvr.StreamStatus) bool {
			return x.Params != nil && x.Params.Video == nvr.H264
		})
	}
	return t
}

func (s *Server) switchHomeKit(c *call) error {
	on, word := c.r.PostFormValue("on") == "yes", logHomeKitOff
	if on {
		word = logHomeKitOn
	}
	s.enterChange(c, word, nvr.CameraID{})
	if err := s.cfg.HomeKit.Switch(c.r.Context(), on); err != nil {
		return err
	}
	return redirect("/homekit")
}

func (s *Server) homeThingPage(c *call) error {
	return s.showHomeThing(c, http.StatusOK, view.Form{}, nil)
}

// showHomeThing shows the page of the camera of the path, or of the house.
func (s *Server) showHomeThing(c *call, status int, form view.Form, test *view.HomeTest) error {
	st := s.cfg.HomeKit.Status()
	i := slices.IndexFunc(st.Accessories, func(a nvr.HomeAccessory) bool { return a.Camera == c.camera.ID })
	if i < 0 || !st.On {
		return redirect("/homekit")
	}
	a := st.Accessories[i]
	m := view.HomeDetail{Form: form, HomeThing: s.homeThing(a), Until: a.PairingUntil, Wrong: a.WrongCodes, Test: test}
	if !m.Until.IsZero() && len(a.Code) == 8 {
		var err error
		if m.QR, err = drawQR(a.URI); err != nil {
			return err
		}
		m.Code = a.Code[:3] + "-" + a.Code[3:5] + "-" + a.Code[5:]
	}
	return c.render(status, view.HomeThingPage(s.page(c, m.Name, "people"), m))
}

// offerHome opens a camera, or the house, for somebody to pair.
func (s *Server) offerHome(c *call) error {
	o := nvr.HomeOffer{Camera: c.camera.ID, Name: strings.TrimSpace(c.r.PostFormValue("name"))}
	word := logHomeKitInside
	switch reach := c.r.PostFormValue("reach"); {
	case c.camera.ID.IsZero() || reach == "inside":
		o.Reach = nvr.ReachHouse
	case reach == "away":
		o.Reach, word = nvr.ReachAway, logHomeKitAway
	}
	form := view.Form{Values: map[string]string{"name": o.Name}}
	switch {
	case o.Reach == nvr.ReachUnset:
		form.Field, form.Error = "reach", s.text.T("homekit.no_reach")
	case o.Name == "" && !s.inAHome(c.camera.ID):
		form.Field, form.Error = "name", s.text.T("form.missing", "field", s.text.T("homekit.who"))
	}
	if form.Error != "" {
		return s.showHomeThing(c, http.StatusUnprocessableEntity, form, nil)
	}
	s.enterChange(c, word, c.camera.ID)
	err := s.cfg.HomeKit.Offer(c.r.Context(), o)
	if errors.Is(err, nvr.ErrClosed) {
		form.Error = s.text.T("homekit.not_begun")
		return s.showHomeThing(c, http.StatusServiceUnavailable, form, nil)
	}
	if err != nil {
		return err
	}
	return redirect(view.HomeThing{Camera: idText(c.camera.ID)}.Path())
}

// inAHome reports whether somebody is paired with a camera, or the house.
func (s *Server) inAHome(camera nvr.CameraID) bool {
	return slices.ContainsFunc(s.cfg.HomeKit.Status().Accessories, func(a nvr.HomeAccessory) bool {
		return a.Camera == camera && len(a.Pairings) > 0
	})
}

// withdrawHome removes a phone, or the camera from the Home app.
func (s *Server) withdrawHome(c *call) error {
	var who nvr.PrincipalID
	back := view.HomeThing{Camera: idText(c.camera.ID)}.Path()
	if text := c.r.PostFormValue("pairing"); text != "" {
		var err error
		if who, err = nvr.ParseID[nvr.Principal](text); err != nil {
			return err
		}
	} else if c.r.PostFormValue("sure") != "yes" {
		return redirect(back)
	} else {
		s.enterChange(c, logHomeKitWithdrawn, c.camera.ID)
	}
	if err := s.cfg.HomeKit.Withdraw(c.r.Context(), c.camera.ID, who); err != nil && !errors.Is(err, nvr.ErrClosed) {
		return err
	}
	return redirect(back)
}

// testHome looks at the camera as a phone would.
func (s *Server) testHome(c *call) error {
	found, err := s.cfg.HomeKit.Test(c.r.Context(), c.camera.ID)
	if errors.Is(err, nvr.ErrClosed) {
		return redirect("/homekit")
	}
	if err != nil {
		return err
	}
	return s.showHomeThing(c, http.StatusOK, view.Form{}, &view.HomeTest{
		Answered: found.Answered, Host: found.HostNetwork,
		Reached: strings.Join(found.Reached, ", "), Missed: strings.Join(found.Missed, ", "),
	})
}

// homePaired lists who sees cameras in the Home app, each once.
func (s *Server) homePaired() (all []view.HomePaired) {
	for _, a := range s.cfg.HomeKit.Status().Accessories {
		for _, p := range s.homeThing(a).Paired {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

// homeNames adds who sees or saw cameras in the Home app to the names of people.
func (s *Server) homeNames(people map[nvr.PrincipalID]string) map[nvr.PrincipalID]string {
	names := make(map[nvr.PrincipalID]string)
	for id, name := range s.cfg.HomeKit.Status().Names {
		names[id] = s.text.T("homekit.of", "name", name)
		if name == "" {
			names[id] = s.text.T("homekit.other_device")
		}
	}
	maps.Copy(names, people)
	return names
}

// homeless is a house without HomeKit.
type homeless struct{}

// Status is off.
func (homeless) Status() nvr.HomeStatus { return nvr.HomeStatus{} }

// Switch cannot.
func (homeless) Switch(context.Context, bool) error { return nvr.ErrNotFound }

// Offer cannot.
func (homeless) Offer(context.Context, nvr.HomeOffer) error { return nvr.ErrNotFound }

// Withdraw finds nothing.
func (homeless) Withdraw(context.Context, nvr.CameraID, nvr.PrincipalID) error {
	return nvr.ErrNotFound
}

// Test finds nothing that serves.
func (homeless) Test(context.Context, nvr.CameraID) (nvr.HomeTest, error) {
	return nvr.HomeTest{}, nvr.ErrClosed
}
