package decode

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"lares/nvr"
)

// unit is an AAC access unit and its time.
type unit struct {
	pts int64
	aac []byte
}

// tone is silence for half a second and then a tone, seconds long in all.
func tone(t *testing.T, coding string, rate, channels int, seconds string) []byte {
	format := map[string]string{"pcm_alaw": "alaw", "pcm_mulaw": "mulaw", "pcm_s16be": "s16be"}[coding]
	return run(t, "-f", "lavfi", "-i", "sine=frequency=440:duration="+seconds+",volume='if(gte(t,0.5),4,0)':eval=frame",
		"-ar", strconv.Itoa(rate), "-ac", strconv.Itoa(channels), "-f", format, "-")
}

// decoded writes access units into an ADTS file (ISO 14496-3, 1.A.3.2) and
// returns what ffmpeg hears in it: samples of one channel.
func decoded(t *testing.T, config []byte, units []unit) []int16 {
	t.Helper()
	var b bytes.Buffer
	rate, channels := config[0]<<1&0xf|config[1]>>7, config[1]>>3&0xf
	for _, u := range units {
		n := len(u.aac) + 7
		b.Write([]byte{0xff, 0xf1, 1<<6 | rate<<2 | channels>>2, channels<<6 | byte(n>>11), byte(n >> 3), byte(n<<5) | 0x1f, 0xfc})
		b.Write(u.aac)
	}
	path := filepath.Join(t.TempDir(), "a.aac")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	raw := run(t, "-i", path, "-ac", "1", "-f", "s16le", "-")
	samples := make([]int16, len(raw)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return samples
}

func TestSoundBecomesAACAtItsTime(t *testing.T) {
	const start = 1_000_000_007
	for _, c := range []struct {
		codec          string
		rate, channels int
		want           int // Hz of the AAC
	}{
		{"pcm_alaw", 8000, 1, 8000},
		{"pcm_mulaw", 8000, 1, 8000},
		{"pcm_mulaw", 16000, 2, 16000},
		{"pcm_s16be", 44100, 2, 44100},
		{"pcm_s16be", 20000, 1, 22050},
	} {
		t.Run(c.codec+strconv.Itoa(c.rate), func(t *testing.T) {
			raw := tone(t, c.codec, c.rate, c.channels, "3")
			s, err := NewSound(SoundFormat{Codec: c.codec, Rate: c.rate, Channels: c.channels})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Rate() != c.want {
				t.Fatalf("the AAC has %d Hz, want %d", s.Rate(), c.want)
			}
			size := c.channels
			if c.codec == "pcm_s16be" {
				size *= 2
			}
			var units []unit
			chunk := c.rate / 50 * size
			for i := 0; i+chunk <= len(raw); i += chunk {
				pts := start + int64(i/size)*nvr.ClockRate/int64(c.rate)
				// Times as a camera gives them are not exact.
				pts += int64(i % 900)
				if err := s.Encode(raw[i:i+chunk], pts, func(pts int64, aac []byte) { units = append(units, unit{pts, aac}) }); err != nil {
					t.Fatal(err)
				}
			}
			sample := nvr.ClockRate/int64(c.want) + 1
			for i, u := range units {
				if want := start + int64(i-1)*FrameSamples*nvr.ClockRate/int64(c.want); u.pts < want-sample || u.pts > want+sample {
					t.Fatalf("unit %d is at %d, want %d", i, u.pts-start, want-start)
				}
			}
			heard := decoded(t, s.Config(), units)
			if seconds := float64(len(heard)) / float64(c.want); seconds < 2.7 || seconds > 3.2 {
				t.Errorf("%.2f s of sound came out of 3 s", seconds)
			}
			// The decoder puts out the first unit as well, which lies before start.
			checkTone(t, heard[FrameSamples:], c.want)
		})
	}
}

// checkTone checks for a tone of 440 Hz that begins after half a second.
func checkTone(t *testing.T, heard []int16, rate int) {
	t.Helper()
	loud := 0
	for loud < len(heard) && math.Abs(float64(heard[loud])) < 3000 {
		loud++
	}
	if at := float64(loud) / float64(rate); at < 0.48 || at > 0.54 {
		t.Errorf("the tone begins after %.3f s, want 0.5", at)
	}
	second, crossings := heard[min(len(heard)-1, rate):min(len(heard), 2*rate)], 0
	for i := 1; i < len(second); i++ {
		if second[i-1] < 0 && second[i] >= 0 {
			crossings++
		}
	}
	if crossings < 435 || crossings > 445 {
		t.Errorf("the tone has %d Hz, want 440", crossings)
	}
}

func TestSoundIsPutToItsTimeAgainAfterAJump(t *testing.T) {
	s, err := NewSound(SoundFormat{Codec: "pcm_alaw", Rate: 8000, Channels: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var units []unit
	block := bytes.Repeat([]byte{0xd5}, 1600) // silence, 200 ms
	say := func(at time.Duration) {
		t.Helper()
		if err := s.Encode(block, nvr.DurationTicks(at), func(pts int64, aac []byte) { units = append(units, unit{pts, aac}) }); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		// 30 ms off is no jump.
		say(time.Duration(i)*200*time.Millisecond + time.Duration(i%2)*30*time.Millisecond)
	}
	const gap = time.Minute
	for i := range 10 {
		say(gap + time.Duration(i)*200*time.Millisecond)
	}
	jumps := 0
	for i := 1; i < len(units); i++ {
		if units[i].pts-units[i-1].pts != FrameSamples*nvr.ClockRate/8000 {
			jumps++
			// The overlap of the first block after the gap lies in the unit before it.
			if want := nvr.DurationTicks(gap); units[i].pts > want || units[i].pts < want-FrameSamples*nvr.ClockRate/8000 {
				t.Errorf("after the gap sound goes on at %v", nvr.TickDuration(units[i].pts))
			}
		}
	}
	if jumps != 1 {
		t.Errorf("%d jumps in the times, want 1", jumps)
	}
}

func TestBrokenSoundIsAnError(t *testing.T) {
	for _, c := range []struct {
		codec          string
		rate, channels int
	}{{"mp3", 8000, 1}, {"", 8000, 1}, {"pcm_alaw", 0, 1}, {"pcm_alaw", 8000, 0}, {"pcm_alaw", 8000, 6}, {"opus", 1 << 30, 2}} {
		if s, err := NewSound(SoundFormat{Codec: c.codec, Rate: c.rate, Channels: c.channels}); err == nil {
			s.Close()
			t.Errorf("sound of %+v was taken", c)
		}
	}
	s, err := NewSound(SoundFormat{Codec: "opus", Rate: 48000, Channels: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, data := range [][]byte{nil, {0xff, 0xff, 0xff}, make([]byte, maxData+1)} {
		if err := s.Encode(data, 0, func(int64, []byte) {}); err == nil {
			t.Errorf("%d bytes of garbage were taken for Opus", len(data))
		}
	}
	// A packet of silence (RFC 6716, 3.1: CELT, 20 ms, stereo).
	if err := s.Encode([]byte{0xfc, 0xff, 0xfe}, 0, func(int64, []byte) {}); err != nil {
		t.Errorf("sound after garbage: %v", err)
	}
}

// listen decodes packets of Opus, with the decoder that cameras' Opus goes
// through, and returns samples of 48,000 Hz from the time 0 on.
func listen(t *testing.T, packets []unit) []int16 {
	t.Helper()
	s, err := NewSound(SoundFormat{Codec: "opus", Rate: 48000, Channels: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var units []unit
	for _, p := range packets {
		if err := s.Encode(p.aac, p.pts, func(pts int64, aac []byte) { units = append(units, unit{pts, aac}) }); err != nil {
			t.Fatal(err)
		}
	}
	before := nvr.TickDuration(-units[0].pts) * 48000 / time.Second
	return decoded(t, s.Config(), units)[before:]
}

// recoded is the AAC of a tone as a stream carries it.
func recoded(t *testing.T, rate int) (SoundFormat, []unit) {
	t.Helper()
	s, err := NewSound(SoundFormat{Codec: "pcm_s16be", Rate: rate, Channels: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var units []unit
	for i, block := range slices.Collect(slices.Chunk(tone(t, "pcm_s16be", rate, 1, "3"), rate/50*2)) {
		if err := s.Encode(block, int64(i)*nvr.ClockRate/50, func(pts int64, aac []byte) { units = append(units, unit{pts, aac}) }); err != nil {
			t.Fatal(err)
		}
	}
	return SoundFormat{Codec: "aac", Rate: rate, Channels: 1, Config: string(s.Config())}, units
}

func TestSoundBecomesOpusInPacketsOfOneLength(t *testing.T) {
	for _, c := range []struct {
		rate int // Hz of the camera
		o    OpusFormat
	}{
		{8000, OpusFormat{16000, 24000, 20 * time.Millisecond}},
		{16000, OpusFormat{24000, 32000, 20 * time.Millisecond}},
		{48000, OpusFormat{16000, 16000, 60 * time.Millisecond}},
	} {
		in, units := recoded(t, c.rate)
		s, err := NewOpus(in, c.o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var packets []unit
		size := 0
		for _, u := range units {
			if err := s.Encode(u.aac, u.pts, func(pts int64, opus []byte) {
				packets, size = append(packets, unit{pts, opus}), size+len(opus)
			}); err != nil {
				t.Fatal(err)
			}
		}
		for i := 1; i < len(packets); i++ {
			if apart := packets[i].pts - packets[i-1].pts; apart != nvr.DurationTicks(c.o.Frame) {
				t.Fatalf("%v between packets %d and %d", nvr.TickDuration(apart), i-1, i)
			}
		}
		length := nvr.TickDuration(int64(len(packets)) * nvr.DurationTicks(c.o.Frame))
		if rate := float64(size) * 8 / length.Seconds(); rate > 1.2*float64(c.o.Bitrate) || length < 2800*time.Millisecond {
			t.Errorf("%v of sound at %.0f bit/s, want 3 s at %d", length, rate, c.o.Bitrate)
		}
		checkTone(t, listen(t, packets), 48000)
	}
}

func TestOpusThatCannotBeIsRefused(t *testing.T) {
	in := SoundFormat{Codec: "pcm_alaw", Rate: 8000, Channels: 1}
	good := OpusFormat{16000, 24000, 20 * time.Millisecond}
	for _, o := range []OpusFormat{{}, {11025, 24000, good.Frame}, {16000, 0, good.Frame}, {16000, 1 << 30, good.Frame}, {16000, 24000, 30 * time.Millisecond}} {
		if s, err := NewOpus(in, o); err == nil {
			s.Close()
			t.Errorf("%+v was taken", o)
		}
	}
	for _, in := range []SoundFormat{{Codec: "aac", Rate: 16000, Channels: 1}, {Codec: "aac", Rate: 16000, Channels: 1, Config: "\xff"}, {Codec: "mp3", Rate: 16000, Channels: 1}} {
		if s, err := NewOpus(in, good); err == nil {
			s.Close()
			t.Errorf("%+v was taken", in)
		}
	}
}
