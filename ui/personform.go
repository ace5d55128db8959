package ui

import (
	"errors"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// readPerson reads the form of a person and says what is wrong with it; id is
// zero for somebody new.
func (s *Server) readPerson(c *call, id nvr.PrincipalID) (auth.PersonRequest, view.Form) {
	p := auth.PersonRequest{Name: strings.TrimSpace(c.r.PostFormValue("name")), Role: roleOf(c.r.PostFormValue("role"))}
	if auth.CheckName(p.Name) != nil {
		return p, s.wrong("name", "setup.name_bad")
	}
	if roleName(p.Role) == "" {
		return p, s.wrong("role", "people.no_role")
	}
	if s.personNamed(c, p.Name, id) {
		return p, s.wrong("name", "people.same_name")
	}
	if p.Role == nvr.Owner {
		return p, view.Form{}
	}
	p.Cameras = s.readRights(c, p.Role)
	for _, r := range p.Cameras {
		if r.Rights&(nvr.MayExport|nvr.MayDelete) != 0 && r.Rights&nvr.MayReplay == 0 ||
			r.Rights&nvr.MayAudio != 0 && r.Rights&(nvr.MayLive|nvr.MayReplay) == 0 {
			return p, s.wrong("right", "people.rights_bad")
		}
	}
	var err error
	if p.From, err = readMoment(c, "from"); err == nil {
		p.Until, err = readMoment(c, "until")
	}
	now := time.Now()
	switch {
	case err != nil, p.Role == nvr.Guest && (p.From.IsZero() || p.Until.IsZero()):
		return p, s.wrong("from", "people.times_missing")
	case !p.Until.IsZero() && (!p.Until.After(p.From) || !p.Until.After(now)):
		return p, s.wrong("until", "people.times_bad")
	}
	return p, view.Form{}
}

func (s *Server) wrong(field, id string) view.Form {
	return view.Form{Field: field, Error: s.text.T(id)}
}

// personNamed reports whether somebody else has the name.
func (s *Server) personNamed(c *call, name string, id nvr.PrincipalID) bool {
	list, err := s.cfg.Auth.People(c.r.Context(), c.sess)
	if err != nil {
		return false // who adds people is asked again
	}
	for _, p := range list {
		if p.ID != id && strings.EqualFold(p.Name, name) {
			return true
		}
	}
	return false
}

// readRights reads the check boxes, each "<camera> <right>". What the role does
// not allow, and cameras that are not there, are left out.
func (s *Server) readRights(c *call, role nvr.Role) []nvr.CameraRights {
	ticked := make(map[string]bool)
	for _, v := range c.r.PostForm["right"] {
		ticked[v] = true
	}
	var list []nvr.CameraRights
	for _, st := range s.cfg.Cameras.List() {
		r := nvr.CameraRights{Camera: st.Camera.ID}
		for _, n := range rightNames() {
			if ticked[st.Camera.ID.String()+" "+n.name] {
				r.Rights |= n.right & auth.Bound(role)
			}
		}
		if r.Rights != 0 {
			list = append(list, r)
		}
	}
	return list
}

// readMoment reads a point in time: milliseconds since the Unix epoch where the
// script of the page said them, else what was typed, in the time of the box. Zero
// where nothing was typed.
func readMoment(c *call, name string) (time.Time, error) {
	typed := c.r.PostFormValue(name)
	if typed == "" {
		return time.Time{}, nil
	}
	if exact := c.r.PostFormValue(name + "-ms"); exact != "" {
		if t, ok := parseTime(exact); ok {
			return t, nil
		}
		return time.Time{}, errors.New("no time")
	}
	t, err := time.ParseInLocation("2006-01-02T15:04", typed, time.Local)
	if err != nil {
		return time.Time{}, err
	}
	if ms := t.UnixMilli(); ms < 0 || ms > maxMillis {
		return time.Time{}, errors.New("no time")
	}
	return t.UTC(), nil
}
