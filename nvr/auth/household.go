package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"lares/nvr"
)

const (
	// maxPeople and maxCameras bound the roster.
	maxPeople  = 64
	maxCameras = 256
)

// PersonRequest says who somebody is and what they may do.
type PersonRequest struct {
	Name string
	Role nvr.Role
	// Cameras lists the rights of anybody but an owner, who has all. What the role
	// does not allow is refused.
	Cameras []nvr.CameraRights
	// From and Until bound the account in time; a guest needs both.
	From, Until time.Time
}

// PersonInfo is a person as an owner sees them.
type PersonInfo struct {
	PersonRequest
	ID        nvr.PrincipalID
	Created   time.Time
	Suspended bool
	// Invited: the person has no password yet; the invitation ends at InviteEnds.
	Invited    bool
	InviteEnds time.Time
	// Unconfirmed: no owner has logged in since the person took new keys.
	Unconfirmed bool
}

// check returns nvr.ErrInvalid with what is wrong.
func (r PersonRequest) check(now time.Time) error {
	if err := CheckName(r.Name); err != nil {
		return err
	}
	if r.Role < nvr.Owner || r.Role > nvr.Guest {
		return fmt.Errorf("%w: there is no such role", nvr.ErrInvalid)
	}
	if r.Role == nvr.Owner && (len(r.Cameras) > 0 || !r.From.IsZero() || !r.Until.IsZero()) {
		return fmt.Errorf("%w: an owner may do everything at any time", nvr.ErrInvalid)
	}
	if r.Role == nvr.Guest && (r.From.IsZero() || r.Until.IsZero()) {
		return fmt.Errorf("%w: say from when until when the guest may look", nvr.ErrInvalid)
	}
	if !r.Until.IsZero() && (!r.Until.After(r.From) || !r.Until.After(now)) {
		return fmt.Errorf("%w: the end is over already, or before the beginning", nvr.ErrInvalid)
	}
	return checkRights(r.Role, r.Cameras)
}

func checkRights(role nvr.Role, cameras []nvr.CameraRights) error {
	if len(cameras) > maxCameras {
		return fmt.Errorf("%w: more than %d cameras", nvr.ErrInvalid, maxCameras)
	}
	seen := make(map[nvr.CameraID]bool, len(cameras))
	for _, c := range cameras {
		switch {
		case c.Camera.IsZero() || seen[c.Camera]:
			return fmt.Errorf("%w: a camera is missing or there twice", nvr.ErrInvalid)
		case c.Rights&^Bound(role) != 0:
			return fmt.Errorf("%w: the role does not allow all of these rights", nvr.ErrInvalid)
		case c.Rights&(nvr.MayExport|nvr.MayDelete) != 0 && c.Rights&nvr.MayReplay == 0:
			return fmt.Errorf("%w: who saves or deletes recordings needs to see them", nvr.ErrInvalid)
		case c.Rights&nvr.MayAudio != 0 && c.Rights&(nvr.MayLive|nvr.MayReplay) == 0:
			return fmt.Errorf("%w: sound goes with pictures", nvr.ErrInvalid)
		}
		seen[c.Camera] = true
	}
	return nil
}

// apply writes the request into a roster entry. Cameras without a right are left out.
func (r PersonRequest) apply(m *member) {
	m.Role, m.From, m.Until = r.Role, r.From.UTC(), r.Until.UTC()
	m.Cameras = slices.DeleteFunc(slices.Clone(r.Cameras), func(c nvr.CameraRights) bool { return c.Rights == 0 })
}

// actor returns the proof of a session that may change people: that of an owner
// who typed the password within five minutes. The caller holds s.people and wipes
// the proof. Errors: nvr.ErrForbidden, ErrStepUp, nvr.ErrLocked, ErrUnconfirmed.
func (s *Service) actor(ctx context.Context, sess *Session) (*proof, error) {
	if err := s.Authorize(ctx, sess, ActPeople, nvr.CameraID{}, time.Now()); err != nil {
		return nil, err
	}
	if err := s.CheckProof(sess, ActPeople); err != nil {
		return nil, err
	}
	p, err := s.ownProof(ctx, sess)
	if err != nil {
		return nil, err
	}
	if err := s.examineLocked(ctx, p); err != nil {
		p.wipe()
		return nil, err
	}
	_, signed, err := s.trust.owned()
	if err == nil {
		if m, _ := signed.member(sess.id); !m.signs() {
			err = ErrUnconfirmed
		}
	}
	if err != nil {
		p.wipe()
		return nil, err
	}
	return p, nil
}

// AddPerson enters somebody into the roster and returns the invitation with
// which that person chooses a password: see Join. Errors: those of actor;
// nvr.ErrInvalid, whose text says what is wrong.
func (s *Service) AddPerson(ctx context.Context, sess *Session, r PersonRequest) (Invitation, error) {
	s.people.Lock()
	defer s.people.Unlock()
	p, err := s.actor(ctx, sess)
	if err != nil {
		return Invitation{}, fmt.Errorf("add a person: %w", err)
	}
	defer p.wipe()
	if err := r.check(time.Now()); err != nil {
		return Invitation{}, err
	}
	person := nvr.Principal{
		ID: nvr.NewID[nvr.Principal](), Kind: nvr.Person, Role: r.Role,
		Name: strings.TrimSpace(r.Name), Created: time.Now().UTC().Truncate(time.Second),
	}
	if err := s.checkFreeName(ctx, person.Name, person.ID); err != nil {
		return Invitation{}, err
	}
	next, err := s.nextRoster(p)
	if err != nil {
		return Invitation{}, err
	}
	if len(next.Members) > maxPeople {
		return Invitation{}, fmt.Errorf("%w: there are %d people already", nvr.ErrInvalid, maxPeople)
	}
	inv, verify, err := newInvitation(person.ID)
	if err != nil {
		return Invitation{}, err
	}
	m := member{ID: person.ID, Kind: nvr.Person, Verify: verify, Joins: inv.Expires}
	r.apply(&m)
	s.sealName(&m, person.Name)
	next.Members = append(next.Members, m)
	c := change{body: next, people: []nvr.PersonChange{{Principal: person, Unlockers: []nvr.Unlocker{}}}}
	if err := s.publish(ctx, p, c); err != nil {
		return Invitation{}, fmt.Errorf("add a person: %w", err)
	}
	s.note(ctx, Entry{Action: LogPersonAdded, Session: sess, Detail: person.Name})
	return inv, nil
}

func (s *Service) nextRoster(p *proof) (*rosterBody, error) {
	body, err := s.trust.roster()
	if err != nil {
		return nil, err
	}
	return body.following(p.secret.Roster), nil
}

// checkFreeName returns nvr.ErrInvalid if somebody else in force has the name.
func (s *Service) checkFreeName(ctx context.Context, name string, id nvr.PrincipalID) error {
	other, err := s.person(ctx, name)
	if errors.Is(err, nvr.ErrNotFound) || err == nil && other.ID == id {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: somebody else has that name", nvr.ErrInvalid)
}

// ChangePerson gives somebody another name, role, rights or time. What is taken
// away is erased and ends the person's sessions and links at once; recordings
// that may be seen from now on open as soon as their keys were sealed: see
// Granting. One's own role only another owner changes (ErrSelf). Errors: those of
// actor, nvr.ErrInvalid, nvr.ErrNotFound.
func (s *Service) ChangePerson(ctx context.Context, sess *Session, id nvr.PrincipalID, r PersonRequest) error {
	return s.changePeople(ctx, sess, id, func(p *proof, e *edit) error {
		if err := r.check(time.Now()); err != nil {
			return err
		}
		if err := s.checkFreeName(ctx, r.Name, id); err != nil {
			return err
		}
		if id == sess.id && r.Role != nvr.Owner {
			return ErrSelf
		}
		e.person.Name, e.person.Role = strings.TrimSpace(r.Name), r.Role
		if id == sess.id {
			p.person.Name = e.person.Name
		}
		r.apply(e.member)
		s.sealName(e.member, e.person.Name)
		e.action, e.detail = LogPersonChanged, e.person.Name
		return nil
	})
}

// SuspendPerson switches an account off or on again. While it is off nothing is
// sealed to it; what was recorded meanwhile is granted afterwards.
func (s *Service) SuspendPerson(ctx context.Context, sess *Session, id nvr.PrincipalID, off bool) error {
	return s.changePeople(ctx, sess, id, func(_ *proof, e *edit) error {
		if id == sess.id {
			return ErrSelf
		}
		e.member.Suspended = off
		e.action, e.detail = LogPersonResumed, e.person.Name
		if off {
			e.action = LogPersonSuspended
		}
		return nil
	})
}

// RemovePerson ends an account for good: its keys and grants are erased.
func (s *Service) RemovePerson(ctx context.Context, sess *Session, id nvr.PrincipalID) error {
	return s.changePeople(ctx, sess, id, func(_ *proof, e *edit) error {
		if id == sess.id {
			return ErrSelf
		}
		e.gone = true
		e.strip()
		e.person.Revoked = time.Now().UTC().Truncate(time.Second)
		e.action, e.detail = LogPersonRemoved, e.person.Name
		return nil
	})
}

// ResetPerson takes password, devices and keys from somebody, who lost them or
// whose they must not be any more, and returns a new invitation. Once the person
// has joined, recordings are granted anew. For an owner who is the only one there
// is the recovery key: see RecoverOwner.
func (s *Service) ResetPerson(ctx context.Context, sess *Session, id nvr.PrincipalID) (Invitation, error) {
	var inv Invitation
	err := s.changePeople(ctx, sess, id, func(_ *proof, e *edit) error {
		if id == sess.id {
			return ErrSelf
		}
		var err error
		var verify []byte
		if inv, verify, err = newInvitation(id); err != nil {
			return err
		}
		e.strip()
		e.member.Public, e.member.Verify, e.member.Joins = nil, verify, inv.Expires
		e.action, e.detail = LogPersonReset, e.person.Name
		return nil
	})
	return inv, err
}

// edit is a change of one person.
type edit struct {
	member         *member
	person         nvr.Principal
	unlockers      []nvr.Unlocker // unless nil they replace all
	gone, keyless  bool
	action, detail string
}

// strip takes all keys from the person.
func (e *edit) strip() {
	e.keyless = true
	e.person.Public, e.person.Secret, e.person.Succession = nil, nil, nil
	e.unlockers = []nvr.Unlocker{}
}

// changePeople makes a change of one person, as an owner, and ends what it ends.
func (s *Service) changePeople(ctx context.Context, sess *Session, id nvr.PrincipalID, apply func(*proof, *edit) error) error {
	s.people.Lock()
	defer s.people.Unlock()
	p, err := s.actor(ctx, sess)
	if err != nil {
		return fmt.Errorf("change a person: %w", err)
	}
	defer p.wipe()
	next, err := s.nextRoster(p)
	if err != nil {
		return err
	}
	e := &edit{}
	if e.member, err = next.edit(id); err != nil {
		return err
	}
	before := *e.member
	if e.person, err = s.principal(ctx, id); err != nil {
		return err
	}
	if err := apply(p, e); err != nil {
		return err
	}
	after := *e.member
	if e.gone {
		after = member{}
		next.Members = slices.DeleteFunc(next.Members, func(m member) bool { return m.ID == id })
	}
	c := change{body: next, drop: lost(before, after, e.keyless), newLog: losesLog(before, after)}
	if id != sess.id {
		c.people = []nvr.PersonChange{{Principal: e.person, Unlockers: e.unlockers}}
	}
	if err := s.publish(ctx, p, c); err != nil {
		return fmt.Errorf("change a person: %w", err)
	}
	s.afterChange(ctx, sess, e, reduced(before, after) || e.keyless)
	return nil
}

// afterChange ends what the person lost and begins to grant what was gained.
func (s *Service) afterChange(ctx context.Context, sess *Session, e *edit, less bool) {
	id := e.person.ID
	if less {
		s.endSessions(ctx, id, sess.hash) // one's own goes on
		s.endLinksOf(ctx, id, s.mayLink)
	}
	if e.gone {
		s.forgetHabits(ctx, id)
	}
	for _, other := range s.all() {
		if other.id == id {
			other.rename(e.person.Name)
		}
	}
	s.guardAll()
	s.note(ctx, Entry{Action: e.action, Session: sess, Detail: e.detail})
	s.grantSoon(ctx, sess)
}

// forgetHabits removes what is kept about somebody besides the log.
func (s *Service) forgetHabits(ctx context.Context, id nvr.PrincipalID) {
	for _, key := range []string{knownSetting(id), stepSetting(id), toldSetting(id)} {
		if err := s.store.DeleteSetting(ctx, key); err != nil && !errors.Is(err, nvr.ErrNotFound) {
			s.log.WarnContext(ctx, "cannot forget what was kept about a person", slog.Any("error", err))
		}
	}
}

// lost lists the grants that go when a person's entry changes.
func lost(before, after member, keyless bool) []nvr.GrantDrop {
	d := nvr.GrantDrop{Principal: before.ID}
	if keyless || before.Role == nvr.Owner && after.Role != nvr.Owner {
		d.All = true // what stays is granted again
		return []nvr.GrantDrop{d}
	}
	for _, c := range before.Cameras {
		if before.rights(c.Camera)&^after.rights(c.Camera)&nvr.MayReplay != 0 {
			d.Cameras = append(d.Cameras, c.Camera)
		}
	}
	if mayReadLog(before) && !mayReadLog(after) {
		d.Cameras = append(d.Cameras, nvr.CameraID{})
	}
	if len(d.Cameras) == 0 {
		return nil
	}
	return []nvr.GrantDrop{d}
}

func mayReadLog(m member) bool { return slices.Contains(allowed(m.Role), ActLog) }

// losesLog reports whether the log gets a new vault, to shut somebody out.
func losesLog(before, after member) bool {
	now := time.Now()
	return before.entitled(nvr.CameraID{}, now) && (!after.entitled(nvr.CameraID{}, now) || !after.joined())
}

// reduced reports whether anything was taken away.
func reduced(before, after member) bool {
	if after.Suspended && !before.Suspended || before.Role == nvr.Owner && after.Role != nvr.Owner {
		return true
	}
	for _, a := range allowed(before.Role) {
		if !slices.Contains(allowed(after.Role), a) {
			return true
		}
	}
	for _, c := range before.Cameras {
		if before.rights(c.Camera)&^after.rights(c.Camera) != 0 {
			return true
		}
	}
	return after.From.After(before.From) ||
		!after.Until.IsZero() && (before.Until.IsZero() || after.Until.Before(before.Until))
}

// People lists the people of the household, for its owners. Errors:
// nvr.ErrForbidden, ErrNoSession.
func (s *Service) People(ctx context.Context, sess *Session) ([]PersonInfo, error) {
	if err := s.Authorize(ctx, sess, ActPeople, nvr.CameraID{}, time.Now()); err != nil {
		return nil, err
	}
	body, err := s.trust.roster()
	if err != nil {
		return nil, err
	}
	people, err := s.principals(ctx)
	if err != nil {
		return nil, err
	}
	var out []PersonInfo
	for _, p := range people {
		m, ok := body.member(p.ID)
		if !ok || m.Kind != nvr.Person {
			continue
		}
		info := PersonInfo{
			PersonRequest: PersonRequest{Name: p.Name, Role: m.Role, Cameras: slices.Clone(m.Cameras), From: m.From, Until: m.Until},
			ID:            m.ID, Created: p.Created, Suspended: m.Suspended, Invited: !m.joined(), Unconfirmed: m.fresh && m.joined(),
		}
		if info.Invited {
			info.InviteEnds = m.Joins
		}
		out = append(out, info)
	}
	return out, nil
}

// Names returns the name of everybody who is or was in the household, for those
// who may read the log. Errors: nvr.ErrForbidden, ErrNoSession.
func (s *Service) Names(ctx context.Context, sess *Session) (map[nvr.PrincipalID]string, error) {
	if err := s.Authorize(ctx, sess, ActStatus, nvr.CameraID{}, time.Now()); err != nil {
		return nil, err
	}
	people, err := s.principals(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[nvr.PrincipalID]string, len(people))
	for _, p := range people {
		if p.Kind == nvr.Person {
			names[p.ID] = p.Name
		}
	}
	return names, nil
}
