package view

import "time"

// People is the page of who is in the household.
type People struct {
	People []Person
	Home   []HomePaired // who sees cameras in the Home app
}

// Person is somebody on that page.
type Person struct {
	ID, Name, Role string
	This           bool
	Suspended      bool
	Invited        bool
	InviteOver     bool
	InviteEnds     time.Time
	Unconfirmed    bool
	From, Until    time.Time
	Sees           []string // a line for each camera
	Waiting        string   // days of recordings that do not open yet; empty for none
}

// PersonForm adds or changes a person.
type PersonForm struct {
	Form
	ID          string // empty for somebody new
	Home        []HomePaired
	This        bool // whoever looks
	Suspended   bool
	Invited     bool
	Role        string
	Roles       []RoleChoice
	Rights      []string
	Cameras     []CameraRights
	From, Until int64 // milliseconds since the Unix epoch; 0 for none
}

func (m PersonForm) action() string {
	if m.ID == "" {
		return "/people/new"
	}
	return "/people/" + m.ID
}

// RoleChoice is a role with what it allows at most and usually: names of
// rights with spaces between them.
type RoleChoice struct {
	ID, Most, Preset string
}

// CameraRights is what a person may do with one camera.
type CameraRights struct {
	ID, Name string
	Inside   bool
	Has      []string
}

// Invitation is the code of one, shown once.
type Invitation struct {
	Name, Code, Address string
	Expires             time.Time
}

// Join is how somebody who was invited chooses a password.
type Join struct {
	Form
	Name    string // empty: the code is asked for
	Secret  string
	QR      QR
	AuthURL string
}

// Log is a page of the record of who looked.
type Log struct {
	First                bool // it begins with the newest entry
	Notices              []Notice
	Lines                []LogLine
	Older                string // address of the next page; empty at the end
	Check                Check
	Camera, Person, Kind string // what is chosen
	Cameras, People      []Choice
	Kinds                []string
}

// LogLine is an entry as a sentence.
type LogLine struct {
	Seq, Text string
	Time      time.Time
	From, To  time.Time // of footage; may be zero
	Where     string    // where from, and with which device
	Shut      bool
	Bad       bool
}

// Notice tells of something unusual.
type Notice struct {
	Time time.Time
	Text string
}

// Check is what following the chain of the record gave; an empty text before.
type Check struct {
	Whole bool
	Text  string
}

// Watched says who looked at a camera last; an empty text for nobody.
type Watched struct {
	Time time.Time
	Text string
}
