package ui

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/text"
	"lares/ui/view"
)

// The words of the log for what this package enters.
const (
	logCameraAdded   = "camera-added"
	logCameraChanged = "camera-changed"
	logCameraRemoved = "camera-removed"

	logCameraReplaced = "camera-replaced"
	logCameraMoved    = "camera-moved" // by the box, to a new address
	logMasks          = "masks-changed"
)

// logWords puts entries into sentences.
type logWords struct {
	text    *text.Catalogue
	people  map[nvr.PrincipalID]string
	cameras map[nvr.CameraID]string
}

// words knows the cameras that whoever asks may see.
func (s *Server) words(c *call, people map[nvr.PrincipalID]string) logWords {
	w := logWords{text: s.text, people: s.homeNames(people), cameras: make(map[nvr.CameraID]string)}
	for _, st := range s.camerasFor(c, auth.ActLog) {
		w.cameras[st.Camera.ID] = st.Camera.Name
	}
	return w
}

func (w logWords) who(id nvr.PrincipalID) string {
	switch name := w.people[id]; {
	case name != "":
		return name
	case id.IsZero():
		return w.text.T("log.somebody")
	}
	return w.text.T("log.link") // or somebody of whom only the keys are left
}

func (w logWords) camera(id nvr.CameraID) string {
	if name := w.cameras[id]; name != "" {
		return name
	}
	return w.text.T("log.no_camera")
}

// line is an entry as a sentence, with its details.
func (w logWords) line(l auth.LogLine) view.LogLine {
	id, what := "log."+strings.ReplaceAll(l.Action, "-", "_"), l.Detail
	if l.Action == auth.LogAlarm {
		what = w.text.T(alarmText(l.Detail))
	}
	sentence := w.text.T(id, "who", w.who(l.Principal), "camera", w.camera(l.Camera), "what", what)
	if sentence == id {
		sentence = w.text.T("log.other", "who", w.who(l.Principal), "what", strings.ReplaceAll(l.Action, "-", " "))
	}
	v := view.LogLine{Seq: strconv.FormatUint(l.Seq, 10), Time: l.Time, Text: sentence, From: l.From, To: l.To, Shut: l.Shut}
	switch {
	case l.Addr != "" && l.Device != "":
		v.Where = w.text.T("log.where_device", "addr", l.Addr, "device", l.Device)
	case l.Addr != "":
		v.Where = w.text.T("log.where", "addr", l.Addr)
	}
	v.Bad = slices.Contains([]string{auth.LogAlarm, auth.LogLost, auth.LogLoginFailed}, l.Action)
	return v
}

// alarmText is the id of the text for an alarm.
func alarmText(word string) string { return "alarm." + strings.ReplaceAll(word, "-", "_") }

func (w logWords) notice(n nvr.Notice) string {
	id := "notice." + strings.ReplaceAll(n.Kind, "-", "_")
	return w.text.T(id, "who", w.who(n.Principal), "camera", w.camera(n.Camera), "n", strconv.Itoa(n.Count))
}

// choices lists what the record can be narrowed to, by name.
func (w logWords) choices() (cameras, people []view.Choice) {
	for id, name := range w.cameras {
		cameras = append(cameras, view.Choice{ID: id.String(), Name: name})
	}
	for id, name := range w.people {
		people = append(people, view.Choice{ID: id.String(), Name: name})
	}
	byName := func(a, b view.Choice) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	}
	slices.SortFunc(cameras, byName)
	slices.SortFunc(people, byName)
	return cameras, people
}
