package auth

import (
	"context"
	"errors"
	"fmt"

	"lares/nvr"
)

// RecordPrivacy enters a change of privacy mode, as Record does. On a box without
// a household nobody looks, and there is no record.
func (s *Service) RecordPrivacy(ctx context.Context, c nvr.PrivacyChange) error {
	e := Entry{Principal: c.By, Camera: c.Camera, Addr: c.Addr, From: c.From, To: c.To}
	house := c.Camera.IsZero()
	switch {
	case c.Kind == nvr.PrivacyPlanned:
		e.Action = LogPrivacyPlan
	case c.Kind == nvr.PrivacyBegan && house:
		e.Action = LogHousePrivate
	case c.Kind == nvr.PrivacyBegan:
		e.Action = LogPrivate
	case c.Kind == nvr.PrivacyLifted && house:
		e.Action = LogHousePrivateLifted
	case c.Kind == nvr.PrivacyLifted:
		e.Action = LogPrivateLifted
	case c.Kind == nvr.PrivacyEnded && house:
		e.Action = LogHousePrivateEnded
	case c.Kind == nvr.PrivacyEnded:
		e.Action = LogPrivateEnded
	default:
		return fmt.Errorf("a change of privacy mode of kind %d: %w", c.Kind, nvr.ErrInvalid)
	}
	if err := s.Record(ctx, e); err != nil && !errors.Is(err, nvr.ErrNoOwner) {
		return err
	}
	return nil
}
