package camsim_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

func clip(t *testing.T, name string) *camsim.Clip {
	t.Helper()
	c, err := camsim.Load(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func start(t *testing.T, cfg camsim.Config) *camsim.Camera {
	t.Helper()
	c, err := camsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return c
}

func TestClipsAreReadFrameByFrame(t *testing.T) {
	for name, want := range map[string]struct {
		codec  nvr.Codec
		frames int
		sound  bool
	}{
		"bframes_aac.mp4": {nvr.H264, 75, true},
		"plain.mp4":       {nvr.H264, 50, false},
		"plain.h264":      {nvr.H264, 50, false},
		"h265.mp4":        {nvr.H265, 30, false},
		"plain.h265":      {nvr.H265, 15, false},
		"longgop.mp4":     {nvr.H264, 100, false},
	} {
		c := clip(t, name)
		if c.Codec() != want.codec || c.Frames() != want.frames || c.HasSound() != want.sound {
			t.Errorf("%s: %v, %d frames, sound %v; want %+v", name, c.Codec(), c.Frames(), c.HasSound(), want)
		}
	}
}

func TestPlaysClipInALoop(t *testing.T) {
	for _, name := range []string{"bframes_aac.mp4", "h265.mp4"} {
		t.Run(name, func(t *testing.T) {
			cam := start(t, camsim.Config{Main: clip(t, name), Speed: 8, Record: true})
			u, err := base.ParseURL(cam.URL(nvr.Main))
			if err != nil {
				t.Fatal(err)
			}
			transport := gortsplib.TransportTCP
			client := &gortsplib.Client{Scheme: u.Scheme, Host: u.Host, Transport: &transport}
			if err := client.Start2(); err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			desc, _, err := client.Describe(u)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.SetupAll(desc.BaseURL, desc.Medias); err != nil {
				t.Fatal(err)
			}
			const want = 200 // more than one round
			var pictures int
			done := make(chan struct{})
			client.OnPacketRTPAny(func(_ *description.Media, _ format.Format, p *rtp.Packet) {
				if p.Marker {
					if pictures++; pictures == want {
						close(done)
					}
				}
			})
			if _, err := client.Play(nil); err != nil {
				t.Fatal(err)
			}
			<-done
			sent := cam.Sent(nvr.Main)
			if len(sent) < want {
				t.Errorf("camera says it sent %d pictures, %d arrived", len(sent), want)
			}
		})
	}
}

func TestCannotBeMadeWithoutAClip(t *testing.T) {
	if _, err := camsim.New(camsim.Config{}); err == nil {
		t.Fatal("a camera without a clip was made")
	}
}

func FuzzReadByteStream(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 0x80}, true)
	f.Fuzz(func(t *testing.T, raw []byte, second bool) {
		codec := nvr.H264
		if second {
			codec = nvr.H265
		}
		if c, err := camsim.ReadByteStream(bytes.NewReader(raw), codec); err == nil && c.Frames() == 0 {
			t.Error("a clip without a picture was accepted")
		}
	})
}

func FuzzReadMP4(f *testing.F) {
	seed, err := os.ReadFile(filepath.Join("testdata", "h265.mp4"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := camsim.ReadMP4(bytes.NewReader(raw)); err == nil && c.Frames() == 0 {
			t.Error("a clip without a picture was accepted")
		}
	})
}
