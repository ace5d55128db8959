package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"lares/nvr"
)

const (
	// recoveryCodes is how many codes are made at a time, each of 50 bits.
	recoveryCodes = 10
	codeDigits    = 10
	codeDomain    = "lares/recovery-code/v1"
)

// SetSecondFactor gives the person of the session another second factor, or with
// nil none, and returns fresh recovery codes for it. The person must have proved
// to be there. Errors: ErrStepUp, ErrTOTP, nvr.ErrLocked, ErrNoSession.
func (s *Service) SetSecondFactor(ctx context.Context, sess *Session, e *TOTPEnrolment) (codes []string, err error) {
	err = s.editSecret(ctx, sess, func(x *secret) error {
		if e == nil {
			x.TOTP, x.Codes = "", nil
			return nil
		}
		step, err := checkSecondFactor(e, false)
		if err != nil {
			return err
		}
		s.steps.mark(ctx, sess.id, step)
		x.TOTP = e.Secret
		codes, x.Codes = newCodes(sess.id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	action := LogSecondFactor
	if e == nil {
		action = LogWaived
	}
	s.note(ctx, Entry{Action: action, Session: sess})
	return codes, nil
}

// NewRecoveryCodes returns ten codes, each of which stands in once for the second
// factor; the earlier ones are void. Errors: ErrStepUp, nvr.ErrInvalid without a
// second factor, nvr.ErrLocked, ErrNoSession.
func (s *Service) NewRecoveryCodes(ctx context.Context, sess *Session) (codes []string, err error) {
	err = s.editSecret(ctx, sess, func(x *secret) error {
		if x.TOTP == "" {
			return fmt.Errorf("%w: set up a second factor first", nvr.ErrInvalid)
		}
		codes, x.Codes = newCodes(sess.id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.note(ctx, Entry{Action: LogSecondFactor, Session: sess, Detail: "recovery codes"})
	return codes, nil
}

// editSecret changes the secret of a session's person, who proved to be there.
func (s *Service) editSecret(ctx context.Context, sess *Session, apply func(*secret) error) error {
	if !sess.Proved(proofLife) {
		return ErrStepUp
	}
	s.people.Lock()
	defer s.people.Unlock()
	p, err := s.ownProof(ctx, sess)
	if err != nil {
		return err
	}
	defer p.wipe()
	if err := apply(&p.secret); err != nil {
		return err
	}
	return s.saveSecret(ctx, p)
}

func newCodes(id nvr.PrincipalID) (codes []string, hashes [][]byte) {
	for range recoveryCodes {
		code := randomCode(codeDigits)
		codes = append(codes, code[:codeDigits/2]+"-"+code[codeDigits/2:])
		hashes = append(hashes, codeHash(id, code))
	}
	return codes, hashes
}

// codeHash needs no stretching: the hashes lie in the person's secret.
func codeHash(id nvr.PrincipalID, code string) []byte {
	h := sha256.Sum256(append(append([]byte(codeDomain), id[:]...), code...))
	return h[:]
}

// checkCode checks a code of the second factor, or uses up a recovery code.
// Errors: ErrSecondFactor without a code, ErrWrong.
func (s *Service) checkCode(ctx context.Context, p *proof, code string) error {
	switch {
	case p.secret.TOTP == "":
		return nil
	case code == "":
		return ErrSecondFactor
	}
	err := s.steps.use(ctx, p.person.ID, p.secret.TOTP, code)
	if folded := foldCode(code); errors.Is(err, ErrWrong) && len(folded) == codeDigits {
		return s.useCode(ctx, p, folded)
	}
	return err
}

func (s *Service) useCode(ctx context.Context, p *proof, code string) error {
	s.people.Lock()
	defer s.people.Unlock()
	now, err := s.principal(ctx, p.person.ID)
	if err != nil {
		return err
	}
	x, err := openSecret(p.pair, now)
	if err != nil {
		return ErrWrong // with a new password
	}
	want := codeHash(now.ID, code)
	i := slices.IndexFunc(x.Codes, func(h []byte) bool { return bytes.Equal(h, want) })
	if i < 0 {
		return ErrWrong
	}
	x.Codes = slices.Delete(x.Codes, i, i+1)
	p.person, p.secret = now, x
	if err := s.saveSecret(ctx, p); err != nil {
		return fmt.Errorf("use up a recovery code: %w", err)
	}
	s.note(ctx, Entry{Action: LogCodeUsed, Principal: now.ID, Detail: fmt.Sprintf("%d left", len(x.Codes))})
	return nil
}

// RecoveryCodes returns how many recovery codes the person of the session has
// left, and whether there is a second factor. Errors: nvr.ErrLocked, ErrNoSession.
func (s *Service) RecoveryCodes(ctx context.Context, sess *Session) (left int, second bool, err error) {
	p, err := s.ownProof(ctx, sess)
	if err != nil {
		return 0, false, err
	}
	defer p.wipe()
	return len(p.secret.Codes), p.secret.TOTP != "", nil
}
