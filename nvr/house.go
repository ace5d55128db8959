package nvr

import "time"

// The records of config.db that auth and db share. Blobs named Sealed or
// wrapped are opaque to db.

// PrincipalKind says what holds a key pair.
type PrincipalKind uint8

// Kinds of principals. The values are stored.
const (
	Person PrincipalKind = iota + 1
	Recovery
	Token
	Share
	Pairing
	Kiosk
)

// Role is what a person may do at most.
type Role uint8

// Roles, most powerful first. The values are stored.
const (
	Owner Role = iota + 1
	Member
	Viewer
	Guest
)

// Principal is anything that can hold keys: a person, the recovery sheet, a token.
type Principal struct {
	ID     PrincipalID
	Kind   PrincipalKind
	Role   Role
	Name   string // sealed with the machine key where it is stored
	Public []byte // X-Wing public key
	// Secret is sealed with a key derived from the principal's private key: the
	// owner's signing key and the last roster that the owner has seen.
	Secret  []byte
	Created time.Time
	Revoked time.Time // zero: in force
}

// UnlockerKind says what opens a principal's key.
type UnlockerKind uint8

// Kinds of unlockers. The values are stored.
const (
	Password UnlockerKind = iota + 1
	RecoveryKey
	Device
)

// Unlocker is one credential of a principal: the key pair's seed, wrapped.
type Unlocker struct {
	ID        ID[Unlocker]
	Principal PrincipalID
	Kind      UnlockerKind
	Salt      []byte
	Params    []byte // of the key derivation, with a version
	Wrapped   []byte
	Expires   time.Time // zero: never
}

// Vault is the key pair under which the footage of one camera and UTC day (or,
// with a zero camera, the household's own log) is sealed. The private part is
// held by nobody at rest: it is in the grants.
type Vault struct {
	ID     VaultID
	Camera CameraID
	Day    int    // days since the Unix epoch, UTC
	Public []byte // X-Wing public key
	Roster uint64 // version of the roster that it was sealed to
	// Escrow is the seed sealed to the recovery principal alone. It also lies beside the footage.
	Escrow []byte
	// Signature is an owner's countersignature; empty until an owner logged in.
	Signature []byte
	Created   time.Time
}

// Grant is a vault's seed sealed to one principal.
type Grant struct {
	Vault     VaultID
	Principal PrincipalID
	Sealed    []byte
}

// Roster is one version of the owner-signed list of who may hold keys.
type Roster struct {
	Version uint64
	Body    []byte
	Sigs    []byte
}

// Session is a logged-in browser or tool. The token itself is never stored.
type Session struct {
	TokenHash [32]byte
	Principal PrincipalID
	Device    string // sealed with the machine key where it is stored
	Created   time.Time
	Seen      time.Time
	Expires   time.Time
}

// Throttle counts failed guesses against one account or address.
type Throttle struct {
	Key   string
	Fails int
	Until time.Time
}

// LogEntry is one row of the record of who looked. Chain fields are auth's.
type LogEntry struct {
	Seq       uint64
	Time      time.Time
	Action    string // stable word, e.g. "playback"
	Principal PrincipalID
	Camera    CameraID
	Vault     VaultID // to which Details is sealed
	Details   []byte
	MAC       []byte
}
