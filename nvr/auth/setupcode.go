package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"lares/nvr"
)

const (
	setupSetting  = "auth/setup-code"
	setupContext  = "lares/setup-code/v1"
	setupLifetime = 30 * time.Minute
	setupAccount  = "setup-code"
	setupDigits   = 8 // 40 bits, guessed at most some 20 times an hour
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
	var raw [setupDigits]byte
	rand.Read(raw[:]) // never fails: crypto/rand, Go 1.24
	for i := range raw {
		raw[i] = crockford[raw[i]%32]
	}
	expires = time.Now().Add(setupLifetime).UTC().Truncate(time.Second)
	h := sha256.Sum256(raw[:])
	plain := binary.BigEndian.AppendUint64([]byte{1}, uint64(expires.Unix()))
	plain = append(plain, h[:]...)
	if err := s.store.SetSetting(ctx, setupSetting, s.machine.Seal(setupContext, plain)); err != nil {
		return "", time.Time{}, fmt.Errorf("store the set-up code: %w", err)
	}
	s.throttle.reset(ctx, setupAccount)
	return string(raw[:4]) + "-" + string(raw[4:]), expires, nil
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
	if err := s.matchSetupCode(ctx, code); err != nil {
		return err
	}
	c.right(ctx)
	return nil
}

func (s *Service) matchSetupCode(ctx context.Context, code string) error {
	sealed, err := s.store.Setting(ctx, setupSetting)
	if errors.Is(err, nvr.ErrNotFound) {
		return ErrSetupCode
	}
	if err != nil {
		return fmt.Errorf("read the set-up code: %w", err)
	}
	plain, err := s.machine.Open(setupContext, sealed)
	if err != nil || len(plain) != 1+8+sha256.Size || plain[0] != 1 {
		return ErrSetupCode
	}
	expires := time.Unix(int64(binary.BigEndian.Uint64(plain[1:])), 0)
	h := sha256.Sum256([]byte(foldCode(code)))
	left := time.Until(expires)
	if subtle.ConstantTimeCompare(h[:], plain[9:]) != 1 || left <= 0 || left > setupLifetime {
		return ErrSetupCode
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
