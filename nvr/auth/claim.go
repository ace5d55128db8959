package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"lares/nvr"
	"lares/nvr/vault"
)

// maxName bounds a person's name in characters.
const maxName = 64

// ClaimRequest makes somebody the owner of a box that has none.
type ClaimRequest struct {
	// Code is the one-time code of NewSetupCode. With Console none is needed:
	// whoever may run commands on the box owns it.
	Code    string
	Console bool

	Name, Password string
	// TOTP is the second factor. Without one WaiveSecondFactor must say that
	// this is meant; the log says so as well.
	TOTP              *TOTPEnrolment
	WaiveSecondFactor bool
	// Recovery is the key that was printed. It is not kept.
	Recovery vault.RecoveryKey

	Addr, Device string
	// Told says that the owner knows what is kept: see Service.Told.
	Told bool
}

// Claim makes the owner, the recovery principal, the first roster and the first
// entry of the log, uses up the set-up code and logs the owner in. The roster
// comes last: a claim that was interrupted did not happen.
//
// Errors: ErrClaimed, ErrSetupCode, ErrThrottled, ErrTOTP; nvr.ErrInvalid for a
// name or password, whose text says what is wrong; others are failures.
func (s *Service) Claim(ctx context.Context, req ClaimRequest) (*Session, string, error) {
	s.people.Lock()
	defer s.people.Unlock()
	step, err := s.checkClaim(ctx, req)
	if err != nil {
		return nil, "", err
	}
	if err := s.store.ForgetPeople(ctx); err != nil { // of a claim that was interrupted
		return nil, "", fmt.Errorf("claim: %w", err)
	}
	if err := s.measureKDF(ctx); err != nil {
		return nil, "", fmt.Errorf("claim: %w", err)
	}
	h, err := s.makeHousehold(ctx, req)
	if err != nil {
		return nil, "", fmt.Errorf("claim: %w", err)
	}
	defer h.pair.Wipe()
	if err := s.storeHousehold(ctx, h); err != nil {
		return nil, "", fmt.Errorf("claim: %w", err)
	}
	if err := s.store.DeleteSetting(ctx, setupSetting); err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return nil, "", fmt.Errorf("use up the set-up code: %w", err)
	}
	if req.TOTP != nil {
		s.steps.mark(ctx, h.person.ID, step)
	}
	keys, err := (&proof{person: h.person, pair: h.pair}).keyring()
	if err != nil {
		return nil, "", err
	}
	sess, token := s.newSession(ctx, entry{person: h.person, keys: keys, trusted: true, proved: true, addr: req.Addr, device: req.Device})
	s.note(ctx, Entry{Action: LogSetup, Session: sess, Detail: setupDetail(req.Console)})
	s.habits.forget()
	if req.Told {
		s.ConfirmTold(ctx, sess)
	}
	if req.TOTP == nil {
		s.note(ctx, Entry{Action: LogWaived, Session: sess})
	}
	return sess, token, nil
}

func setupDetail(console bool) string {
	if console {
		return "console"
	}
	return "browser"
}

// checkClaim returns the time step of the second factor's code.
func (s *Service) checkClaim(ctx context.Context, req ClaimRequest) (step uint64, err error) {
	if claimed, err := s.Claimed(ctx); err != nil || claimed {
		return 0, errors.Join(err, ErrClaimed)
	}
	if !req.Console {
		if err := s.CheckSetupCode(ctx, req.Code, req.Addr); err != nil {
			return 0, err
		}
	}
	if err := CheckName(req.Name); err != nil {
		return 0, err
	}
	if err := CheckPassword(req.Password, req.Name); err != nil {
		return 0, err
	}
	if req.Recovery == (vault.RecoveryKey{}) {
		return 0, fmt.Errorf("%w: there is no recovery key", nvr.ErrInvalid)
	}
	return checkSecondFactor(req.TOTP, req.WaiveSecondFactor)
}

func checkSecondFactor(e *TOTPEnrolment, waive bool) (step uint64, err error) {
	switch {
	case e != nil && waive:
		return 0, fmt.Errorf("%w: a second factor is set up and waived at once", nvr.ErrInvalid)
	case e != nil:
		return e.check(time.Now())
	case !waive:
		return 0, fmt.Errorf("%w: set up a second factor, or say that you do without", nvr.ErrInvalid)
	}
	return 0, nil
}

// CheckName returns nvr.ErrInvalid with what is wrong with a person's name.
func CheckName(name string) error {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return fmt.Errorf("%w: the name is empty", nvr.ErrInvalid)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%w: the name has characters that cannot be shown", nvr.ErrInvalid)
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("%w: the name is longer than %d characters", nvr.ErrInvalid, maxName)
	}
	return nil
}

// household is what a claim makes.
type household struct {
	person, recovery nvr.Principal
	unlockers        []nvr.Unlocker
	pair             *vault.KeyPair // of the owner
	vault            nvr.Vault
	grants           []nvr.Grant
	roster           nvr.Roster
	body             *rosterBody
	genesis          nvr.LogEntry
}

func (s *Service) makeHousehold(ctx context.Context, req ClaimRequest) (*household, error) {
	recPair, err := req.Recovery.KeyPair()
	if err != nil {
		return nil, fmt.Errorf("read recovery key: %w", err)
	}
	recPublic := recPair.Public()
	recPair.Wipe()
	pair, err := vault.NewKeyPair()
	if err != nil {
		return nil, fmt.Errorf("make owner: %w", err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	h := &household{
		person:   nvr.Principal{ID: nvr.NewID[nvr.Principal](), Kind: nvr.Person, Role: nvr.Owner, Name: strings.TrimSpace(req.Name), Public: pair.Public(), Created: now},
		recovery: nvr.Principal{ID: nvr.NewID[nvr.Principal](), Kind: nvr.Recovery, Public: recPublic, Created: now, Secret: []byte{}},
	}
	h.pair = pair
	if err := s.makeUnlockers(ctx, h, req.Password); err != nil {
		pair.Wipe()
		return nil, err
	}
	if err := s.makeRoster(ctx, h, req.TOTP); err != nil {
		pair.Wipe()
		return nil, err
	}
	return h, nil
}

func (s *Service) makeUnlockers(ctx context.Context, h *household, password string) error {
	byPassword, err := s.kdf.wrap(ctx, h.person.ID, password, h.pair)
	if err != nil {
		return err
	}
	byRecovery, err := recoveryUnlocker(h.person.ID, h.pair, h.recovery.Public)
	if err != nil {
		return err
	}
	h.unlockers = []nvr.Unlocker{byPassword, byRecovery}
	return nil
}

// makeRoster makes the first roster, the household's vault, the owner's secret
// and the first entry of the log, which refer to each other.
func (s *Service) makeRoster(ctx context.Context, h *household, e *TOTPEnrolment) error {
	signing := vault.NewSigningKey()
	defer signing.Wipe()
	start, first, err := s.chain.begin(ctx)
	if err != nil {
		return err
	}
	defer clear(first[:])
	h.body = &rosterBody{
		Form: rosterForm, Number: 1, Created: h.person.Created,
		Members: []member{
			{ID: h.person.ID, Kind: nvr.Person, Role: nvr.Owner, Public: h.person.Public, Verify: signing.Public()},
			{ID: h.recovery.ID, Kind: nvr.Recovery, Public: h.recovery.Public},
		},
		Log: logRoot{Start: start, Commit: first.commit()},
	}
	s.sealName(&h.body.Members[0], h.person.Name)
	if h.vault, h.grants, err = sealVault(h.body, nvr.CameraID{}, Day(h.person.Created)); err != nil {
		return err
	}
	h.body.Log.Vault, h.body.Log.Public = h.vault.ID, h.vault.Public
	if h.roster, err = h.body.sign(h.person.ID, signing); err != nil {
		return err
	}
	x := secret{Form: 1, Sign: signing.Seed(), Roster: h.roster}
	defer clear(x.Sign)
	if e != nil {
		x.TOTP = e.Secret
	}
	if h.person.Secret, err = x.seal(h.pair, h.person.ID); err != nil {
		return err
	}
	row := nvr.LogEntry{
		Time: time.Now().UTC().Truncate(time.Millisecond), Action: LogStart,
		Principal: h.person.ID, Vault: h.vault.ID,
	}
	h.genesis, err = sealDetails(row, details{Form: 1, Key: first[:]}, h.vault.Public)
	return err
}

func (s *Service) storeHousehold(ctx context.Context, h *household) error {
	if err := s.store.SavePrincipal(ctx, h.person, h.unlockers); err != nil {
		return fmt.Errorf("store owner: %w", err)
	}
	if err := s.store.SavePrincipal(ctx, h.recovery, nil); err != nil {
		return fmt.Errorf("store recovery key: %w", err)
	}
	if err := s.store.AddVault(ctx, h.vault, h.grants); err != nil {
		return fmt.Errorf("store the household's vault: %w", err)
	}
	if err := s.chain.first(ctx, h.genesis); err != nil {
		return err
	}
	if err := s.store.AddRoster(ctx, h.roster); err != nil {
		return fmt.Errorf("store roster: %w", err)
	}
	return s.trust.accept(ctx, h.roster, h.body)
}
