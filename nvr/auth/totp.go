package auth

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"lares/nvr"
)

const (
	issuer = "Lares"
	// totpStep is the time step of RFC 6238 section 4.1, in seconds.
	totpStep = 30
)

// TOTPEnrolment proves that an authenticator app holds the secret.
type TOTPEnrolment struct {
	Secret string // base32, from NewTOTP
	Code   string // that the app shows now
}

// NewTOTP returns a fresh secret for an authenticator app (RFC 6238: SHA-1, six
// digits, 30 s) and the otpauth URL for its QR code.
func NewTOTP(name string) (secret, otpauthURL string, err error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: strings.TrimSpace(name)})
	if err != nil {
		return "", "", fmt.Errorf("make a second factor: %w", err)
	}
	return key.Secret(), key.URL(), nil
}

// check returns the time step of the enrolment's code. Error: ErrTOTP.
func (e *TOTPEnrolment) check(now time.Time) (step uint64, err error) {
	step, ok := matchTOTP(e.Secret, e.Code, now)
	if !ok {
		return 0, ErrTOTP
	}
	return step, nil
}

// matchTOTP returns the newest time step, of the current one and its two
// neighbours, whose code this is (RFC 6238 section 5.2).
func matchTOTP(secret, code string, now time.Time) (step uint64, ok bool) {
	code = strings.Join(strings.Fields(code), "")
	current := uint64(max(now.Unix(), totpStep)) / totpStep
	for s := current - 1; s <= current+1; s++ {
		want, err := hotp.GenerateCode(secret, s)
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// steps remembers the last time step that each person used, so that a code
// works once.
type steps struct {
	store SettingStore
	log   *slog.Logger

	mu   sync.Mutex // guards what follows
	last map[nvr.PrincipalID]uint64
}

func stepSetting(id nvr.PrincipalID) string { return "auth/totp-step/" + id.String() }

// use checks a code and uses it up. Errors: ErrWrong.
func (s *steps) use(ctx context.Context, id nvr.PrincipalID, secret, code string) error {
	step, ok := matchTOTP(secret, code, time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.last[id]; !known {
		if raw, err := s.store.Setting(ctx, stepSetting(id)); err == nil && len(raw) == 8 {
			s.last[id] = binary.BigEndian.Uint64(raw)
		}
	}
	if !ok || step <= s.last[id] {
		return ErrWrong
	}
	s.markLocked(ctx, id, step)
	return nil
}

func (s *steps) mark(ctx context.Context, id nvr.PrincipalID, step uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.markLocked(ctx, id, step)
}

func (s *steps) markLocked(ctx context.Context, id nvr.PrincipalID, step uint64) {
	s.last[id] = step
	raw := binary.BigEndian.AppendUint64(nil, step)
	// A full disk must not keep the owner out who comes to make room.
	if err := s.store.SetSetting(context.WithoutCancel(ctx), stepSetting(id), raw); err != nil {
		s.log.WarnContext(ctx, "cannot store that a code was used", slog.Any("error", err))
	}
}
