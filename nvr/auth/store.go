package auth

import (
	"context"

	"lares/nvr"
)

// The stores of package auth. nvr/db implements all of them on config.db; each
// method is one durable transaction. A missing row is nvr.ErrNotFound.

// PeopleStore keeps principals and what unlocks them.
type PeopleStore interface {
	Principals(ctx context.Context) ([]nvr.Principal, error)
	// SavePrincipal inserts or replaces a principal; unlockers, unless nil,
	// replace all that it had.
	SavePrincipal(ctx context.Context, p nvr.Principal, unlockers []nvr.Unlocker) error
	Unlockers(ctx context.Context, id nvr.PrincipalID) ([]nvr.Unlocker, error)
	// ForgetPeople removes all principals, unlockers, sessions, rosters, vaults,
	// grants, links and notices: the start of a new household on the same box.
	ForgetPeople(ctx context.Context) error
	// Enact stores a roster and all that changes with it in one transaction.
	Enact(ctx context.Context, e nvr.Enactment) error
}

// RosterStore keeps every version of the roster.
type RosterStore interface {
	// Roster returns the newest version.
	Roster(ctx context.Context) (nvr.Roster, error)
	// AddRoster appends a version; it must be above the newest.
	AddRoster(ctx context.Context, r nvr.Roster) error
	// Rosters returns up to limit versions above a number, oldest first.
	Rosters(ctx context.Context, above uint64, limit int) ([]nvr.Roster, error)
}

// VaultStore keeps vaults and grants.
type VaultStore interface {
	// NewestVault returns the vault of a camera and day that was made last.
	NewestVault(ctx context.Context, camera nvr.CameraID, day int) (nvr.Vault, error)
	Vault(ctx context.Context, id nvr.VaultID) (nvr.Vault, error)
	// AddVault inserts a vault with its grants.
	AddVault(ctx context.Context, v nvr.Vault, grants []nvr.Grant) error
	Grants(ctx context.Context, id nvr.VaultID) ([]nvr.Grant, error)
	VaultAdmin
}

// VaultAdmin is the rarer half of VaultStore.
type VaultAdmin interface {
	// UnsignedVaults lists vaults that no owner has countersigned, oldest first.
	UnsignedVaults(ctx context.Context, limit int) ([]nvr.Vault, error)
	SignVault(ctx context.Context, id nvr.VaultID, signature []byte) error
	// DestroyVault erases a vault with its grants and escrow from the
	// database, its free pages and its write-ahead log. Only the id stays, so
	// that footage of it answers nvr.ErrDestroyed.
	DestroyVault(ctx context.Context, id nvr.VaultID) error
	Destroyed(ctx context.Context, id nvr.VaultID) (bool, error)
	GrantStore
}

// GrantStore finds and fills what is missing in the grants.
type GrantStore interface {
	// VaultCameras lists the cameras that have vaults; zero is the household's log.
	VaultCameras(ctx context.Context) ([]nvr.CameraID, error)
	// VaultsWithout lists up to limit vaults of a camera that are not sealed to a
	// principal, newest first, those made before a vault if that is not zero.
	VaultsWithout(ctx context.Context, p nvr.PrincipalID, camera nvr.CameraID, before nvr.VaultID, limit int) ([]nvr.Vault, error)
	// CountWithout counts them all.
	CountWithout(ctx context.Context, p nvr.PrincipalID, camera nvr.CameraID) (int, error)
	// AddGrants leaves out grants of vaults that are gone, and those that are there.
	AddGrants(ctx context.Context, grants []nvr.Grant) error
}

// ShareStore keeps links and the keys of their segments.
type ShareStore interface {
	Shares(ctx context.Context) ([]nvr.ShareLink, error)
	// AddShare leaves out keys of vaults that are gone.
	AddShare(ctx context.Context, l nvr.ShareLink, keys []nvr.SharedKey) error
	ShareKey(ctx context.Context, link nvr.PrincipalID, lookup [32]byte) ([]byte, error)
	// RemoveShare erases the link with its keys.
	RemoveShare(ctx context.Context, link nvr.PrincipalID) error
}

// NoticeStore keeps the newest notices.
type NoticeStore interface {
	AddNotice(ctx context.Context, n nvr.Notice) error
	// Notices returns up to limit notices, newest first.
	Notices(ctx context.Context, limit int) ([]nvr.Notice, error)
}

// SessionStore keeps sessions by the hash of their token, and links.
type SessionStore interface {
	Sessions(ctx context.Context) ([]nvr.Session, error)
	SaveSession(ctx context.Context, s nvr.Session) error
	DeleteSession(ctx context.Context, hash [32]byte) error
	ShareStore
}

// ThrottleStore keeps failed guesses over restarts.
type ThrottleStore interface {
	Throttle(ctx context.Context, key string) (nvr.Throttle, error)
	SaveThrottle(ctx context.Context, t nvr.Throttle) error
	// PruneThrottles removes those whose Until lies before the Unix time.
	PruneThrottles(ctx context.Context, before int64) error
}

// LogStore keeps the chained log of who looked, and what was noticed in it.
type LogStore interface {
	// AppendLog inserts an entry and replaces the sealed state of the chain in
	// the same transaction.
	AppendLog(ctx context.Context, e nvr.LogEntry, state []byte) error
	// LogState returns the sealed state of the chain.
	LogState(ctx context.Context) ([]byte, error)
	// Log returns up to limit entries with Seq >= from, in order.
	Log(ctx context.Context, from uint64, limit int) ([]nvr.LogEntry, error)
	LogHistory
	NoticeStore
}

// LogHistory is the log from its end.
type LogHistory interface {
	// LogBefore returns up to limit entries with Seq < before, newest first; with
	// a zero number the newest.
	LogBefore(ctx context.Context, before uint64, limit int) ([]nvr.LogEntry, error)
	// LastLog returns the newest entry about a camera with one of the actions.
	LastLog(ctx context.Context, camera nvr.CameraID, actions ...string) (nvr.LogEntry, error)
}

// SettingStore keeps small values by name.
type SettingStore interface {
	Setting(ctx context.Context, key string) ([]byte, error)
	SetSetting(ctx context.Context, key string, value []byte) error
	DeleteSetting(ctx context.Context, key string) error
}
