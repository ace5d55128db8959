package ui

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// masksForm shows the masks that the camera keeps, as it says itself.
func (s *Server) masksForm(c *call) error {
	masks, err := s.cfg.Devices.Masks(c.r.Context(), c.camera.ID)
	form := view.Form{}
	if err != nil {
		form.Error = s.text.T("mask.unread")
	}
	return s.showMasks(c, http.StatusOK, masks, form)
}

func (s *Server) showMasks(c *call, status int, masks nvr.Masks, form view.Form) error {
	var zones []nvr.Zone
	for _, m := range masks.List {
		zones = append(zones, nvr.Zone{Points: m.Points})
	}
	text, err := zonesText(zones)
	if err != nil {
		return err
	}
	m := view.Masks{
		Form: form, Camera: view.Camera{ID: c.camera.ID.String(), Name: c.camera.Name},
		Possible: masks.Possible, Most: strconv.Itoa(masks.Most), Count: len(masks.List), Zones: text,
		Private: s.allow(c, auth.ActPrivacy, time.Now()) == nil,
	}
	return c.render(status, view.MasksPage(s.page(c, s.text.T("mask.title"), "cameras"), m))
}

// saveMasks puts masks into the camera and shows what it keeps then.
func (s *Server) saveMasks(c *call) error {
	zones, err := parseZones(c.r.PostFormValue("zones"))
	if err != nil {
		return s.masksRefused(c, "motion.zones_bad")
	}
	want := make([][]nvr.Point, 0, len(zones))
	for _, z := range zones {
		want = append(want, z.Points)
	}
	_, err = s.cfg.Devices.SetMasks(c.r.Context(), c.camera.ID, want)
	switch {
	case errors.Is(err, nvr.ErrInvalid):
		return s.masksRefused(c, "mask.too_many")
	case err != nil:
		return s.masksRefused(c, "mask.failed")
	}
	s.enterChange(c, logMasks, c.camera.ID)
	return withQuery("/cameras/"+c.camera.ID.String()+"/masks", "done", "masks")
}

// masksRefused says what is wrong above the masks that the camera keeps.
func (s *Server) masksRefused(c *call, id string) error {
	masks, err := s.cfg.Devices.Masks(c.r.Context(), c.camera.ID)
	form := view.Form{Error: s.text.T(id, "most", strconv.Itoa(masks.Most), "corners", strconv.Itoa(masks.Corners), "zones", strconv.Itoa(masks.Most))}
	if err != nil {
		form.Error = s.text.T("mask.unread")
	}
	return s.showMasks(c, http.StatusUnprocessableEntity, masks, form)
}
