package camera

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"lares/nvr"
	"lares/nvr/camera/onvif"
)

const (
	tendEach = 5 * time.Second
	// ringOnce is how long a press counts as the same: some buttons bounce.
	ringOnce = 2 * time.Second
	// rejoinAfter is the pause after a doorbell stopped talking.
	rejoinAfter = 20 * time.Second
)

// bell is a doorbell that is listened to, with the login of that time.
type bell struct {
	camera nvr.Camera
	cancel context.CancelFunc
}

func (b *bell) fits(c nvr.Camera) bool {
	return b.camera.Identity.Service == c.Identity.Service && b.camera.User == c.User && b.camera.Password == c.Password
}

// listen keeps one listener at each doorbell whose pictures come: there is none
// at a camera that is private, switched off or lost.
func (d *Devices) listen(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	bells := make(map[nvr.CameraID]*bell)
	tick := time.NewTicker(tendEach)
	defer tick.Stop()
	for {
		d.tend(ctx, bells, &wg)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// tend ends and begins listening as the cameras are now.
func (d *Devices) tend(ctx context.Context, bells map[nvr.CameraID]*bell, wg *sync.WaitGroup) {
	up := make(map[nvr.CameraID]nvr.Camera)
	for _, st := range d.cfg.Fleet.List() {
		if st.Camera.Identity.Bell && len(st.Streams) > 0 && st.Streams[0].State.Up {
			up[st.Camera.ID] = st.Camera
		}
	}
	for id, b := range bells {
		if c, ok := up[id]; !ok || !b.fits(c) {
			b.cancel()
			delete(bells, id)
		}
	}
	for id, c := range up {
		if bells[id] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		bells[id] = &bell{camera: c, cancel: cancel}
		wg.Go(func() {
			defer cancel()
			d.hear(ctx, c)
		})
	}
}

// hear publishes each press of a doorbell until ctx ends or the camera rejects
// the login, which is not offered again.
func (d *Devices) hear(ctx context.Context, c nvr.Camera) {
	var last time.Time
	for ctx.Err() == nil {
		client, err := d.client(c.Identity, c.User, c.Password)
		if err == nil {
			_, _, err = client.Clock(ctx)
		}
		if err == nil {
			err = client.Events(ctx, func(e onvif.Event) {
				if now := time.Now(); e.Pressed() && now.Sub(last) > ringOnce {
					last = now
					d.ring(c.ID, now)
				}
			})
		}
		if problem := problemOf(err); ctx.Err() == nil && (problem == nvr.DeviceRefused || problem == nvr.DeviceLocked || errors.Is(err, nvr.ErrInvalid)) {
			d.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "doorbell not heard", slog.String("camera", c.ID.String()), slog.String("error", err.Error()))
			return
		}
		select {
		case <-time.After(rejoinAfter):
		case <-ctx.Done():
		}
	}
}

func (d *Devices) ring(camera nvr.CameraID, at time.Time) {
	d.cfg.Fleet.cfg.Bus.Publish(nvr.Event{
		ID: nvr.NewID[nvr.Event](), Kind: nvr.Doorbell, Source: "onvif", Camera: camera, Start: at,
	})
}
