package nvr

import "time"

// Quality is one of the two pictures that a camera offers.
type Quality uint8

// Main is the full picture, Sub the small one. A camera with a single stream
// has Main only.
const (
	Main Quality = iota
	Sub
)

// String returns "main" or "sub".
func (q Quality) String() string {
	if q == Sub {
		return "sub"
	}
	return "main"
}

// ParseQuality reads the form of String; the empty string is Main.
func ParseQuality(s string) (Quality, error) {
	switch s {
	case "", "main":
		return Main, nil
	case "sub":
		return Sub, nil
	}
	return Main, ErrInvalid
}

// Transport is how RTP travels from the camera.
type Transport uint8

// TCP interleaves RTP in the RTSP connection (RFC 2326 section 10.12), UDP
// sends it in datagrams.
const (
	TCP Transport = iota
	UDP
)

// Camera is a camera as its owner set it up. Name, URLs, User, Password and
// Identity are sealed with the machine key wherever they are stored.
type Camera struct {
	ID        CameraID
	Name      string
	Order     int
	Inside    bool // indoors: nobody but owners sees it, until one of them shares it
	Audio     bool // sound is recorded; off unless the owner switched it on
	Disabled  bool
	Transport Transport
	User      string
	Password  Secret
	// Streams lists what is pulled, Main first; one or two entries.
	Streams []Source
	// RetentionDays is how many days the box keeps of this camera, 1 to 3650;
	// 0 takes the default of the house.
	RetentionDays int
	Added         time.Time
	Motion        MotionSettings
	Record        RecordMode
	// QuietDays is how many days footage without motion is kept where Record is
	// RecordQuietShorter, 1 to 3650.
	QuietDays int
	// Identity is what is known of the device itself; zero if it told nothing.
	Identity Identity
}

// Source is one stream of a camera: where it is pulled from and the random id
// under which it is recorded.
type Source struct {
	Stream  StreamID
	Quality Quality
	// URL is rtsp:// or rtsps:// without user info.
	URL string
	// Pin is the SHA-256 of the certificate that an rtsps camera showed first;
	// empty until then.
	Pin []byte
}

// Cause says why there is no footage. The values are stored: never renumber.
type Cause uint8

// Every missing second has one of these causes.
const (
	CauseUnknown      Cause = iota
	CameraOffline           // unreachable, or sends nothing
	CameraRefused           // it rejected the password; not tried again by itself
	CameraUnfit             // it offers no stream that Lares can record
	NoOwner                 // nobody to seal to yet
	DiskFull                // no room, even after deleting what may go
	DiskGone                // the footage path is unmounted, foreign, read-only or broken
	BoxOff                  // Lares was not running
	ClockStep               // the wall clock was set
	Privacy                 // privacy mode
	Deleted                 // somebody deleted it
	Expired                 // it reached its age
	Quota                   // the oldest went, to make room
	Overload                // the disk did not keep up
	CameraSwitchedOff       // disabled in the settings
	Damaged                 // the file does not verify
	NoMotion                // nothing moved, and the camera keeps motion only
)

var causeNames = [...]string{
	"unknown", "camera-offline", "camera-refused", "camera-unfit", "no-owner", "disk-full", "disk-gone",
	"box-off", "clock-step", "privacy", "deleted", "expired", "quota", "overload", "switched-off", "damaged",
	"no-motion",
}

// String returns a stable word for logs and JSON; the UI has its own texts.
func (c Cause) String() string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return causeNames[CauseUnknown]
}

// Gap is a span of a stream without footage.
type Gap struct {
	Stream StreamID
	From   time.Time
	To     time.Time // zero while it lasts
	Cause  Cause
	Detail string // for the owner, without secrets; may be empty
}
