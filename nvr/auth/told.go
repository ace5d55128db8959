package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lares/nvr"
)

func toldSetting(id nvr.PrincipalID) string { return "auth/told/" + id.String() }

// Told reports whether the person of a session has confirmed to have read what
// is kept of this house, how long, and who can see it. A link is asked nothing.
func (s *Service) Told(ctx context.Context, sess *Session) (bool, error) {
	if sess.link != nil || sess.confirmed() {
		return true, nil
	}
	_, err := s.store.Setting(ctx, toldSetting(sess.id))
	if errors.Is(err, nvr.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what a person was told: %w", err)
	}
	sess.confirm()
	return true, nil
}

// ConfirmTold enters that the person has read it. Where that cannot be stored
// the person is asked again at the next login.
func (s *Service) ConfirmTold(ctx context.Context, sess *Session) {
	if sess.link != nil {
		return
	}
	sess.confirm()
	now := time.Now().UTC().Format(time.RFC3339)
	if err := s.store.SetSetting(ctx, toldSetting(sess.id), []byte(now)); err != nil {
		s.log.WarnContext(ctx, "cannot store what a person was told", slog.Any("error", err))
	}
	s.note(ctx, Entry{Action: LogTold, Session: sess})
}

func (s *Session) confirmed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

func (s *Session) confirm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = true
}
