package auth

import (
	"context"
	"time"

	"lares/nvr"
)

// Openers returns how many people hold keys to what is recorded of a camera now,
// for those who see the camera. Errors: nvr.ErrForbidden, ErrNoSession.
func (s *Service) Openers(ctx context.Context, sess *Session, camera nvr.CameraID) (int, error) {
	now := time.Now()
	if err := s.Authorize(ctx, sess, ActStatus, camera, now); err != nil {
		return 0, err
	}
	body, err := s.trust.roster()
	if err != nil {
		return 0, err
	}
	return len(body.entitled(camera, now)), nil
}
