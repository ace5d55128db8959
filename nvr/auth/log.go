package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

// Words of the log. Callers may use others of their own; they are stored.
const (
	LogStart         = "log-start" // a household begins; made by Claim
	LogLost          = "log-lost"  // entries that could not be kept; the detail says how many
	LogAlarm         = "alarm"     // something was changed from outside
	LogSetup         = "setup"
	LogWaived        = "second-factor-waived"
	LogLogin         = "login"
	LogLoginFailed   = "login-failed"
	LogLogout        = "logout"
	LogUnlock        = "unlock"
	LogPassword      = "password-changed"
	LogRecovered     = "recovered" // the recovery key was used
	LogReset         = "reset"     // a new household was started at the console
	LogRevoked       = "session-ended"
	LogKeysDestroyed = "keys-destroyed"
	LogLive          = "live"
	LogPlayback      = "playback"
	LogExport        = "export"
	LogLink          = "link-made"
	LogLinkOpened    = "link-opened"
	LogLinkEnded     = "link-ended"

	LogPrivate            = "private"        // a camera
	LogPrivateLifted      = "private-lifted" // by somebody
	LogPrivateEnded       = "private-ended"  // its time was over
	LogHousePrivate       = "house-private"  // all cameras
	LogHousePrivateLifted = "house-private-lifted"
	LogHousePrivateEnded  = "house-private-ended"
	LogPrivacyPlan        = "privacy-plan" // the plan of the week was changed

	LogPersonAdded     = "person-added"
	LogPersonChanged   = "person-changed"
	LogPersonSuspended = "person-suspended"
	LogPersonResumed   = "person-resumed"
	LogPersonRemoved   = "person-removed"
	LogPersonReset     = "person-reset" // another owner took the password away
	LogJoined          = "joined"
	LogTold            = "told"         // somebody confirmed to know what is kept
	LogGranted         = "keys-granted" // older recordings open for a person now
	LogBackup          = "backup-made"
	LogRestored        = "restored"     // from a backup; the detail says of when
	LogAdopted         = "keys-adopted" // recordings from beside a restored box open again
	LogRemembered      = "device-remembered"
	LogForgotten       = "device-forgotten"
	LogSecondFactor    = "second-factor-changed"
	LogCodeUsed        = "recovery-code-used"
	LogBoxCode         = "box-code" // a one-time code was asked for at the console
)

// maxDetail bounds the text of an entry, maxWord its action, in bytes.
const (
	maxDetail = 512
	maxWord   = 64
)

// Entry is something that somebody did.
type Entry struct {
	Action string // a stable word
	// Session did it. For what nobody in a session did set Principal, or
	// neither: then the box itself did it.
	Session   *Session
	Principal nvr.PrincipalID
	Camera    nvr.CameraID // zero: the house
	From, To  time.Time    // of the footage; may be zero
	Addr      string       // where from; that of the session if empty
	Detail    string       // without secrets

	household bool // details go to the household's vault even with a camera
}

// details is the sealed part of an entry.
type details struct {
	Form   int       `json:"version"`
	From   time.Time `json:"from,omitzero"`
	To     time.Time `json:"to,omitzero"`
	Addr   string    `json:"addr,omitempty"`
	Device string    `json:"device,omitempty"`
	Detail string    `json:"detail,omitempty"`
	// Key is the first key of the chain, in its first entry.
	Key []byte `json:"key,omitempty"`
}

// Record enters e in the log before what it describes happens. It goes on when
// ctx ends: an entry is not lost because the viewer went away.
//
// Errors: nvr.ErrNoOwner before there is a household; nvr.ErrLogUnavailable
// when the log can be written nowhere. Playback, export and lifting privacy mode
// must then be refused, and are not entered. Whatever else goes ahead nevertheless is kept
// in memory, up to 1024 entries, and entered as soon as that is possible.
func (s *Service) Record(ctx context.Context, e Entry) error {
	ctx = context.WithoutCancel(ctx)
	row, err := s.sealEntry(ctx, e)
	if err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	if err := s.chain.add(ctx, row, e.goesAhead()); err != nil {
		return fmt.Errorf("record %s: %w", e.Action, err)
	}
	s.watch(ctx, row)
	return nil
}

// goesAhead reports whether the action happens even when it cannot be logged.
func (e Entry) goesAhead() bool {
	switch e.Action {
	case LogPlayback, LogExport, LogLink, LogLinkOpened, LogDeleted, LogLifted, LogPrivateLifted, LogHousePrivateLifted, LogPrivacyPlan,
		LogHomeKitLive, LogHomeKitSnapshots:
		return false
	case LogLive:
		return e.Session == nil || e.Session.Role() == nvr.Owner
	}
	return true
}

// note records what the service itself did, and goes on whatever comes of it.
func (s *Service) note(ctx context.Context, e Entry) {
	if err := s.Record(ctx, e); err != nil && !errors.Is(err, nvr.ErrNoOwner) {
		s.log.WarnContext(ctx, "cannot record in the log of who looked",
			slog.String("action", e.Action), slog.Any("error", err))
	}
}

// sealEntry makes the row of an entry. Details about a camera are sealed to its
// vault of the day, so that they open for those who may see it and go when the
// day goes; all others, and those for which no vault can be made, to the
// household's.
func (s *Service) sealEntry(ctx context.Context, e Entry) (nvr.LogEntry, error) {
	body, err := s.trust.roster()
	if err != nil {
		return nvr.LogEntry{}, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	row := nvr.LogEntry{Time: now, Action: clip(e.Action, maxWord), Principal: e.Principal, Camera: e.Camera}
	d := details{Form: 1, From: e.From.UTC(), To: e.To.UTC(), Addr: clip(e.Addr, maxWord), Detail: clip(e.Detail, maxDetail)}
	if e.Session != nil {
		row.Principal = e.Session.Principal()
		d.Device = clip(e.Session.Device(), maxWord)
		if d.Addr == "" {
			d.Addr = clip(e.Session.Addr(), maxWord)
		}
	}
	row.Vault = body.Log.Vault
	public := body.Log.Public
	if !e.Camera.IsZero() && !e.household {
		if r, err := s.CurrentVault(ctx, e.Camera, now); err == nil {
			row.Vault, public = r.Vault, r.Public
		}
	}
	return sealDetails(row, d, public)
}

func sealDetails(row nvr.LogEntry, d details, public []byte) (nvr.LogEntry, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return nvr.LogEntry{}, fmt.Errorf("encode details: %w", err)
	}
	defer clear(plain)
	row.Details, err = vault.Seal(public, detailsInfo(row), plain)
	if err != nil {
		return nvr.LogEntry{}, fmt.Errorf("seal details: %w", err)
	}
	return row, nil
}

// detailsInfo binds details to the rest of their row but its place, which a
// spilled entry gets later.
func detailsInfo(row nvr.LogEntry) []byte {
	return appendRow(append([]byte(detailsDomain), 0), row)
}

// clip cuts text to n bytes at the border of a character.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && text[n]&0xC0 == 0x80 {
		n--
	}
	return text[:n]
}

// lostEntry says that entries could not be kept.
func (s *Service) lostEntry(n int) (nvr.LogEntry, error) {
	body, err := s.trust.roster()
	if err != nil {
		return nvr.LogEntry{}, err
	}
	row := nvr.LogEntry{Time: time.Now().UTC().Truncate(time.Millisecond), Action: LogLost, Vault: body.Log.Vault}
	d := details{Form: 1, Detail: fmt.Sprintf("%d entries could not be kept or were removed", n)}
	return sealDetails(row, d, body.Log.Public)
}

// LogLine is an entry as a person may read it.
type LogLine struct {
	Seq       uint64
	Time      time.Time
	Action    string
	Principal nvr.PrincipalID
	Camera    nvr.CameraID
	// Shut: the details below do not open for this session: they were deleted
	// with the day, or belong to what this person may not see.
	Shut     bool
	From, To time.Time
	Addr     string
	Device   string
	Detail   string
}

// maxLines bounds one reading of the log.
const maxLines = 1000

// ReadLog returns up to limit entries (at most 1000) from number from on, in
// order, without those about cameras that the person may not see. next is the
// number to go on from; it equals from at the end. Errors: nvr.ErrForbidden,
// nvr.ErrLocked.
func (s *Service) ReadLog(ctx context.Context, sess *Session, from uint64, limit int) (lines []LogLine, next uint64, err error) {
	now := time.Now()
	if err := s.Authorize(ctx, sess, ActLog, nvr.CameraID{}, now); err != nil {
		return nil, from, err
	}
	if sess.Locked() {
		return nil, from, fmt.Errorf("read log: %w", nvr.ErrLocked)
	}
	if err := s.chain.flush(ctx); err != nil {
		s.log.WarnContext(ctx, "cannot enter what waits for the log", slog.Any("error", err))
	}
	rows, err := s.store.Log(ctx, from, min(max(limit, 1), maxLines))
	if err != nil {
		return nil, from, fmt.Errorf("read log: %w", err)
	}
	next = from
	for _, row := range rows {
		next = row.Seq + 1
		if s.Authorize(ctx, sess, ActLog, row.Camera, now) == nil {
			lines = append(lines, readable(ctx, sess, row))
		}
	}
	return lines, next, nil
}

// LogPage asks for entries of the log, newest first.
type LogPage struct {
	Before uint64       // entries with smaller numbers; 0: from the newest
	Camera nvr.CameraID // those about a camera; zero: all
	Limit  int          // at most 1000 are looked at
}

// Log returns a page of the log, newest first, without entries about cameras that
// the person may not see. before is the Before of the next page, 0 at the end; a
// page may be empty although there are more. Errors: nvr.ErrForbidden,
// nvr.ErrLocked.
func (s *Service) Log(ctx context.Context, sess *Session, page LogPage) (lines []LogLine, before uint64, err error) {
	now := time.Now()
	if err := s.Authorize(ctx, sess, ActLog, page.Camera, now); err != nil {
		return nil, 0, err
	}
	if sess.Locked() {
		return nil, 0, fmt.Errorf("read log: %w", nvr.ErrLocked)
	}
	limit := min(max(page.Limit, 1), maxLines)
	rows, err := s.store.LogBefore(ctx, page.Before, limit)
	if err != nil {
		return nil, 0, fmt.Errorf("read log: %w", err)
	}
	for _, row := range rows {
		before = row.Seq
		if !page.Camera.IsZero() && row.Camera != page.Camera || s.Authorize(ctx, sess, ActLog, row.Camera, now) != nil {
			continue
		}
		lines = append(lines, readable(ctx, sess, row))
	}
	if len(rows) < limit {
		before = 0
	}
	return lines, before, nil
}

// readable opens what the session may see of an entry.
func readable(ctx context.Context, sess *Session, row nvr.LogEntry) LogLine {
	line := LogLine{Seq: row.Seq, Time: row.Time, Action: row.Action, Principal: row.Principal, Camera: row.Camera, Shut: true}
	if d, err := openDetails(ctx, sess, row); err == nil {
		line.Shut = false
		line.From, line.To, line.Addr, line.Device, line.Detail = d.From, d.To, d.Addr, d.Device, d.Detail
		clear(d.Key)
	}
	return line
}

func openDetails(ctx context.Context, opener nvr.Opener, row nvr.LogEntry) (details, error) {
	plain, err := opener.OpenKey(ctx, row.Vault, detailsInfo(row), row.Details)
	if err != nil {
		return details{}, fmt.Errorf("open details of entry %d: %w", row.Seq, err)
	}
	defer clear(plain)
	var d details
	if err := json.Unmarshal(plain, &d); err != nil || d.Form != 1 {
		return details{}, fmt.Errorf("read details of entry %d: %w", row.Seq, nvr.ErrCorrupt)
	}
	return d, nil
}
