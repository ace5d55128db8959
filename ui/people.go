package ui

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// rightNames are the rights on a camera as forms name them, in order.
func rightNames() []struct {
	name  string
	right nvr.Rights
} {
	return []struct {
		name  string
		right nvr.Rights
	}{
		{"live", nvr.MayLive},
		{"replay", nvr.MayReplay},
		{"audio", nvr.MayAudio},
		{"export", nvr.MayExport},
		{"delete", nvr.MayDelete},
	}
}

// roleNames are the roles as forms name them, most powerful first.
func roleNames() []string { return []string{"owner", "member", "viewer", "guest"} }

// roleName names a role; empty for none.
func roleName(r nvr.Role) string {
	if r < nvr.Owner || r > nvr.Guest {
		return ""
	}
	return roleNames()[r-nvr.Owner]
}

// people lists who is in the household, for its owners.
func (s *Server) people(c *call) error {
	list, err := s.cfg.Auth.People(c.r.Context(), c.sess)
	if err != nil {
		return err
	}
	waiting, err := s.cfg.Auth.Granting(c.r.Context(), c.sess)
	if err != nil {
		return err
	}
	m := view.People{Home: s.homePaired()}
	for _, p := range list {
		v := view.Person{
			ID: p.ID.String(), Name: p.Name, Role: s.text.T("role." + roleName(p.Role)), This: p.ID == c.sess.Principal(),
			Suspended: p.Suspended, Invited: p.Invited, InviteEnds: p.InviteEnds, Unconfirmed: p.Unconfirmed,
			InviteOver: p.Invited && !time.Now().Before(p.InviteEnds), From: p.From, Until: p.Until, Sees: s.sees(p),
		}
		for _, g := range waiting {
			if g.Person == p.ID && g.Days > 0 {
				v.Waiting = strconv.Itoa(g.Days)
			}
		}
		m.People = append(m.People, v)
	}
	return c.render(http.StatusOK, view.PeoplePage(s.page(c, s.text.T("people.title"), "people"), m))
}

// sees puts a person's rights into words, a line for each camera.
func (s *Server) sees(p auth.PersonInfo) []string {
	if p.Role == nvr.Owner {
		return []string{s.text.T("people.everything")}
	}
	var lines []string
	for _, st := range s.cfg.Cameras.List() {
		var words []string
		for _, n := range rightNames() {
			if rightsOf(p.Cameras, st.Camera.ID)&n.right != 0 {
				words = append(words, s.text.T("right."+n.name))
			}
		}
		if len(words) > 0 {
			lines = append(lines, st.Camera.Name+": "+strings.Join(words, ", "))
		}
	}
	if len(lines) == 0 {
		return []string{s.text.T("people.nothing")}
	}
	return lines
}

func rightsOf(list []nvr.CameraRights, camera nvr.CameraID) nvr.Rights {
	for _, r := range list {
		if r.Camera == camera {
			return r.Rights
		}
	}
	return 0
}

// person returns whom the path names, as an owner sees them.
func (s *Server) person(c *call) (auth.PersonInfo, error) {
	id, err := nvr.ParseID[nvr.Principal](c.r.PathValue("person"))
	if err != nil {
		return auth.PersonInfo{}, nvr.ErrNotFound
	}
	list, err := s.cfg.Auth.People(c.r.Context(), c.sess)
	if err != nil {
		return auth.PersonInfo{}, err
	}
	for _, p := range list {
		if p.ID == id {
			return p, nil
		}
	}
	return auth.PersonInfo{}, nvr.ErrNotFound
}

func (s *Server) newPerson(c *call) error {
	p := auth.PersonInfo{PersonRequest: auth.PersonRequest{Role: nvr.Member}}
	for _, st := range s.cfg.Cameras.List() {
		if !st.Camera.Inside { // inside cameras are shared deliberately
			p.Cameras = append(p.Cameras, nvr.CameraRights{Camera: st.Camera.ID, Rights: nvr.MayLive | nvr.MayReplay})
		}
	}
	return s.showPerson(c, http.StatusOK, p, view.Form{})
}

func (s *Server) addPerson(c *call) error {
	p, form := s.readPerson(c, nvr.PrincipalID{})
	if form.Error == "" {
		inv, err := s.cfg.Auth.AddPerson(c.r.Context(), c.sess, p)
		if err == nil {
			return s.showInvitation(c, p.Name, inv)
		}
		if !errors.Is(err, nvr.ErrInvalid) {
			return err
		}
		form.Error = s.text.T("people.invalid")
	}
	return s.showPerson(c, http.StatusUnprocessableEntity, auth.PersonInfo{PersonRequest: p}, form)
}

func (s *Server) personForm(c *call) error {
	p, err := s.person(c)
	if err != nil {
		return err
	}
	return s.showPerson(c, http.StatusOK, p, view.Form{})
}

func (s *Server) changePerson(c *call) error {
	info, err := s.person(c)
	if err != nil {
		return err
	}
	p, form := s.readPerson(c, info.ID)
	if form.Error == "" {
		err = s.cfg.Auth.ChangePerson(c.r.Context(), c.sess, info.ID, p)
		if err == nil {
			return withQuery("/people", "done", "person")
		}
		if !errors.Is(err, nvr.ErrInvalid) {
			return err
		}
		form.Error = s.text.T("people.invalid")
	}
	info.PersonRequest = p
	return s.showPerson(c, http.StatusUnprocessableEntity, info, form)
}

// showInvitation shows the code, which is kept nowhere: a page of its own, once.
func (s *Server) showInvitation(c *call, name string, inv auth.Invitation) error {
	m := view.Invitation{Name: name, Code: inv.Code, Expires: inv.Expires, Address: "https://" + c.r.Host + "/join"}
	return c.render(http.StatusOK, view.InvitationPage(s.page(c, s.text.T("invite.title"), "people"), m))
}

// suspendPerson switches an account off, or on again.
func (s *Server) suspendPerson(c *call) error {
	p, err := s.person(c)
	if err != nil {
		return err
	}
	if err := s.cfg.Auth.SuspendPerson(c.r.Context(), c.sess, p.ID, c.r.PostFormValue("off") == "yes"); err != nil {
		return err
	}
	return withQuery("/people", "done", "person")
}

func (s *Server) removePerson(c *call) error {
	p, err := s.person(c)
	if err != nil {
		return err
	}
	if c.r.PostFormValue("sure") != "yes" {
		return redirect("/people/" + p.ID.String())
	}
	if err := s.cfg.Auth.RemovePerson(c.r.Context(), c.sess, p.ID); err != nil {
		return err
	}
	return withQuery("/people", "done", "gone")
}

func (s *Server) resetPerson(c *call) error {
	p, err := s.person(c)
	if err != nil {
		return err
	}
	if c.r.PostFormValue("sure") != "yes" {
		return redirect("/people/" + p.ID.String())
	}
	inv, err := s.cfg.Auth.ResetPerson(c.r.Context(), c.sess, p.ID)
	if err != nil {
		return err
	}
	return s.showInvitation(c, p.Name, inv)
}

// showPerson draws the form of a person; one without an id is new.
func (s *Server) showPerson(c *call, status int, p auth.PersonInfo, form view.Form) error {
	form.Values = map[string]string{"name": p.Name}
	m := view.PersonForm{
		Home: s.homePaired(),
		Form: form, Role: roleName(p.Role), Suspended: p.Suspended, Invited: p.Invited,
		This: p.ID == c.sess.Principal(), From: millis(p.From), Until: millis(p.Until),
	}
	title := s.text.T("people.add")
	if !p.ID.IsZero() {
		m.ID, title = p.ID.String(), p.Name
	}
	for _, r := range roleNames() {
		m.Roles = append(m.Roles, view.RoleChoice{ID: r, Most: rightWords(auth.Bound(roleOf(r))), Preset: rightWords(preset(roleOf(r)))})
	}
	for _, n := range rightNames() {
		m.Rights = append(m.Rights, n.name)
	}
	for _, st := range s.cfg.Cameras.List() {
		m.Cameras = append(m.Cameras, view.CameraRights{
			ID: st.Camera.ID.String(), Name: st.Camera.Name, Inside: st.Camera.Inside,
			Has: strings.Fields(rightWords(rightsOf(p.Cameras, st.Camera.ID))),
		})
	}
	return c.render(status, view.PersonPage(s.page(c, title, "people"), m))
}

// preset is what somebody of a role usually may do.
func preset(r nvr.Role) nvr.Rights {
	return auth.Bound(r) &^ nvr.MayDelete
}

func roleOf(name string) nvr.Role {
	return nvr.Role(slices.Index(roleNames(), name)+1) * nvr.Owner
}

// rightWords joins the names of rights with spaces.
func rightWords(r nvr.Rights) string {
	var words []string
	for _, n := range rightNames() {
		if r&n.right != 0 {
			words = append(words, n.name)
		}
	}
	return strings.Join(words, " ")
}
