package auth

import (
	"context"
	"fmt"

	"lares/nvr"
)

// Words of the log for what HomeKit pairings do.
const (
	LogHomeKitLive      = "homekit-live"
	LogHomeKitSnapshots = "homekit-snapshots" // a series of them
)

// AuthorizePairing decides whether a HomeKit pairing may do a with a camera at
// this moment. Pairings are not in the roster and hold no keys: they see live
// pictures of cameras that an owner offered to the Home app, may switch privacy
// mode on, and nothing else; footage is out of their reach. Error:
// nvr.ErrForbidden.
func (s *Service) AuthorizePairing(_ context.Context, a Action, camera nvr.CameraID) error {
	if a != ActLive && a != ActPrivacy || a == ActLive && camera.IsZero() {
		return fmt.Errorf("%s by a HomeKit pairing: %w", a, nvr.ErrForbidden)
	}
	if _, err := s.trust.roster(); err != nil {
		return fmt.Errorf("%s by a HomeKit pairing: %w: %w", a, nvr.ErrForbidden, err)
	}
	return nil
}
