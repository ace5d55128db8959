package view

// NewCamera is the page that searches for a camera and asks for its login.
type NewCamera struct {
	Form
	Makers []Maker
	// Searched: the house was searched, and Found is what answered.
	Searched bool
	Found    []Found
	// Device is the one that was chosen; nil: an address is typed.
	Device *Found
	// Replace is the camera that a new one takes the place of; nil: none.
	Replace *Camera
}

// typed reports whether the next step is to type an address rather than to search.
func (m NewCamera) typed() bool { return m.Searched || m.Error != "" }

// Found is a device that answered a search.
type Found struct {
	Token string // names it in the next step
	Name  string
	What  string // maker and model
	Host  string
	Known string // the name under which it was added already
	Sure  bool   // and it is that device, not only its address
}

// Maker is a choice of where a camera has its streams.
type Maker struct {
	ID   string
	Name string
}

// Report is what a camera answered.
type Report struct {
	Form
	Draft   string // token of what was typed
	What    string // maker and model; empty if unknown
	Address string
	Picture bool
	Tables  []AdviceTable
	Advice  string // in words, if something is wrong
	Usable  bool
	Replace *Camera
}

// AdviceTable says of one stream, or of the camera, what could be better.
type AdviceTable struct {
	Title string
	Rows  []Advice
	Notes []string
}

// Advice is one thing that a camera is set to.
type Advice struct {
	What  string // "Key frames"
	Value string // "every 4 s"
	Level string // "good", "fair" or "poor"
	Fix   string // what to change in the camera; empty if good
}

func (a Advice) icon() string {
	if a.Level == "good" {
		return "check"
	}
	return "warning"
}

// Masks is the page of what the camera itself hides.
type Masks struct {
	Form
	Camera   Camera
	Possible bool
	Most     string
	Count    int
	Zones    string // JSON
	Private  bool   // privacy mode can be offered
}
