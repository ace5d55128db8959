package view

import "time"

// HomeKit is the page about the Home app.
type HomeKit struct {
	On          bool
	Accessories []HomeThing
}

// HomeThing is one thing that can be in the Home app.
type HomeThing struct {
	Camera   string // id; empty for the house itself
	Name     string
	Offered  bool
	Away     bool // also away from home
	Up       bool
	Problem  string // why it does not work, for the owner
	NoStream bool   // none of its streams is in a form that the Home app shows
	Single   bool   // it has no small picture, which is for who is away
	Paired   []HomePaired
}

// Path is the page about it.
func (t HomeThing) Path() string {
	if t.Camera == "" {
		return "/homekit/house"
	}
	return "/cameras/" + t.Camera + "/homekit"
}

// word is the state for style sheets.
func (t HomeThing) word() string {
	switch {
	case t.Up:
		return "on"
	case t.Problem == "":
		return "starting"
	}
	return "off"
}

// HomePaired is a phone or a home hub that sees a camera.
type HomePaired struct {
	ID    string
	Name  string // empty: it was added from the Home app
	Since time.Time
}

// HomeDetail is the page about one thing.
type HomeDetail struct {
	Form
	HomeThing
	// While somebody can pair:
	Until time.Time
	Code  string // 123-45-678
	QR    QR
	Wrong int       // codes that were wrong since
	Test  *HomeTest // nil before it is asked for
}

// HomeTest is what a look from outside found.
type HomeTest struct {
	Answered, Host  bool
	Reached, Missed string // addresses
}
