package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"lares/nvr/auth"
)

// setupCodeName is a file in the data folder that holds the one-time code while
// there is no owner: whoever runs a container on a NAS finds it more easily than a log.
const setupCodeName = "SETUP-CODE.txt"

// greet says where the page is, and the one-time code while there is no owner.
func (p *program) greet(ctx context.Context, h *house, at address) error {
	fmt.Fprintf(p.stdout, "Open  %s\n", strings.Join(at.urls, "\n  or  "))
	fmt.Fprintf(p.stdout, "Certificate authority (SHA-256)  %s\n", at.fingerprint)
	return p.offerCode(ctx, h)
}

// offerCode prints the one-time code and leaves it in a file, a new one whenever
// it ran out, until the box has an owner.
func (p *program) offerCode(ctx context.Context, h *house) error {
	const look = 2 * time.Second
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	defer func() {
		if err := os.Remove(h.path(setupCodeName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.log.WarnContext(ctx, "remove the file with the one-time code", slog.Any("error", err))
		}
	}()
	for ends := time.Now(); ; {
		claimed, err := h.auth.Claimed(ctx)
		if err != nil || claimed {
			return err
		}
		if !time.Now().Before(ends) {
			ends, err = p.newCode(ctx, h)
			if errors.Is(err, auth.ErrClaimed) {
				return nil
			}
			if err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (p *program) newCode(ctx context.Context, h *house) (ends time.Time, err error) {
	code, ends, err := h.auth.NewSetupCode(ctx)
	if err != nil {
		return ends, fmt.Errorf("make a one-time code: %w", err)
	}
	fmt.Fprintf(p.stdout, "One-time code  %s   (until %s; 'lares setup-code' makes a new one)\n", code, ends.Local().Format("15:04"))
	if err := os.WriteFile(h.path(setupCodeName), []byte(code+"\n"), 0o600); err != nil {
		h.log.WarnContext(ctx, "leave the one-time code in a file", slog.Any("error", err))
	}
	return ends, nil
}
