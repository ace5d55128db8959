package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"slices"

	"lares/nvr"
)

// knownSize is how many bytes of a device's digest are kept.
const knownSize = 16

func knownSetting(id nvr.PrincipalID) string { return "auth/known/" + id.String() }

// noteDevice tells the person, and the owners, when somebody logged in with a
// device or from an address that is not among the last that did. These are kept as
// digests.
func (s *Service) noteDevice(ctx context.Context, sess *Session) {
	s.people.Lock()
	defer s.people.Unlock()
	raw, err := s.store.Setting(ctx, knownSetting(sess.id))
	if err != nil && !errors.Is(err, nvr.ErrNotFound) {
		s.log.WarnContext(ctx, "cannot read the devices of a person", slog.Any("error", err))
		return
	}
	first := len(raw) < knownSize
	h := sha256.Sum256([]byte("lares/known\x00" + sess.id.String() + "\x00" + sess.Device() + "\x00" + addressKey(sess.Addr())))
	digest := h[:knownSize]
	for known := range slices.Chunk(raw, knownSize) {
		if slices.Equal(known, digest) {
			return
		}
	}
	raw = append(slices.Clone(raw), digest...)
	raw = raw[max(0, len(raw)-maxKnown*knownSize):]
	if err := s.store.SetSetting(ctx, knownSetting(sess.id), raw); err != nil {
		s.log.WarnContext(ctx, "cannot store the devices of a person", slog.Any("error", err))
	}
	if !first { // the one with which the account began is no news
		s.notice(ctx, nvr.Notice{Kind: NoticeNewDevice, Principal: sess.id})
	}
}
