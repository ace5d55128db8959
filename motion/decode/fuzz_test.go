package decode

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"lares/nvr"
)

// FuzzPictures gives the decoder parameter sets and access units of a stranger.
func FuzzPictures(f *testing.F) {
	for _, c := range []struct{ name, coding string }{
		{"a.mp4", "-c:v libx264 -preset veryfast -pix_fmt yuv420p"},
		{"b.mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p"},
	} {
		p, all := frames(f, clip(f, c.name, "testsrc=size=64x48:rate=10,trim=duration=1", c.coding))
		for _, frame := range all[:3] {
			f.Add(p.Video == nvr.H265, p.VPS, p.SPS, p.PPS, all[0].Data, frame.Data)
		}
	}
	f.Fuzz(func(_ *testing.T, h265 bool, vps, sps, pps, first, second []byte) {
		p := &nvr.Params{Video: nvr.H264, VPS: vps, SPS: sps, PPS: pps}
		if h265 {
			p.Video = nvr.H265
		}
		list := []*nvr.Frame{
			{Track: nvr.VideoTrack, Key: true, Params: p, Data: first},
			{Track: nvr.VideoTrack, PTS: 9000, Params: p, Data: second},
		}
		// Errors are right, and so are pictures; crashes are not.
		_, _ = JPEG(list, nvr.StillOptions{MaxWidth: 64, MaxHeight: 64, Crop: nvr.Box{X: 0.5, W: 0.5, H: 1}})
		v, err := NewVideo(p, nvr.PictureOptions{MaxWidth: 31, MaxHeight: 17})
		if err != nil {
			return
		}
		defer v.Close()
		tc, err := NewTranscoder(p, nvr.H264Options{MaxWidth: 32, MaxHeight: 32, Bitrate: 100_000, Rate: 10})
		if err != nil {
			return
		}
		defer tc.Close()
		for _, frame := range list {
			_ = v.Decode(frame, func(nvr.Grey) {})
			_ = tc.Transcode(frame, func(*nvr.Frame) {})
		}
		_ = v.Drain(func(nvr.Grey) {})
	})
}

// FuzzSound gives the sound decoders blocks of a stranger.
func FuzzSound(f *testing.F) {
	f.Add(uint8(0), []byte{0xd5, 0xd5}, int64(0), int64(180))
	f.Add(uint8(3), []byte{0xfc, 0xff, 0xfe}, int64(0), int64(1<<62))
	f.Add(uint8(4), []byte{0xde, 0x02, 0x00, 0x4c, 0x61, 0x76, 0x63}, int64(0), int64(5760))
	f.Fuzz(func(t *testing.T, kind uint8, data []byte, first, second int64) {
		in := SoundFormat{Codec: []string{"pcm_alaw", "pcm_mulaw", "pcm_s16be", "opus", "aac"}[kind%5], Rate: 16000, Channels: 1 + int(kind>>7)}
		if in.Codec == "aac" {
			in.Config = "\x14\x08" // AAC-LC, 16,000 Hz, mono
		}
		aac, err := NewSound(in)
		if err != nil {
			t.Fatal(err)
		}
		defer aac.Close()
		opus, err := NewOpus(in, OpusFormat{Rate: 24000, Bitrate: 24000, Frame: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		defer opus.Close()
		for _, s := range []*Sound{aac, opus} {
			_ = s.Encode(data, first, func(int64, []byte) {})
			_ = s.Encode(data, second, func(int64, []byte) {})
		}
	})
}

// FuzzFile reads a stranger's video file.
func FuzzFile(f *testing.F) {
	for _, name := range []string{"a.mp4", "a.mkv", "a.h264"} {
		data, err := os.ReadFile(clip(f, name, "testsrc=size=64x48:rate=10,trim=duration=1", "-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := os.Open(write(t, data))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		file, err := OpenFile(r)
		if err != nil {
			return
		}
		defer file.Close()
		for range 1000 {
			frame, err := file.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && (frame.Params == nil || len(frame.Data) == 0) {
				t.Fatal("an empty frame")
			}
		}
	})
}

// FuzzConfiguration reads the header of a stranger's file by itself.
func FuzzConfiguration(f *testing.F) {
	p := &nvr.Params{Video: nvr.H265, VPS: []byte{0x40, 1}, SPS: []byte{0x42, 1, 2, 3}, PPS: []byte{0x44, 1}}
	f.Add(true, hvcC(p))
	f.Add(false, avcC(p))
	f.Add(false, []byte{0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2})
	f.Fuzz(func(t *testing.T, h265 bool, extra []byte) {
		codec := nvr.H264
		if h265 {
			codec = nvr.H265
		}
		_, sets, err := readConfiguration(codec, extra)
		for _, set := range sets {
			if len(set) == 0 || err != nil {
				t.Fatalf("sets %v with the error %v", sets, err)
			}
		}
	})
}
