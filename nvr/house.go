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

// Rights are what a person may do with one camera, within what the role allows.
// The values are stored.
type Rights uint8

// The rights. Export and delete are worth nothing without replay, sound nothing
// without one of the pictures.
const (
	MayLive Rights = 1 << iota
	MayReplay
	MayAudio
	MayExport
	MayDelete
)

// CameraRights is what a person may do with one camera.
type CameraRights struct {
	Camera CameraID `json:"camera"`
	Rights Rights   `json:"rights"`
}

// Principal is anything that can hold keys: a person, the recovery sheet, a token.
type Principal struct {
	ID     PrincipalID
	Kind   PrincipalKind
	Role   Role
	Name   string // sealed with the machine key where it is stored
	Public []byte // X-Wing public key
	// Secret is sealed with a key derived from the principal's private key: the
	// owner's signing key and the last roster that the owner has seen.
	Secret []byte
	// Succession certifies the keys that the person took since an owner signed
	// the roster last. Opaque.
	Succession []byte
	Created    time.Time
	Revoked    time.Time // zero: in force
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
	Label     string // of a device; sealed with the machine key where it is stored
	Created   time.Time
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

// Enactment is a new roster and all that changes with it: it happens as a whole
// or not at all.
type Enactment struct {
	Roster Roster
	People []PersonChange
	// Vault is a new vault of the household with its grants; a zero ID is none.
	Vault  Vault
	Grants []Grant
	// Drop lists whose grants are erased.
	Drop []GrantDrop
}

// PersonChange is a principal as it will be. Unlockers, unless nil, replace all
// that it had.
type PersonChange struct {
	Principal Principal
	Unlockers []Unlocker
}

// GrantDrop names grants of a principal: those of the cameras, or all.
type GrantDrop struct {
	Principal PrincipalID
	All       bool
	Cameras   []CameraID // a zero camera is the household's log
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

// SealedKey is the key of a segment as it stands in the segment's header: what
// [Opener] opens.
type SealedKey struct {
	Vault  VaultID
	Info   []byte
	Sealed []byte
}

// ShareLink is a link to a span of one camera's footage for somebody without an
// account. All but ID and Expires is sealed with the machine key where it is stored.
type ShareLink struct {
	ID       PrincipalID
	Label    string // what the maker called it
	Camera   CameraID
	From, To time.Time
	Audio    bool
	By       PrincipalID
	Created  time.Time
	Expires  time.Time
	Check    []byte // proves the secret in the link without telling it
}

// SharedKey is the key of one segment, wrapped with the secret of a link. It
// goes when the vault goes that the segment was sealed to.
type SharedKey struct {
	Vault   VaultID
	Lookup  [32]byte // of the segment
	Wrapped []byte
}

// Notice tells owners, or the person that it is about, of something unusual.
type Notice struct {
	Num       int64 // given by the store
	Time      time.Time
	Kind      string // a stable word
	Principal PrincipalID
	Camera    CameraID // zero: several, or none
	Count     int
}
