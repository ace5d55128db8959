package auth

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/vault"
)

const (
	inviteLife   = 24 * time.Hour
	inviteDomain = "lares/invitation/v1"
	// inviteDigits of 5 bits each are 80 bits: they are not guessed, not even by
	// who has config.db, so trying them needs no throttle that a stranger could
	// use to keep somebody out.
	inviteDigits = 16
)

// Invitation lets somebody who is in the roster choose a password, once.
type Invitation struct {
	Person  nvr.PrincipalID
	Code    string // XXXX-XXXX-XXXX-XXXX; it is not kept
	Expires time.Time
}

// newInvitation also returns the key in the roster that the code's signature fits.
func newInvitation(id nvr.PrincipalID) (inv Invitation, verify []byte, err error) {
	code := randomCode(inviteDigits)
	key, err := inviteKey(code, id)
	if err != nil {
		return Invitation{}, nil, err
	}
	defer key.Wipe()
	expires := time.Now().Add(inviteLife).UTC().Truncate(time.Second)
	return Invitation{Person: id, Code: groups(code), Expires: expires}, key.Public(), nil
}

// randomCode returns n digits of Crockford's base 32.
func randomCode(n int) string {
	raw := make([]byte, n)
	rand.Read(raw) // never fails: crypto/rand, Go 1.24
	for i := range raw {
		raw[i] = crockford[raw[i]%32]
	}
	return string(raw)
}

// groups puts a hyphen after each four digits.
func groups(code string) string {
	var b strings.Builder
	for i, r := range code {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// inviteKey is the signing key that the code stands for. It opens nothing: it
// only certifies the keys that the person makes.
func inviteKey(code string, id nvr.PrincipalID) (*vault.SigningKey, error) {
	seed, err := hkdf.Key(sha256.New, []byte(code), id[:], inviteDomain, vault.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of an invitation: %w", err)
	}
	defer clear(seed)
	key, err := vault.SigningKeyFromSeed(seed)
	if err != nil {
		return nil, fmt.Errorf("derive the key of an invitation: %w", err)
	}
	return key, nil
}

// Invited returns the name of whom an invitation is for. Error: ErrInvitation.
func (s *Service) Invited(ctx context.Context, code string) (string, error) {
	m, key, err := s.invited(code)
	if err != nil {
		return "", err
	}
	key.Wipe()
	p, err := s.principal(ctx, m.ID)
	if err != nil {
		return "", err
	}
	return p.Name, nil
}

func (s *Service) invited(code string) (member, *vault.SigningKey, error) {
	body, err := s.trust.roster()
	if err != nil {
		return member{}, nil, err
	}
	code = foldCode(code)
	for _, m := range body.Members {
		if m.Kind != nvr.Person || m.joined() || len(m.Verify) == 0 || !time.Now().Before(m.Joins) || len(code) != inviteDigits {
			continue
		}
		key, err := inviteKey(code, m.ID)
		if err != nil {
			return member{}, nil, err
		}
		if subtle.ConstantTimeCompare(key.Public(), m.Verify) == 1 {
			return m, key, nil
		}
		key.Wipe()
	}
	return member{}, nil, ErrInvitation
}

// JoinRequest is how somebody who was invited gets in.
type JoinRequest struct {
	Code     string
	Password string
	TOTP     *TOTPEnrolment // nil: without a second factor
	Addr     string
	Device   string
}

// Join uses up an invitation: it makes the person's keys, certified by the code,
// and a session. Recordings from now on open at once; older ones when somebody
// who holds their keys is logged in. Errors: ErrInvitation, ErrTOTP,
// ErrSuspended, nvr.ErrInvalid for the password.
func (s *Service) Join(ctx context.Context, req JoinRequest) (*Session, string, error) {
	sess, token, err := s.join(ctx, req)
	if err != nil {
		return nil, "", err
	}
	s.note(ctx, Entry{Action: LogJoined, Session: sess})
	if req.TOTP == nil {
		s.note(ctx, Entry{Action: LogWaived, Session: sess})
	}
	s.noteDevice(ctx, sess)
	s.notice(ctx, nvr.Notice{Kind: NoticeJoined, Principal: sess.id})
	s.grantSoon(ctx, s.all()...)
	return sess, token, nil
}

func (s *Service) join(ctx context.Context, req JoinRequest) (*Session, string, error) {
	s.people.Lock()
	defer s.people.Unlock()
	m, key, err := s.invited(req.Code)
	if err != nil {
		return nil, "", err
	}
	defer key.Wipe()
	if m.Suspended || !m.within(time.Now()) {
		return nil, "", ErrSuspended
	}
	p, err := s.newcomer(ctx, m, key, req)
	if err != nil {
		return nil, "", err
	}
	defer p.wipe()
	unlockers, err := s.newUnlockers(ctx, p, req.Password)
	if err != nil {
		return nil, "", err
	}
	_, signed, err := s.trust.owned()
	if err != nil {
		return nil, "", err
	}
	self, _ := signed.member(m.ID)
	sign := vault.NewSigningKey()
	defer sign.Wipe()
	if err := s.succeed(ctx, p, self, nextKeys{sign, unlockers}); err != nil {
		return nil, "", fmt.Errorf("join: %w", err)
	}
	if now, err := s.self(m.ID); err != nil || !now.inForce(time.Now()) {
		return nil, "", ErrSuspended
	}
	keys, err := p.keyring()
	if err != nil {
		return nil, "", err
	}
	sess, token := s.newSession(ctx, entry{person: p.person, keys: keys, trusted: true, proved: true, addr: req.Addr, device: req.Device})
	return sess, token, nil
}

// newcomer makes the key pair and the secret of somebody who was invited.
func (s *Service) newcomer(ctx context.Context, m member, key *vault.SigningKey, req JoinRequest) (*proof, error) {
	person, err := s.principal(ctx, m.ID)
	if err != nil {
		return nil, err
	}
	if err := CheckPassword(req.Password, person.Name); err != nil {
		return nil, err
	}
	raw, _, err := s.trust.owned()
	if err != nil {
		return nil, err
	}
	x := secret{Form: 1, Sign: key.Seed(), Roster: raw}
	if req.TOTP != nil {
		step, err := req.TOTP.check(time.Now())
		if err != nil {
			return nil, err
		}
		s.steps.mark(ctx, m.ID, step)
		x.TOTP = req.TOTP.Secret
	}
	pair, err := vault.NewKeyPair()
	if err != nil {
		return nil, fmt.Errorf("make key pair: %w", err)
	}
	person.Public, person.Role, person.Succession = pair.Public(), m.Role, nil
	return &proof{person: person, pair: pair, secret: x}, nil
}
