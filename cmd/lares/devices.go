package main

import (
	"context"
	"log/slog"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/camera"
)

// cameraMoved is the word for a camera that was followed to a new address, in
// the log of who looked and in notices.
const cameraMoved = "camera-moved"

// findDevices returns what talks ONVIF to the devices of the house.
func (h *house) findDevices() *camera.Devices {
	return camera.NewDevices(camera.DevicesConfig{Fleet: h.fleet, Log: h.log, House: h.egress, OnMove: h.tellMove})
}

// tellMove enters that a camera was found at a new address, and tells owners.
func (h *house) tellMove(ctx context.Context, id nvr.CameraID, host string) {
	err := h.auth.Record(ctx, auth.Entry{Action: cameraMoved, Camera: id, Detail: host})
	if err == nil {
		err = h.config.AddNotice(ctx, nvr.Notice{Time: time.Now().UTC(), Kind: cameraMoved, Camera: id, Count: 1})
	}
	if err != nil {
		h.log.LogAttrs(ctx, slog.LevelWarn, "move of a camera not entered", slog.String("camera", id.String()), slog.Any("error", err))
	}
}
