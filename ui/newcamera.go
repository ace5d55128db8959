package ui

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// newCameraForm asks which camera, or, where one was chosen, for its login.
func (s *Server) newCameraForm(c *call) error {
	replace, err := s.replaced(c)
	if err != nil {
		return err
	}
	m := view.NewCamera{Form: view.Form{Values: map[string]string{"maker": makerOther}}}
	if token := c.r.URL.Query().Get("device"); token != "" {
		found, ok := s.found.get(token)
		if !ok {
			m.Error = s.text.T("new.expired")
		} else {
			m.Device = s.foundView(found, token)
			m.Values["user"] = "admin" // what makers ship; it can be changed
		}
	}
	return s.showNewCamera(c, http.StatusOK, m, replace)
}

func (s *Server) showNewCamera(c *call, status int, m view.NewCamera, replace nvr.Camera) error {
	m.Makers = makerChoices(s.text)
	title := s.text.T("new.title")
	if m.Replace = replaceView(replace); m.Replace != nil {
		title = s.text.T("replace.title")
	}
	return c.render(status, view.NewCameraPage(s.page(c, title, "cameras"), m))
}

// replaced is the camera that the new one takes the place of; zero if none. Who
// asks must be allowed to change it.
func (s *Server) replaced(c *call) (nvr.Camera, error) {
	raw := c.r.FormValue("replace")
	if raw == "" {
		return nvr.Camera{}, nil
	}
	id, err := nvr.ParseID[nvr.Camera](raw)
	if err != nil {
		return nvr.Camera{}, nvr.ErrNotFound
	}
	if c.camera, err = s.cfg.Cameras.Camera(id); err != nil {
		return nvr.Camera{}, err
	}
	return c.camera, s.allow(c, auth.ActCameras, time.Now())
}

func replaceView(camera nvr.Camera) *view.Camera {
	if camera.ID.IsZero() {
		return nil
	}
	return &view.Camera{ID: camera.ID.String(), Name: camera.Name}
}

// searchCameras asks the house for cameras and lists them.
func (s *Server) searchCameras(c *call) error {
	replace, err := s.replaced(c)
	if err != nil {
		return err
	}
	list, err := s.cfg.Devices.Search(c.r.Context())
	if err != nil {
		return err
	}
	m := view.NewCamera{Form: view.Form{Values: map[string]string{"maker": makerOther}}, Searched: true}
	for _, d := range list[:min(len(list), maxFound)] {
		m.Found = append(m.Found, *s.foundView(d, s.found.add(d)))
	}
	return s.showNewCamera(c, http.StatusOK, m, replace)
}

// foundView is a device in words.
func (s *Server) foundView(d nvr.FoundDevice, token string) *view.Found {
	v := &view.Found{Token: token, Name: d.Name, What: deviceName(d.Identity), Host: d.Host}
	v.Known, v.Sure = s.knownAs(d)
	if v.Name == "" {
		v.Name = v.What
	}
	if v.Name == "" {
		v.Name = s.text.T("new.nameless")
	}
	if v.What == v.Name {
		v.What = ""
	}
	return v
}

// deviceName is maker and model, without saying one of them twice.
func deviceName(d nvr.Identity) string {
	if strings.HasPrefix(strings.ToLower(d.Model), strings.ToLower(d.Maker)) {
		return d.Model
	}
	return strings.TrimSpace(d.Maker + " " + d.Model)
}

// knownAs is the name of the camera that a device was added as; empty if it was
// not. It is not sure where only the address is the same: several cameras can be
// behind one.
func (s *Server) knownAs(d nvr.FoundDevice) (name string, sure bool) {
	for _, st := range s.cfg.Cameras.List() {
		known := st.Camera.Identity
		if known.Endpoint != "" && known.Endpoint == d.Endpoint {
			return st.Camera.Name, true
		}
		for _, src := range st.Camera.Streams {
			u, err := url.Parse(src.URL)
			if err == nil && known.Endpoint == "" && u.Hostname() == d.Host {
				name = st.Camera.Name
			}
		}
	}
	return name, false
}

// question is what somebody typed about a camera.
type question struct {
	camera nvr.Camera // with streams where their addresses were typed
	login  nvr.DeviceLogin
	device string // token of the device that was chosen
	found  nvr.FoundDevice
	maker  string
	at     address
}

// askCamera asks a camera once and shows what it answers. A password that it
// rejects is offered to nothing else.
func (s *Server) askCamera(c *call) error {
	replace, err := s.replaced(c)
	if err != nil {
		return err
	}
	q, field, message := s.readQuestion(c)
	again := func(field, message string) error {
		m := view.NewCamera{Form: view.Form{Error: message, Field: field, Values: typedCamera(c)}}
		if q.device != "" {
			m.Device = s.foundView(q.found, q.device)
		}
		return s.showNewCamera(c, http.StatusUnprocessableEntity, m, replace)
	}
	if message != "" {
		return again(field, message)
	}
	next := candidate{camera: q.camera, device: q.device, maker: q.maker, replace: replace.ID}
	if len(q.camera.Streams) == 0 {
		if next.said, err = s.cfg.Devices.Ask(c.r.Context(), q.login); err != nil {
			return err
		}
		if field, message = s.takeOffers(&next, q); message != "" {
			return again(field, message)
		}
	}
	next.report, err = s.cfg.Cameras.Probe(c.r.Context(), next.camera)
	switch {
	case errors.Is(err, nvr.ErrInvalid):
		return again("address", s.text.T("new.bad_address"))
	case err != nil:
		return err
	}
	return s.showCandidate(c, next)
}

// takeOffers puts the streams that a device offers into the camera, or those
// that its maker's cameras usually have. A message says why there are none.
func (s *Server) takeOffers(next *candidate, q question) (field, message string) {
	if next.said.Problem == nvr.DeviceFine {
		next.camera.Identity = next.said.Identity
		for _, o := range next.said.Offers {
			next.camera.Streams = append(next.camera.Streams, nvr.Source{Quality: o.Quality, URL: o.URL})
		}
		return "", ""
	}
	silent := slices.Contains([]nvr.DeviceProblem{nvr.DeviceUnreachable, nvr.DeviceNoONVIF, nvr.DeviceBare}, next.said.Problem)
	main, sub := paths(q.maker)
	if !silent || main == "" {
		field = map[nvr.DeviceProblem]string{nvr.DeviceAsks: "user", nvr.DeviceRefused: "password", nvr.DeviceNoONVIF: "maker"}[next.said.Problem]
		if field == "" {
			field = "address"
		}
		return field, s.deviceProblem(next.said, q.maker)
	}
	next.camera.Streams = []nvr.Source{{Quality: nvr.Main, URL: q.at.withPath(main)}}
	if sub != "" {
		next.camera.Streams = append(next.camera.Streams, nvr.Source{Quality: nvr.Sub, URL: q.at.withPath(sub)})
	}
	return "", ""
}

// deviceProblem says why a device told nothing, and what to do in a camera of
// its maker.
func (s *Server) deviceProblem(r nvr.DeviceReport, maker string) string {
	id := map[nvr.DeviceProblem]string{
		nvr.DeviceUnreachable: "onvif.unreachable", nvr.DeviceNoONVIF: "onvif.no_onvif", nvr.DeviceAsks: "onvif.asks",
		nvr.DeviceRefused: "onvif.refused", nvr.DeviceLocked: "onvif.locked", nvr.DeviceClock: "onvif.clock",
		nvr.DeviceChanged: "onvif.changed", nvr.DeviceForeign: "onvif.foreign", nvr.DeviceBare: "onvif.bare",
	}[r.Problem]
	words := s.text.T(id)
	if r.Problem != nvr.DeviceRefused && r.Problem != nvr.DeviceNoONVIF {
		return words
	}
	if own := "maker." + maker; maker != "" && s.text.T(own) != own {
		words += " " + s.text.T(own)
	}
	return words
}

// readQuestion reads the form. A message says what is wrong with which field.
func (s *Server) readQuestion(c *call) (q question, field, message string) {
	q.maker = c.r.PostFormValue("maker")
	q.camera.User, q.camera.Password = c.r.PostFormValue("user"), nvr.Secret(c.r.PostFormValue("password"))
	if c.r.PostFormValue("udp") == "yes" {
		q.camera.Transport = nvr.UDP
	}
	if token := c.r.PostFormValue("device"); token != "" {
		found, ok := s.found.get(token)
		if !ok {
			return q, "address", s.text.T("new.expired")
		}
		q.device, q.found, q.maker = token, found, makerOf(found.Maker+" "+found.Model+" "+found.Name)
		q.at, _ = parseAddress(found.Host)
		q.login = nvr.DeviceLogin{Identity: found.Identity, User: q.camera.User, Password: q.camera.Password}
		return q, "", ""
	}
	at, ok := parseAddress(c.r.PostFormValue("address"))
	if !ok {
		return q, "address", s.text.T("new.bad_address")
	}
	if q.at = at; q.camera.User == "" && q.camera.Password == "" {
		q.camera.User, q.camera.Password = at.user, nvr.Secret(at.password)
	}
	if !at.path {
		q.login = nvr.DeviceLogin{Host: at.host(), User: q.camera.User, Password: q.camera.Password}
		return q, "", ""
	}
	q.camera.Streams = []nvr.Source{{Quality: nvr.Main, URL: at.url}}
	if typed := strings.TrimSpace(c.r.PostFormValue("sub")); typed != "" {
		sub, ok := parseAddress(typed)
		if !ok || !sub.path {
			return q, "sub", s.text.T("new.bad_sub")
		}
		q.camera.Streams = append(q.camera.Streams, nvr.Source{Quality: nvr.Sub, URL: sub.url})
	}
	return q, "", ""
}

// typedCamera is what to show again: everything but passwords.
func typedCamera(c *call) map[string]string {
	values := make(map[string]string)
	for _, name := range []string{"maker", "user", "udp"} {
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
