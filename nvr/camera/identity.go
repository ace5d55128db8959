package camera

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"lares/nvr"
)

// Replace puts another device in the place of a camera: c has the addresses,
// the login and the identity of the new one, and everything else as it was.
// Streams that keep their id are recorded on in it. Certificates of the old
// device are forgotten. Errors as of [Fleet.Update].
func (f *Fleet) Replace(ctx context.Context, c nvr.Camera) (nvr.Camera, error) {
	return f.swap(ctx, c.ID, func(old nvr.Camera) (nvr.Camera, error) {
		c.Added = old.Added
		c.Streams = slices.Clone(c.Streams)
		for i := range c.Streams {
			source := &c.Streams[i]
			if source.Stream.IsZero() {
				source.Stream = nvr.NewID[nvr.Stream]()
			} else if !slices.ContainsFunc(old.Streams, func(o nvr.Source) bool { return o.Stream == source.Stream }) {
				return nvr.Camera{}, fmt.Errorf("stream %s of the camera: %w", source.Stream, nvr.ErrNotFound)
			}
		}
		return c, nil
	})
}

// Move follows a camera to its new address: the same device with the same
// streams, certificates and login. host is an address without a port.
func (f *Fleet) Move(ctx context.Context, id nvr.CameraID, host string) error {
	_, err := f.swap(ctx, id, func(c nvr.Camera) (nvr.Camera, error) {
		c.Streams = slices.Clone(c.Streams)
		for i := range c.Streams {
			c.Streams[i].URL = atHost(c.Streams[i].URL, host)
		}
		if c.Identity.Service != "" {
			c.Identity.Service = atHost(c.Identity.Service, host)
		}
		return c, nil
	})
	return err
}

// swap changes where a camera is pulled from.
func (f *Fleet) swap(ctx context.Context, id nvr.CameraID, edit func(nvr.Camera) (nvr.Camera, error)) (nvr.Camera, error) {
	f.edit.Lock()
	defer f.edit.Unlock()
	if err := f.loadLocked(ctx); err != nil {
		return nvr.Camera{}, err
	}
	c, err := f.Camera(id)
	if err == nil {
		c, err = edit(c)
	}
	if err == nil {
		c, err = f.check(c)
	}
	if err != nil {
		return nvr.Camera{}, err
	}
	if err := f.cfg.Store.SaveCamera(ctx, c); err != nil {
		return nvr.Camera{}, fmt.Errorf("store camera: %w", err)
	}
	f.replace(ctx, c)
	f.changed(id)
	return c, nil
}

// atHost puts another host into a URL and keeps the port.
func atHost(raw, host string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	switch port := u.Port(); {
	case port != "":
		u.Host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		u.Host = "[" + host + "]"
	default:
		u.Host = host
	}
	return u.String()
}

// hostOf is the host of a URL without the port; empty where there is none.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
