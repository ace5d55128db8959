package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"lares/nvr"
)

const (
	setupSetting = "auth/setup-code"
	setupContext = "lares/setup-code/v1"
	loginSetting = "auth/login-code"
	loginContext = "lares/login-code/v1"
	codeLife     = 30 * time.Minute
	setupAccount = "setup-code"
	setupDigits  = 8 // 40 bits, guessed at most some 20 times an hour
	// loginDigits of 5 bits each are not guessed, so that no throttle is needed
	// with which a stranger could keep the owner out.
	loginDigits = 16
	// crockford is the alphabet of Crockford's base 32: no I, L, O and U.
	crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// NewSetupCode returns a one-time code, "XXXX-XXXX", that lets somebody who can
// see the box's console become its owner in the browser, and when it ends. It
// replaces an earlier code. Error: ErrClaimed.
func (s *Service) NewSetupCode(ctx context.Context) (code string, expires time.Time, err error) {
	claimed, err := s.Claimed(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	if claimed {
		return "", time.Time{}, ErrClaimed
	}
	if code, expires, err = s.newCode(ctx, setupSetting, setupContext, setupDigits); err == nil {
		s.throttle.reset(ctx, setupAccount)
	}
	return code, expires, err
}

// newCode replaces the code that lies in a setting.
func (s *Service) newCode(ctx context.Context, setting, sealContext string, n int) (code string, expires time.Time, err error) {
	raw := randomCode(n)
	expires = time.Now().Add(codeLife).UTC().Truncate(time.Second)
	h := sha256.Sum256([]byte(raw))
	plain := binary.BigEndian.AppendUint64([]byte{1}, uint64(expires.Unix()))
	plain = append(plain, h[:]...)
	if err := s.store.SetSetting(ctx, setting, s.machine.Seal(sealContext, plain)); err != nil {
		return "", time.Time{}, fmt.Errorf("store a one-time code: %w", err)
	}
	return groups(raw), expires, nil
}

// CheckSetupCode reports whether the code is in force, without using it up.
// Errors: ErrSetupCode, ErrThrottled, ErrClaimed.
func (s *Service) CheckSetupCode(ctx context.Context, code, addr string) error {
	claimed, err := s.Claimed(ctx)
	if err != nil {
		return err
	}
	if claimed {
		return ErrClaimed
	}
	c, err := s.throttle.stranger(ctx, setupAccount, addr)
	if err != nil {
		return err
	}
	ok, err := s.matchCode(ctx, setupSetting, setupContext, code)
	if err != nil {
		return err
	}
	if !ok {
		return ErrSetupCode
	}
	c.right(ctx)
	return nil
}

// matchCode reports whether a code lies in a setting and is in force.
func (s *Service) matchCode(ctx context.Context, setting, sealContext, code string) (bool, error) {
	sealed, err := s.store.Setting(ctx, setting)
	if errors.Is(err, nvr.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a one-time code: %w", err)
	}
	plain, err := s.machine.Open(sealContext, sealed)
	if err != nil || len(plain) != 1+8+sha256.Size || plain[0] != 1 {
		return false, nil //nolint:nilerr // not a code of this box
	}
	expires := time.Unix(int64(binary.BigEndian.Uint64(plain[1:])), 0)
	h := sha256.Sum256([]byte(foldCode(code)))
	left := time.Until(expires)
	return subtle.ConstantTimeCompare(h[:], plain[9:]) == 1 && left > 0 && left <= codeLife, nil
}

// NewLoginCode returns a one-time code for whoever stands at the box's console,
// "XXXX-XXXX-XXXX-XXXX": with it and the password somebody gets in from any
// address while strangers guess passwords. It replaces an earlier code. Error:
// nvr.ErrNoOwner before there is a household.
func (s *Service) NewLoginCode(ctx context.Context) (code string, expires time.Time, err error) {
	if claimed, err := s.Claimed(ctx); err != nil || !claimed {
		return "", time.Time{}, errors.Join(err, nvr.ErrNoOwner)
	}
	if code, expires, err = s.newCode(ctx, loginSetting, loginContext, loginDigits); err == nil {
		s.note(ctx, Entry{Action: LogBoxCode, Addr: "console"})
	}
	return code, expires, err
}

// admit charges a guess of somebody who wants to log in. With the code of the box
// the tries count for the code alone.
func (s *Service) admit(ctx context.Context, req LoginRequest) (*charge, error) {
	if req.BoxCode == "" {
		return s.throttle.stranger(ctx, accountKey(req.Name), req.Addr)
	}
	ok, err := s.matchCode(ctx, loginSetting, loginContext, req.BoxCode)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrBoxCode
	}
	h := sha256.Sum256([]byte(foldCode(req.BoxCode)))
	return s.throttle.charge(ctx, "box-code/"+hex.EncodeToString(h[:16]))
}

// spendBoxCode uses up the code that let somebody in.
func (s *Service) spendBoxCode(ctx context.Context, req LoginRequest) error {
	if req.BoxCode == "" {
		return nil
	}
	if err := s.store.DeleteSetting(ctx, loginSetting); err != nil {
		if errors.Is(err, nvr.ErrNotFound) {
			return ErrBoxCode // somebody else was faster
		}
		return fmt.Errorf("use up the code of the box: %w", err)
	}
	return nil
}

// foldCode reads a code as people type it.
func foldCode(code string) string {
	if len(code) > 64 {
		return ""
	}
	return strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(code))
}
