package ui

import (
	"net/http"
	"slices"
	"time"

	"lares/nvr/auth"
)

// rule says who may call a route at all.
type rule uint8

const (
	// loggedIn is the zero value, so that a rule that was forgotten closes.
	loggedIn  rule = iota
	open           // anybody: the list of these is a test
	unclaimed      // anybody, until the box has an owner
)

// kind says how a route answers.
type kind uint8

const (
	page   kind = iota // HTML; errors are pages
	api                // JSON or media at once; errors are JSON
	stream             // as api, without a limit in time, until the session ends
)

type handler func(c *call) error

// route is one line of the table.
type route struct {
	pattern string // of http.ServeMux
	handle  handler
	rule    rule
	// action is what Authorize is asked, about the {camera} of the pattern if
	// there is one. Empty: being logged in is enough.
	action   auth.Action
	kind     kind
	anywhere bool          // answers wherever the cookie of a session comes from
	early    bool          // a page that is shown before somebody confirmed to know what is kept
	patience time.Duration // how long the answer may take; usual if 0
}

func (rt route) limit() time.Duration {
	if rt.patience > 0 {
		return rt.patience
	}
	return usual
}

// routes is the table of everything that the web interface answers.
func (s *Server) routes() []route {
	return slices.Concat(s.openRoutes(), s.homeKitRoutes(), s.cameraRoutes(), s.householdRoutes(), s.decisionRoutes(), s.apiRoutes())
}

// openRoutes answer somebody who is not logged in.
func (s *Server) openRoutes() []route {
	return []route{
		{pattern: "GET /healthz", handle: s.health, rule: open, kind: api},
		{pattern: "GET /ca.crt", handle: s.authority, rule: open, kind: api},
		{pattern: "GET /help/certificate", handle: s.certificateHelp, rule: open},
		{pattern: "GET /static/", handle: s.staticFile, rule: open, kind: api},
		{pattern: "GET /login", handle: s.loginForm, rule: open},
		{pattern: "POST /login", handle: s.login, rule: open},
		{pattern: "GET /join", handle: s.joinForm, rule: open},
		{pattern: "POST /join/code", handle: s.joinCode, rule: open},
		{pattern: "POST /join", handle: s.join, rule: open},
		{pattern: "GET /recover", handle: s.recoverForm, rule: open},
		{pattern: "POST /recover", handle: s.recoverOwner, rule: open},
		{pattern: "POST /api/v1/device/login", handle: s.useDevice, rule: open, kind: api},
		{pattern: "GET /shared", handle: s.sharedPage, rule: open},
		{pattern: "POST /api/v1/shared", handle: s.openLink, rule: open, kind: api},
		{pattern: "GET /setup", handle: s.setupForm, rule: unclaimed},
		{pattern: "POST /setup/code", handle: s.setupCode, rule: unclaimed},
		{pattern: "POST /setup/owner", handle: s.setupOwner, rule: unclaimed},
		{pattern: "POST /setup/recovery", handle: s.setupRecovery, rule: unclaimed},
		{pattern: "POST /setup/factor", handle: s.setupFactor, rule: unclaimed},
		{pattern: "/", handle: s.nothing, rule: open},
	}
}

// cameraRoutes are the pages of cameras and of what they saw.
func (s *Server) cameraRoutes() []route {
	const probing = 60 * time.Second // two streams, each tried once
	return []route{
		{pattern: "GET /{$}", handle: s.home},
		{pattern: "GET /kiosk", handle: s.kiosk},       // each camera is asked about by itself
		{pattern: "GET /events", handle: s.eventsPage}, // each camera is asked about by itself
		{pattern: "GET /welcome", handle: s.welcome, action: auth.ActSettings, early: true},
		{pattern: "GET /cameras/new", handle: s.newCameraForm, action: auth.ActCameras},
		{pattern: "POST /cameras/new", handle: s.askCamera, action: auth.ActCameras, patience: probing},
		{pattern: "POST /cameras/new/search", handle: s.searchCameras, action: auth.ActCameras},
		{pattern: "POST /cameras/new/add", handle: s.addCamera, action: auth.ActCameras},
		{pattern: "POST /cameras/new/change", handle: s.changeCamera, action: auth.ActCameras},
		{pattern: "GET /cameras/{camera}", handle: s.cameraPage, action: auth.ActLive},
		{pattern: "GET /cameras/{camera}/settings", handle: s.settingsForm, action: auth.ActCameras},
		{pattern: "POST /cameras/{camera}/settings", handle: s.saveSettings, action: auth.ActCameras},
		{pattern: "GET /cameras/{camera}/masks", handle: s.masksForm, action: auth.ActCameras},
		{pattern: "POST /cameras/{camera}/masks", handle: s.saveMasks, action: auth.ActCameras},
		{pattern: "POST /cameras/{camera}/remove", handle: s.removeCamera, action: auth.ActCameras},
		{pattern: "POST /cameras/{camera}/privacy", handle: s.setPrivate, action: auth.ActPrivacy},
		{pattern: "POST /cameras/{camera}/privacy/lift", handle: s.reveal, action: auth.ActReveal},
		{pattern: "GET /privacy", handle: s.privacyPage, action: auth.ActPrivacy},
		{pattern: "POST /privacy", handle: s.setPrivate, action: auth.ActPrivacy},
		{pattern: "POST /privacy/lift", handle: s.reveal, action: auth.ActReveal},
		{pattern: "POST /privacy/plan", handle: s.addHours, action: auth.ActSettings},
		{pattern: "POST /privacy/plan/remove", handle: s.dropHours, action: auth.ActSettings},
		{pattern: "POST /cameras/{camera}/retry", handle: s.retryCamera, action: auth.ActCameras},
	}
}

// householdRoutes are the pages of people, their keys, and who looked.
func (s *Server) householdRoutes() []route {
	const checking = 5 * time.Minute // a record of years
	return []route{
		{pattern: "POST /logout", handle: s.logout, anywhere: true},
		{pattern: "GET /first", handle: s.firstPage, early: true},
		{pattern: "POST /first", handle: s.confirmFirst},
		{pattern: "GET /unlock", handle: s.unlockForm, early: true, anywhere: true},
		{pattern: "POST /unlock", handle: s.unlock, anywhere: true},
		{pattern: "GET /prove", handle: s.proofForm},
		{pattern: "POST /prove", handle: s.proved},
		{pattern: "GET /account", handle: s.account, action: auth.ActAccount},
		{pattern: "POST /account/password", handle: s.changePassword, action: auth.ActAccount},
		{pattern: "POST /account/revoke", handle: s.revoke, action: auth.ActAccount},
		{pattern: "GET /account/factor", handle: s.newFactor, action: auth.ActAccount},
		{pattern: "POST /account/factor", handle: s.setFactor, action: auth.ActAccount},
		{pattern: "POST /account/factor/off", handle: s.dropFactor, action: auth.ActAccount},
		{pattern: "POST /account/codes", handle: s.newCodes, action: auth.ActAccount},
		{pattern: "POST /account/devices/forget", handle: s.forgetDevice, action: auth.ActAccount},
		{pattern: "GET /remember", handle: s.rememberPage, action: auth.ActAccount},
		{pattern: "GET /protect", handle: s.protect, action: auth.ActStatus},
		{pattern: "GET /log", handle: s.whoLooked, action: auth.ActLog},
		{pattern: "POST /log/check", handle: s.checkLog, action: auth.ActLog, patience: checking},
		{pattern: "GET /people", handle: s.people, action: auth.ActPeople},
		{pattern: "GET /people/new", handle: s.newPerson, action: auth.ActPeople},
		{pattern: "POST /people/new", handle: s.addPerson, action: auth.ActPeople},
		{pattern: "GET /people/{person}", handle: s.personForm, action: auth.ActPeople},
		{pattern: "POST /people/{person}", handle: s.changePerson, action: auth.ActPeople},
		{pattern: "POST /people/{person}/suspend", handle: s.suspendPerson, action: auth.ActPeople},
		{pattern: "POST /people/{person}/reset", handle: s.resetPerson, action: auth.ActPeople},
		{pattern: "POST /people/{person}/remove", handle: s.removePerson, action: auth.ActPeople},
	}
}

// decisionRoutes are the pages of what becomes of footage: links to it, what is
// kept and what is deleted.
func (s *Server) decisionRoutes() []route {
	const resealing = 15 * time.Minute // a day of a camera on a slow disk
	return []route{
		{pattern: "GET /cameras/{camera}/share", handle: s.shareForm, action: auth.ActExport},
		{pattern: "POST /cameras/{camera}/share", handle: s.makeLink, action: auth.ActExport},
		{pattern: "GET /links", handle: s.links, action: auth.ActAccount},
		{pattern: "POST /links/{link}/end", handle: s.endLink, action: auth.ActAccount},
		{pattern: "GET /cameras/{camera}/keep", handle: s.keepForm, action: auth.ActExport},
		{pattern: "POST /cameras/{camera}/keep", handle: s.keepFootage, action: auth.ActExport, patience: resealing},
		{pattern: "GET /keeps", handle: s.keeps, action: auth.ActStatus},
		{pattern: "POST /keeps/{hold}/lift", handle: s.liftHold, action: auth.ActStatus},
		{pattern: "GET /cameras/{camera}/delete", handle: s.deletionForm, action: auth.ActDelete},
		{pattern: "POST /cameras/{camera}/delete", handle: s.deleteFootage, action: auth.ActDelete, patience: resealing},
		{pattern: "GET /delete", handle: s.deletionForm, action: auth.ActDelete},
		{pattern: "POST /delete", handle: s.deleteFootage, action: auth.ActDelete, patience: resealing},
	}
}

// apiRoutes answer scripts.
func (s *Server) apiRoutes() []route {
	return []route{
		{pattern: "POST /api/v1/device", handle: s.remember, action: auth.ActAccount, kind: api},
		{pattern: "GET /api/v1/cameras", handle: s.listCameras, kind: api},
		{pattern: "GET /api/v1/overview", handle: s.overview, kind: api}, // each camera is asked about by itself
		{pattern: "GET /api/v1/drafts/{draft}/still.jpg", handle: s.draftPicture, action: auth.ActCameras, kind: api},
		{pattern: "GET /api/v1/live/{camera}", handle: s.live, action: auth.ActLive, kind: stream},
		{pattern: "GET /api/v1/cameras/{camera}/timeline", handle: s.timeline, action: auth.ActReplay, kind: api},
		{pattern: "GET /api/v1/cameras/{camera}/index", handle: s.playIndex, action: auth.ActReplay, kind: api},
		{pattern: "GET /api/v1/cameras/{camera}/init/{segment}", handle: s.playInit, action: auth.ActReplay, kind: api},
		{pattern: "GET /api/v1/cameras/{camera}/media", handle: s.playMedia, action: auth.ActReplay, kind: stream},
		{pattern: "GET /api/v1/cameras/{camera}/export.mp4", handle: s.export, action: auth.ActExport, kind: stream},
		{pattern: "GET /api/v1/cameras/{camera}/shared", handle: s.shared, action: auth.ActReplay, kind: stream},
		{pattern: "GET /api/v1/cameras/{camera}/search", handle: s.search, action: auth.ActReplay, kind: api},
		{pattern: "GET /api/v1/cameras/{camera}/still.jpg", handle: s.still, action: auth.ActLive, kind: api},
		{pattern: "GET /api/v1/events", handle: s.listEvents, kind: api}, // each camera is asked about by itself
		{pattern: "GET /api/v1/events/{event}/thumbnail.jpg", handle: s.thumbnail, action: auth.ActReplay, kind: api},
		{pattern: "GET /api/v1/happenings", handle: s.happenings, kind: stream}, // so is each piece of news
		{pattern: "POST /api/v1/csp", handle: s.policyReport, kind: api},
	}
}

// health says that the box answers, and nothing else.
func (s *Server) health(c *call) error {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = c.w.Write([]byte("ok\n")) // a client that left is not our problem
	return nil
}

func (s *Server) staticFile(c *call) error {
	s.static.ServeHTTP(c.w, c.r)
	return nil
}

func (s *Server) nothing(*call) error {
	return &problem{status: http.StatusNotFound, code: "not-found", text: "error.not_found"}
}

// policyReport counts; what a page tried is in the browser's own console.
func (s *Server) policyReport(c *call) error {
	s.reports.Add(1)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
