// Package view draws the pages of the web UI. Its components take plain values
// and decide nothing; all text comes from the catalogue in [Page].
//
// The package holds no state: everything here may be used from any goroutine.
package view

import (
	"strconv"
	"strings"
	"time"

	"lares/ui/text"
)

// Page is what every page needs.
type Page struct {
	Text   *text.Catalogue
	Static func(name string) string
	Title  string
	Tab    string   // the entry of the navigation that is marked: "cameras", "events", "account" or "help"
	User   string   // name of who is logged in; empty for nobody
	Locked bool     // logged in, but the keys of the footage are gone from memory
	Notice string   // good news of the last action
	Alarms []string // what the owner must know at once
	House  *Private // privacy mode of the house; nil where the page does not offer it
	// Privates is what the scripts are told of privacy mode; nil where the page
	// shows no camera.
	Privates any
	// May reports whether whoever is logged in may do something with the house;
	// nil for nobody.
	May func(action string) bool
}

func (p Page) may(action string) bool { return p.May != nil && p.May(action) }

// T returns a text of the catalogue.
func (p Page) T(id string, args ...string) string { return p.Text.T(id, args...) }

// scriptTexts are the texts that the modules use.
func (p Page) scriptTexts() map[string]string { return p.Text.Script("js.", "cause.", "state.") }

// Form is a form that was sent and has to be shown again.
type Form struct {
	Error string // a sentence above the form
	// Field is the name of the input that is wrong; empty if it is none in particular.
	Field string
	// Values of the inputs by name; never a password.
	Values map[string]string
}

func (f Form) wrong(field string) string {
	if f.Error != "" && f.Field == field {
		return "true"
	}
	return "false"
}

// State says whether a camera is being recorded.
type State struct {
	Recording bool
	Starting  bool // it was added a moment ago
	Waits     bool // for motion, as the owner wants
	Private   bool // as somebody wants
	Since     time.Time
	Cause     string // in words
	Detail    string // what to do
}

// word is the state for style sheets.
func (s State) word() string {
	switch {
	case s.Recording:
		return "on"
	case s.Private:
		return "private"
	case s.Waits:
		return "waits"
	case s.Starting:
		return "starting"
	}
	return "off"
}

// Camera is a camera on a page.
type Camera struct {
	ID      string
	Name    string
	Inside  bool
	Sound   bool
	HasSub  bool
	Refused bool // rejected the password; waits for the owner
	State   State
	Streams []Stream
	// Of the camera's own page.
	Watched   Watched
	Private   Private
	MayExport bool
	MayDelete bool
	All       string // ids of all cameras in order, with commas between
	MayReplay bool   // also on the wall
}

// replayed lists the ids of the cameras whose footage may be looked at, with
// commas between.
func replayed(cameras []Camera) string {
	var ids []string
	for _, c := range cameras {
		if c.MayReplay {
			ids = append(ids, c.ID)
		}
	}
	return strings.Join(ids, ",")
}

// Stream is one stream of a camera in words.
type Stream struct {
	Title string // "Main picture"
	Facts string // "H.265, 2560 × 1440, 20 pictures a second, 3.1 Mbit/s"
	URL   string
	Notes []string
}

// Login is the page that asks for name and password.
type Login struct {
	Form
	Next   string
	Device bool // this browser may be a remembered device
	Ways   bool // the other ways in are shown open
}

// Factor is a fresh second factor.
type Factor struct {
	Form
	Draft   string
	Secret  string
	QR      QR
	AuthURL string
}

// Device is a remembered device.
type Device struct {
	ID, Label      string
	Since, Expires time.Time
}

// Proof is the form that asks for the password once more.
type Proof struct {
	Form
	Action string // where the form goes
	Back   string // without it
	Fields [][2]string
}

// Setup is a step of the first run.
type Setup struct {
	Form
	Step int // 1 to 4
	// Of step 4, the second factor.
	Secret  string
	QR      QR
	AuthURL string
	// Of step 3, the recovery key.
	Groups []string
	Ask    [2]int // which groups to type back, from 1
}

// QR is a QR code as a path of unit squares.
type QR struct {
	Size int
	Path string
}

func (q QR) viewBox() string {
	n := strconv.Itoa(q.Size + 8)
	return "-4 -4 " + n + " " + n
}

// Disk is a footage path in words.
type Disk struct {
	Path    string
	Used    string
	Free    string
	Total   string
	Percent int // of the disk that is in use, by whatever
	Problem string
}

// Welcome explains what is kept, after the household was made.
type Welcome struct {
	Disks []Disk
	Days  int // default retention
}

// Settings is the page of one camera's settings.
type Settings struct {
	Form
	Camera Camera
	Days   int
	Motion Motion
}

// Motion is what is looked for on a camera, and what of it is kept.
type Motion struct {
	On          bool
	Works       bool
	Detail      string // why not, or why less well
	Fence       string // empty where it is whole
	Sensitivity string // "low", "normal" or "high"
	Side        int    // of the smallest box, per cent of the picture's; 0: by itself
	Zones       string // JSON
	Record      string // "always", "quiet" or "motion"
	QuietDays   int
	Days        int // that everything else is kept
}

// Events is the page of what moved.
type Events struct {
	Cameras []Choice
	Chosen  string // id of the camera; empty for all
}

// Choice is an entry of a list to choose from.
type Choice struct {
	ID   string
	Name string
}

// Account is the page of one's own password and sessions.
type Account struct {
	Form
	Name     string
	Sessions []Session
	Devices  []Device
	Locked   bool // what stands below is not known
	Second   bool // there is a second factor
	Codes    int  // recovery codes that are left
}

// Session is a browser that is logged in.
type Session struct {
	ID     string
	Device string
	Since  time.Time
	Seen   time.Time
	This   bool
}

// Certificate is the page that helps to install the certificate.
type Certificate struct {
	Fingerprint string
	Names       []string
}

// lines cuts the fingerprint after every eighth byte, so that it can be compared.
func (c Certificate) lines() []string {
	const width = 8 * len("00:")
	var lines []string
	for rest := c.Fingerprint; rest != ""; rest = rest[min(width, len(rest)):] {
		lines = append(lines, rest[:min(width, len(rest))])
	}
	return lines
}

// instant is the machine form of a time for the datetime attribute.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// fallback is shown until the script puts the viewer's own zone.
func fallback(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
