package camera

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"lares/nvr"
	"lares/nvr/camera/onvif"
)

// Masks asks a camera for the privacy masks that it keeps. A camera that cannot
// keep any, or speaks no ONVIF, gives a zero value. Errors: nvr.ErrNotFound, or
// that the camera does not answer.
func (d *Devices) Masks(ctx context.Context, id nvr.CameraID) (nvr.Masks, error) {
	client, config, err := d.lens(ctx, id)
	if err != nil || client == nil {
		return nvr.Masks{}, err
	}
	return masks(ctx, client, config)
}

// masks takes a camera that does not know the question for one without masks.
func masks(ctx context.Context, client *onvif.Client, config string) (nvr.Masks, error) {
	all, err := client.Masks(ctx, config)
	if errors.Is(err, onvif.ErrUnsupported) || errors.Is(err, onvif.ErrOff) {
		return nvr.Masks{}, nil
	}
	return all, err
}

// lens returns a client for a camera and the name that the camera's main
// picture has in it; a nil client where the camera speaks no ONVIF.
func (d *Devices) lens(ctx context.Context, id nvr.CameraID) (*onvif.Client, string, error) {
	c, err := d.cfg.Fleet.Camera(id)
	if err != nil || c.Identity.Service == "" {
		return nil, "", err
	}
	client, err := d.client(c.Identity, c.User, c.Password)
	if err != nil {
		return nil, "", err
	}
	if _, _, err := client.Clock(ctx); err != nil {
		return nil, "", err
	}
	profiles, err := client.Profiles(ctx)
	if err != nil {
		return nil, "", err
	}
	main, _, ok := onvif.Choose(profiles)
	if !ok {
		return nil, "", nil
	}
	return client, main.SourceConfig, nil
}

// SetMasks makes the masks of a camera those given, and returns what the camera
// keeps then: it may round. Masks that stay are left alone, and nothing is taken
// away before what is new is there. Errors also: nvr.ErrInvalid where the camera
// cannot keep these.
func (d *Devices) SetMasks(ctx context.Context, id nvr.CameraID, want [][]nvr.Point) (nvr.Masks, error) {
	client, config, err := d.lens(ctx, id)
	if err != nil {
		return nvr.Masks{}, err
	}
	if client == nil {
		return nvr.Masks{}, fmt.Errorf("mask in the camera: %w", nvr.ErrInvalid)
	}
	now, err := masks(ctx, client, config)
	if err != nil {
		return nvr.Masks{}, err
	}
	if !now.Possible || len(want) > now.Most {
		return now, fmt.Errorf("%d masks in the camera: %w", len(want), nvr.ErrInvalid)
	}
	want = slices.Clone(want)
	for i, points := range want {
		if now.Rectangles {
			want[i] = rectangle(points)
		} else if now.Corners > 0 && len(points) > now.Corners {
			return now, fmt.Errorf("mask of %d corners: %w", len(points), nvr.ErrInvalid)
		}
	}
	if err := change(ctx, client, config, now.List, want); err != nil {
		return now, err
	}
	return masks(ctx, client, config)
}

// change leaves masks that stay alone, moves others to new places, makes what is
// missing and only then takes away what is too much.
func change(ctx context.Context, client *onvif.Client, config string, have []nvr.Mask, want [][]nvr.Point) error {
	have = slices.Clone(have)
	want = slices.DeleteFunc(slices.Clone(want), func(points []nvr.Point) bool {
		i := slices.IndexFunc(have, func(m nvr.Mask) bool { return samePlace(m.Points, points) })
		if i >= 0 {
			have = slices.Delete(have, i, i+1)
		}
		return i >= 0
	})
	for i, points := range want {
		m := nvr.Mask{Points: points}
		if i < len(have) {
			m.Token = have[i].Token
		}
		if err := client.SetMask(ctx, config, m); err != nil {
			return err
		}
	}
	for _, m := range have[min(len(want), len(have)):] {
		if err := client.DeleteMask(ctx, m.Token); err != nil {
			return err
		}
	}
	return nil
}

// samePlace reports whether two areas are the same but for what cameras round.
func samePlace(a, b []nvr.Point) bool {
	const rounding = 0.005 // of the picture
	return slices.EqualFunc(a, b, func(p, q nvr.Point) bool {
		return math.Abs(p.X-q.X) < rounding && math.Abs(p.Y-q.Y) < rounding
	})
}

// rectangle is the upright rectangle around an area.
func rectangle(points []nvr.Point) []nvr.Point {
	left, top, right, bottom := 1.0, 1.0, 0.0, 0.0
	for _, p := range points {
		left, right = min(left, p.X), max(right, p.X)
		top, bottom = min(top, p.Y), max(bottom, p.Y)
	}
	return []nvr.Point{{X: left, Y: top}, {X: right, Y: top}, {X: right, Y: bottom}, {X: left, Y: bottom}}
}
