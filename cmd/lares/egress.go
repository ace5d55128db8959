package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"lares/nvr"
	"lares/nvr/egress"
)

// egressSetting holds what the household allows beyond the private addresses.
const egressSetting = "egress.rule"

// egressGuard keeps the rule that was chosen last.
func (h *house) egressGuard(ctx context.Context) (*egress.Guard, error) {
	var rule egress.Rule
	raw, err := h.config.Setting(ctx, egressSetting)
	if err == nil {
		err = json.Unmarshal(raw, &rule)
	}
	if err != nil && !errors.Is(err, nvr.ErrNotFound) {
		return nil, fmt.Errorf("read what may be reached: %w", err)
	}
	return egress.New(rule), nil
}

// egressText says whether the system keeps the program inside the house.
func egressText(lock string) string {
	switch l := egress.Lock(lock); {
	case l == egress.NoWay:
		return "Egress lock: enforced, because no route leads out of the house."
	case l.Enforced():
		return "Egress lock: enforced."
	case l == egress.LetOut:
		return "Egress lock: not enforced, because the system would let this program send to the internet."
	}
	return "Egress lock: not known, because the test could not be made."
}

// egressLock asks the system whether it lets anything out of the house.
func (h *house) egressLock() string {
	lock, err := egress.SelfTest()
	if err != nil {
		h.log.Warn("the egress lock cannot be tested", slog.Any("error", err))
	}
	return string(lock)
}
