package cmaf_test

import (
	"encoding/hex"
	"testing"

	"lares/nvr"
	"lares/nvr/cmaf"
)

// Parameter sets of x264 and x265 for a test picture of 320x180.
func h264Params(t *testing.T) *nvr.Params {
	return &nvr.Params{
		Video: nvr.H264, Width: 320, Height: 180,
		SPS: unhex(t, "6764000dacd94141 96f0110000030001 0000030032 0f14299600"),
		PPS: unhex(t, "68ebe3cb22c0"),
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	clean := ""
	for _, r := range s {
		if r != ' ' {
			clean += string(r)
		}
	}
	b, err := hex.DecodeString(clean)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestInitReadsBackAsWritten(t *testing.T) {
	p := h264Params(t)
	p.Audio, p.AudioConfig, p.SampleRate, p.Channels = nvr.AAC, []byte{0x11, 0x90}, 48000, 2
	b, err := cmaf.Init(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := cmaf.ReadInit(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.Video != nvr.H264 || string(got.SPS) != string(p.SPS) || string(got.PPS) != string(p.PPS) {
		t.Errorf("pictures: got %+v", got)
	}
	if got.Audio != nvr.AAC || got.SampleRate != 48000 || got.Channels != 2 || string(got.AudioConfig) != "\x11\x90" {
		t.Errorf("sound: got %+v", got)
	}
}

func TestInitRefusesUnknownPictures(t *testing.T) {
	if _, err := cmaf.Init(&nvr.Params{}); err == nil {
		t.Error("no error")
	}
}

func TestCodecs(t *testing.T) {
	withSound := h264Params(t)
	withSound.Audio, withSound.AudioConfig = nvr.AAC, []byte{0x11, 0x90}
	for _, c := range []struct {
		name, want string
		p          *nvr.Params
	}{
		{"H.264", "avc1.64000d", h264Params(t)},
		{"H.264 with AAC-LC", "avc1.64000d,mp4a.40.2", withSound},
		// profile_tier_level of Main profile, level 3.1, progressive and frame-only.
		{"H.265", "hvc1.1.6.L93.90", &nvr.Params{
			Video: nvr.H265,
			SPS:   unhex(t, "420101 01 60 000003 0090 000003 000003 005d a0 0280 80 2d 16 59 59 a4 93 2b c0"),
		}},
		{"too short", "", &nvr.Params{Video: nvr.H265, SPS: []byte{0x42, 1}}},
	} {
		if got := cmaf.Codecs(c.p); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzReadInit(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x08ftyp"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if p, err := cmaf.ReadInit(b); err == nil {
			cmaf.Codecs(p)
		}
	})
}
