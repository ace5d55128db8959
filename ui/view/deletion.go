package view

import "time"

// Stretch is a span of time with a note.
type Stretch struct {
	From, To time.Time
	Text     string
}

// Deletion is the page that says what goes, and deletes it.
type Deletion struct {
	Form
	Action     string // where the form goes
	Back       string // the camera's page; empty for the whole house
	Camera     string
	Everything bool        // no span was marked
	From, To   string      // as they were asked for; empty for everything
	Recent     [][2]string // text and query of spans that end now
	Some       bool        // something goes
	Wider      bool        // than what was marked, at the edges
	Begin, End time.Time   // of what goes
	Footage    string
	Size       string
	Events     string
	Days       string
	Beyond     []Stretch
	Kept       []Stretch
	Unfinished bool // an earlier deletion waits for keys
}

// Keep is the form that keeps a span as evidence.
type Keep struct {
	Form
	Camera   string
	From, To time.Time
}

// Keeps is the list of what is kept.
type Keeps struct {
	Holds []Hold
	Size  string
}

// Hold is footage that is kept.
type Hold struct {
	ID, Camera string
	From, To   time.Time
	Why, Size  string
	By         string
	Created    time.Time
	MayLift    bool
	Play       string // address; empty where there is no camera to play it on
}

// Share is the form for a link.
type Share struct {
	Form
	Camera   string
	From, To time.Time
	Days     []string
	MayHear  bool
}

// NewLink shows a link, once.
type NewLink struct {
	Address string
	Until   time.Time
}

// Links is the list of links.
type Links struct {
	Links []Link
}

// Link is a link that is in force.
type Link struct {
	ID, Label, Camera string
	From, To          time.Time
	Sound             bool
	By                string
	Until             time.Time
}

// word is a time as a form sends it back.
func word(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
