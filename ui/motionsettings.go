package ui

import (
	"math"
	"strconv"

	"lares/nvr"
	"lares/ui/view"
)

const (
	// maxSide is the largest least size of a thing that can be chosen: the side
	// of a box in per cent of the picture's.
	maxSide = 50
	maxDays = 3650
)

// motionView puts what is looked for and what is kept into the form.
func (s *Server) motionView(camera nvr.Camera) (view.Motion, error) {
	zones, err := zonesText(camera.Motion.Zones)
	if err != nil {
		return view.Motion{}, err
	}
	found := s.cfg.Detection.Detection(camera.ID)
	m := view.Motion{
		On: !camera.Motion.Off, Works: found.Works, Detail: found.Detail, Fence: found.Fence,
		Sensitivity: sensitivityWord(camera.Motion.Sensitivity), Side: side(camera.Motion.MinSize),
		Zones: zones, Record: recordWord(camera.Record), QuietDays: camera.QuietDays, Days: s.days(camera),
	}
	if m.QuietDays == 0 {
		m.QuietDays = max(1, m.Days/4)
	}
	return m, nil
}

// days is how long the camera's footage is kept.
func (s *Server) days(camera nvr.Camera) int {
	if camera.RetentionDays > 0 {
		return camera.RetentionDays
	}
	return s.cfg.RetentionDays
}

// readMotion reads the part of the form about motion into the camera. What the
// form does not have stays. A message says what is wrong with which field.
func (s *Server) readMotion(c *call, camera *nvr.Camera) (field, message string) {
	has := func(name string) (string, bool) {
		return c.r.PostFormValue(name), c.r.PostForm.Has(name)
	}
	if v, ok := has("motion"); ok {
		camera.Motion.Off = v != "on"
	}
	if v, ok := has("sensitivity"); ok {
		if camera.Motion.Sensitivity, ok = parseSensitivity(v); !ok {
			return "sensitivity", s.text.T("settings.failed")
		}
	}
	if v, ok := has("side"); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > maxSide {
			return "side", s.text.T("motion.side_bad")
		}
		camera.Motion.MinSize = float64(n*n) / 1e4
	}
	if v, ok := has("zones"); ok {
		zones, err := parseZones(v)
		if err != nil {
			return "zones", s.text.T("motion.zones_bad", "zones", strconv.Itoa(maxZones), "corners", strconv.Itoa(maxPoints))
		}
		camera.Motion.Zones = zones
	}
	return s.readRecord(c, camera)
}

// readRecord reads what of the camera is kept.
func (s *Server) readRecord(c *call, camera *nvr.Camera) (field, message string) {
	if c.r.PostForm.Has("record") {
		mode, ok := parseRecord(c.r.PostFormValue("record"))
		if !ok {
			return "record", s.text.T("settings.failed")
		}
		camera.Record = mode
	}
	if camera.Record == nvr.RecordQuietShorter && c.r.PostForm.Has("quiet") {
		n, err := strconv.Atoi(c.r.PostFormValue("quiet"))
		if err != nil || n < 1 || n > maxDays || n >= s.days(*camera) {
			return "quiet", s.text.T("kept.quiet_bad", "days", strconv.Itoa(s.days(*camera)))
		}
		camera.QuietDays = n
	}
	if camera.Record != nvr.RecordAlways && camera.Motion.Off {
		// Else nothing would be recorded, or everything thrown away early.
		return "record", s.text.T("kept.needs_motion")
	}
	return "", ""
}

// side is the side of a square box of an area, in per cent.
func side(area float64) int { return min(maxSide, int(math.Round(100*math.Sqrt(area)))) }

func sensitivityWord(v nvr.Sensitivity) string {
	switch v {
	case nvr.LowSensitivity:
		return "low"
	case nvr.HighSensitivity:
		return "high"
	default:
		return "normal"
	}
}

func parseSensitivity(word string) (nvr.Sensitivity, bool) {
	for _, v := range []nvr.Sensitivity{nvr.NormalSensitivity, nvr.LowSensitivity, nvr.HighSensitivity} {
		if sensitivityWord(v) == word {
			return v, true
		}
	}
	return nvr.NormalSensitivity, false
}

func recordWord(m nvr.RecordMode) string {
	switch m {
	case nvr.RecordQuietShorter:
		return "quiet"
	case nvr.RecordMotion:
		return "motion"
	default:
		return "always"
	}
}

func parseRecord(word string) (nvr.RecordMode, bool) {
	for _, m := range []nvr.RecordMode{nvr.RecordAlways, nvr.RecordQuietShorter, nvr.RecordMotion} {
		if recordWord(m) == word {
			return m, true
		}
	}
	return nvr.RecordAlways, false
}
