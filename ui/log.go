package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

const (
	// logLines is how many entries a page shows, at least, if there are so many.
	logLines = 50
	// logRows is how many are read at a time, and logReads how often for a page:
	// a filter that hardly ever fits ends with a page that leads on.
	logRows  = 250
	logReads = 20
	// maxNotices is how many notices are listed.
	maxNotices = 50
)

// logKinds are what the record can be narrowed to. "" is everything.
func logKinds() map[string][]string {
	return map[string][]string{
		"looked": {auth.LogLive, auth.LogPlayback, auth.LogExport, auth.LogLinkOpened, auth.LogHomeKitLive, auth.LogHomeKitSnapshots},
		"saved":  {auth.LogExport, auth.LogLink, auth.LogLinkEnded, auth.LogDeleted, auth.LogDeleteStopped, auth.LogKept, auth.LogLifted},
		"logins": {
			auth.LogLogin, auth.LogLoginFailed, auth.LogLogout, auth.LogUnlock, auth.LogRevoked, auth.LogJoined,
			auth.LogRemembered, auth.LogForgotten, auth.LogBoxCode, auth.LogCodeUsed, auth.LogRecovered,
		},
		"people": {
			auth.LogPersonAdded, auth.LogPersonChanged, auth.LogPersonSuspended, auth.LogPersonResumed, auth.LogPersonRemoved,
			auth.LogPersonReset, auth.LogJoined, auth.LogPassword, auth.LogGranted, auth.LogSecondFactor, auth.LogWaived, auth.LogTold,
			logHomeKitOn, logHomeKitOff, logHomeKitInside, logHomeKitAway, logHomeKitWithdrawn, logHomeKitPaired, logHomeKitUnpaired, logHomeKitWrongCode,
		},
		"privacy": {
			auth.LogPrivate, auth.LogPrivateLifted, auth.LogPrivateEnded,
			auth.LogHousePrivate, auth.LogHousePrivateLifted, auth.LogHousePrivateEnded, auth.LogPrivacyPlan,
		},
		"box": {
			auth.LogStart, auth.LogLost, auth.LogAlarm, auth.LogSetup, auth.LogReset, auth.LogKeysDestroyed,
			logCameraAdded, logCameraChanged, logCameraRemoved, logCameraReplaced, logCameraMoved, logMasks,
		},
	}
}

// logFilter is what somebody wants to see of the record.
type logFilter struct {
	camera nvr.CameraID
	person nvr.PrincipalID
	kind   string
	before uint64
}

// readLogFilter reads the query; what makes no sense is left out.
func readLogFilter(q url.Values) logFilter {
	var f logFilter
	if id, err := nvr.ParseID[nvr.Camera](q.Get("camera")); err == nil {
		f.camera = id
	}
	if id, err := nvr.ParseID[nvr.Principal](q.Get("person")); err == nil {
		f.person = id
	}
	if _, ok := logKinds()[q.Get("kind")]; ok {
		f.kind = q.Get("kind")
	}
	f.before, _ = strconv.ParseUint(q.Get("before"), 10, 63) // 0 is the newest
	return f
}

func (f logFilter) fits(l auth.LogLine) bool {
	return (f.person.IsZero() || l.Principal == f.person) && (f.kind == "" || slices.Contains(logKinds()[f.kind], l.Action))
}

// query is the filter as the address of a page that begins before an entry.
func (f logFilter) query(before uint64) string {
	q := url.Values{}
	if !f.camera.IsZero() {
		q.Set("camera", f.camera.String())
	}
	if !f.person.IsZero() {
		q.Set("person", f.person.String())
	}
	if f.kind != "" {
		q.Set("kind", f.kind)
	}
	if before > 0 {
		q.Set("before", strconv.FormatUint(before, 10))
	}
	return q.Encode()
}

// whoLooked shows a page of the record of who looked.
func (s *Server) whoLooked(c *call) error { return s.showLog(c, view.Check{}) }

func (s *Server) showLog(c *call, check view.Check) error {
	if c.sess.Locked() {
		return redirect("/unlock?next=" + url.QueryEscape("/log"))
	}
	names, err := s.cfg.Auth.Names(c.r.Context(), c.sess)
	if err != nil {
		return err
	}
	f := readLogFilter(c.r.URL.Query())
	lines, before, err := s.readLog(c, f)
	if err != nil {
		return notFoundUnlessTampered(err)
	}
	m := view.Log{Camera: idText(f.camera), Person: idText(f.person), Kind: f.kind, Check: check, First: f.before == 0}
	if before > 0 {
		m.Older = "/log?" + f.query(before)
	}
	w := s.words(c, names)
	for _, l := range lines {
		m.Lines = append(m.Lines, w.line(l))
	}
	if m.Notices, err = s.notices(c, w); err != nil {
		return err
	}
	m.Cameras, m.People = w.choices()
	m.Kinds = []string{"looked", "saved", "logins", "people", "privacy", "box"}
	return c.render(http.StatusOK, view.LogPage(s.page(c, s.text.T("log.title"), "log"), m))
}

// readLog reads entries that fit, newest first, and where to go on; 0 at the end.
func (s *Server) readLog(c *call, f logFilter) (lines []auth.LogLine, before uint64, err error) {
	before = f.before
	for range logReads {
		var page []auth.LogLine
		page, before, err = s.cfg.Auth.Log(c.r.Context(), c.sess, auth.LogPage{Before: before, Camera: f.camera, Limit: logRows})
		if err != nil {
			return nil, 0, err
		}
		for _, l := range page {
			if !f.fits(l) {
				continue
			}
			if len(lines) == logLines { // the rest of these rows is for the next page
				return lines, lines[len(lines)-1].Seq, nil
			}
			lines = append(lines, l)
		}
		if before == 0 {
			break
		}
	}
	return lines, before, nil
}

// notices lists what was unusual. Looking at them is what takes the banner away.
func (s *Server) notices(c *call, w logWords) ([]view.Notice, error) {
	list, err := s.cfg.Auth.Notices(c.r.Context(), c.sess, maxNotices)
	if err != nil {
		return nil, err
	}
	var out []view.Notice
	for _, n := range list {
		out = append(out, view.Notice{Time: n.Time, Text: w.notice(n)})
	}
	if len(list) > 0 {
		setCookie(c.w, seenCookieName, strconv.FormatInt(list[0].Num, 10), cookieLife)
	}
	return out, nil
}

// unseen counts an owner's notices of the last days that this browser has not
// shown yet.
func (s *Server) unseen(c *call) int {
	const lately = 14 * 24 * time.Hour
	if c.sess.Role() != nvr.Owner {
		return 0
	}
	list, err := s.cfg.Auth.Notices(c.r.Context(), c.sess, maxNotices)
	if err != nil {
		return 0 // the page is about something else
	}
	var seen int64
	if cookie, err := c.r.Cookie(seenCookieName); err == nil {
		seen, _ = strconv.ParseInt(cookie.Value, 10, 64) // 0: none
	}
	n := 0
	for _, one := range list {
		if one.Num > seen && time.Since(one.Time) < lately {
			n++
		}
	}
	return n
}

// checkLog follows the chain of the record and shows whether it is whole.
func (s *Server) checkLog(c *call) error {
	report, err := s.cfg.Auth.VerifyLog(c.r.Context(), c.sess)
	if err != nil {
		return err
	}
	check := view.Check{Whole: report.Problem == auth.NoProblem, Text: s.text.T("check.whole", "n", strconv.FormatUint(report.Last-report.First+1, 10))}
	if !check.Whole {
		check.Text = s.text.T("check."+strings.ReplaceAll(string(report.Problem), "-", "_"), "n", strconv.FormatUint(report.Row, 10))
	}
	return s.showLog(c, check)
}

// lastWatched says who looked at the camera of the page last; an empty name if
// nobody did, or if that is not this person's to know.
func (s *Server) lastWatched(c *call) view.Watched {
	w, ok, err := s.cfg.Auth.LastWatched(c.r.Context(), c.sess, c.camera.ID)
	if err != nil || !ok {
		return view.Watched{}
	}
	name := w.Name
	if name == "" {
		name = s.text.T("log.link")
	}
	return view.Watched{Time: w.Time, Text: s.text.T("watched."+w.Action, "who", name)}
}

func idText[K any](id nvr.ID[K]) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}
