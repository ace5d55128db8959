package auth

import (
	"context"

	"lares/nvr"
)

// Words of the log for what people decide about footage.
const (
	LogDeleted       = "deleted"
	LogDeleteStopped = "deletion-stopped" // some of it is not gone yet
	LogKept          = "kept"             // as evidence
	LogLifted        = "kept-lifted"
)

// RecordReceipt is Record for what is to be read after the footage is gone: its
// details are sealed to the household's vault, not to that of the camera, which
// goes with the footage.
func (s *Service) RecordReceipt(ctx context.Context, e Entry) error {
	e.household = true
	return s.Record(ctx, e)
}

// LinkMaker is the name of who made a link; empty for somebody who is gone.
func (s *Service) LinkMaker(ctx context.Context, l nvr.ShareLink) string {
	p, err := s.principal(ctx, l.By)
	if err != nil {
		return ""
	}
	return p.Name
}
