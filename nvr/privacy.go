package nvr

import "time"

// PrivacyState says whether a camera is private at the moment: then the box is
// not connected to it, and nobody and nothing sees or hears what it would.
type PrivacyState struct {
	On    bool
	Since time.Time
	Until time.Time   // zero: until somebody lifts it
	By    PrincipalID // who wanted it; zero: the plan of the week
	House bool        // the whole house is private
}

// PrivacyRequest switches privacy mode on or lifts it.
type PrivacyRequest struct {
	Camera CameraID // zero: the house
	On     bool
	Until  time.Time // of what is switched on; zero: until somebody lifts it
	By     PrincipalID
	Addr   string // from where it is asked, for the record of who looked
}

// PrivacySwitch is privacy that somebody switched on, as it is stored.
type PrivacySwitch struct {
	Camera CameraID // zero: the house
	Since  time.Time
	Until  time.Time // zero: until somebody lifts it
	By     PrincipalID
}

// PrivacyChange is what the record of who looked is told of privacy mode.
type PrivacyChange struct {
	Kind   PrivacyChangeKind
	Camera CameraID // zero: the house
	By     PrincipalID
	Addr   string
	// From and To are what it is now meant to last, or lasted; To may be zero.
	From, To time.Time
}

// PrivacyChangeKind says what happened to privacy mode.
type PrivacyChangeKind uint8

// Kinds of changes.
const (
	PrivacyBegan   PrivacyChangeKind = iota + 1
	PrivacyLifted                    // by somebody
	PrivacyEnded                     // its time was over
	PrivacyPlanned                   // another plan of the week
)

// MaxPrivateHours bounds the lines of the plan.
const MaxPrivateHours = 32

// PrivacyPlan is a new plan of the week, and whose it is.
type PrivacyPlan struct {
	Hours []PrivateHours
	By    PrincipalID
	Addr  string
}

// PrivateHours is a line of the plan by which cameras are private every week.
type PrivateHours struct {
	Camera CameraID // zero: all cameras, or those indoors
	Inside bool     // those indoors alone; meaningful for a zero Camera
	Days   Weekdays // on which it begins
	// From and To are minutes since midnight on a clock where the box is, 0 to
	// 1439. Where To is not after From it is meant on the next day.
	From, To int
}

// Weekdays is a set of days; 1<<time.Sunday is Sunday.
type Weekdays uint8

// Has reports whether a day is in the set.
func (w Weekdays) Has(d time.Weekday) bool { return w&(1<<d) != 0 }
