package camera

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lares/nvr"
)

const (
	// lostAfter is how long a camera must be away before it is searched for: a
	// restart of a camera takes less.
	lostAfter = 3 * time.Minute
	lookEach  = time.Minute
)

// Run follows cameras that are lost to their new addresses and listens to
// doorbells until ctx ends; then it returns nil. It can be called once.
func (d *Devices) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { d.listen(ctx) })
	tick := time.NewTicker(lookEach)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			d.follow(ctx, time.Now())
		case <-ctx.Done():
			return nil
		}
	}
}

// follow searches for the cameras that are lost now.
func (d *Devices) follow(ctx context.Context, now time.Time) {
	lost := slices.DeleteFunc(d.cfg.Fleet.List(), func(st nvr.CameraStatus) bool { return !isLost(st, now) })
	if len(lost) == 0 {
		return
	}
	found, err := d.Search(ctx)
	if err != nil {
		return // ctx ended
	}
	for _, st := range lost {
		for _, device := range found {
			if d.isSame(ctx, st.Camera, device) {
				d.move(ctx, st.Camera, device.Host)
				break
			}
		}
	}
}

// isLost reports whether a camera has not been reached for long, and can be
// recognised.
func isLost(st nvr.CameraStatus, now time.Time) bool {
	if st.Camera.Identity.Endpoint == "" || st.Camera.Disabled || len(st.Streams) == 0 {
		return false
	}
	main := st.Streams[0].State
	return !main.Up && main.Down.Cause == nvr.CameraOffline && now.Sub(main.Down.Since) >= lostAfter
}

// isSame reports whether a device at another address is the camera, before any
// login is sent to it: it must have the camera's name in discovery, and the
// certificate or else the hardware address that are known of the camera.
func (d *Devices) isSame(ctx context.Context, c nvr.Camera, found nvr.FoundDevice) bool {
	known := c.Identity
	if found.Endpoint != known.Endpoint || found.Host == hostOf(c.Streams[0].URL) {
		return false
	}
	if len(known.Pin) == 0 && known.MAC == "" {
		return true
	}
	at := found.Identity
	if len(known.Pin) > 0 {
		at.Service, at.Pin = atHost(known.Service, found.Host), known.Pin
	}
	client, err := d.client(at, "", "")
	if err == nil {
		_, _, err = client.Clock(ctx)
	}
	same := err == nil && (len(known.Pin) > 0 || macOf(found.Host) == known.MAC)
	if !same {
		d.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "another device uses the name of a lost camera, or the camera was reset",
			slog.String("camera", c.ID.String()))
	}
	return same
}

func (d *Devices) move(ctx context.Context, c nvr.Camera, host string) {
	if err := d.cfg.Fleet.Move(ctx, c.ID, host); err != nil {
		d.cfg.Log.LogAttrs(ctx, slog.LevelError, "camera not followed to its new address",
			slog.String("camera", c.ID.String()), slog.String("error", err.Error()))
		return
	}
	d.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "camera followed to its new address", slog.String("camera", c.ID.String()))
	if d.cfg.OnMove != nil {
		d.cfg.OnMove(ctx, c.ID, host)
	}
}
