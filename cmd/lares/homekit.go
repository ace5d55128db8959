package main

import (
	"context"
	"regexp"
	"time"

	"lares/homekit"
	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/media"
)

// homeKit returns what shows the house in the Home app.
func (h *house) homeKit(ctx context.Context) (*homekit.Service, error) {
	return homekit.New(ctx, homekit.Config{
		Cameras: h.fleet, Privacy: h.fleet, Stills: h.workers.stills, Settings: homeSettings{sealedSettings{h}},
		Opus: func(id nvr.CameraID) homekit.Opus {
			return media.NewWorker(media.WorkerConfig{Name: "homekit " + id.String(), Log: h.log, Idle: time.Minute})
		},
		Recording: h.rec, Gate: homeGate{h.auth}, Bus: h.bus, Log: h.log, Version: firmware(),
	})
}

// firmware is the version in the form that HomeKit wants: up to three numbers.
func firmware() string {
	if n := regexp.MustCompile(`\d+(\.\d+){0,2}`).FindString(version); n != "" {
		return n
	}
	return "0.0.0"
}

// homeSettings keeps HomeKit's identities, sealed with the machine key.
type homeSettings struct{ sealedSettings }

func (s homeSettings) Delete(ctx context.Context, name string) error {
	return s.h.config.DeleteSetting(ctx, name)
}

// homeGate decides what HomeKit pairings may do, and enters what they did.
type homeGate struct{ auth *auth.Service }

func (g homeGate) May(ctx context.Context, camera nvr.CameraID) error {
	return g.auth.AuthorizePairing(ctx, auth.ActLive, camera)
}

func (g homeGate) Record(ctx context.Context, e homekit.Entry) error {
	return g.auth.Record(ctx, auth.Entry{Action: e.Action, Principal: e.Pairing, Camera: e.Camera, Addr: e.Addr, Detail: e.Detail})
}
