package nvr

import "time"

// Reach is from where a camera may be watched in the Home app. The values are
// stored.
type Reach uint8

// The owner chooses one of the other two before anybody can pair.
const (
	ReachUnset Reach = iota
	ReachHouse       // inside the house only
	ReachAway        // also away from home, through Apple's relay
)

// HomeStatus is what the Home app can have of the house.
type HomeStatus struct {
	On          bool
	Accessories []HomeAccessory // the house itself first, then cameras by order
	// Names of all who are or were paired, for the record of who looked; empty
	// names are those who were added from the Home app.
	Names map[PrincipalID]string
}

// HomeAccessory is one thing that can be added to the Home app.
type HomeAccessory struct {
	Camera CameraID // zero: the house itself
	Name   string
	Reach  Reach // ReachUnset: it is not offered
	// Of what is offered: the code of eight digits, the text of its QR code, and
	// the TCP port.
	Code, URI string
	Port      int
	Up        bool
	Problem   string // why not, or what does not work; for the owner
	// PairingUntil is the end of the time in which somebody with the code can
	// pair; zero while nobody can.
	PairingUntil time.Time
	WrongCodes   int
	Pairings     []HomePairing
}

// HomePairing is an iPhone, or a home hub, that may see a camera.
type HomePairing struct {
	ID    PrincipalID
	Name  string // as the owner called it; empty where it was added from the Home app
	Admin bool   // may add and remove others
	Since time.Time
}

// HomeOffer is what an owner decides when a camera is opened for pairing.
type HomeOffer struct {
	Camera CameraID // zero: the house itself
	Reach  Reach
	Name   string // of who pairs
}

// HomeTest is what a look at an accessory from outside found.
type HomeTest struct {
	Answered bool     // its name was answered in the network (mDNS)
	Reached  []string // addresses of this box at which it answers
	Missed   []string // addresses at which it does not
	// HostNetwork: this box is in the network of the house, and not behind the
	// address translation of a container.
	HostNetwork bool
}
