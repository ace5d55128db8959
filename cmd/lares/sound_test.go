package main

import (
	"encoding/binary"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// soundPackets returns the times of the AAC frames in an mp4 file, in seconds.
func soundPackets(t *testing.T, file string) (times []float64) {
	t.Helper()
	raw, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "packet=pts_time:stream=codec_name", "-of", "json", file).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	var out struct {
		Packets []struct {
			Time string `json:"pts_time"`
		}
		Streams []struct {
			Codec string `json:"codec_name"`
		}
	}
	if err := json.Unmarshal(raw, &out); err != nil || len(out.Streams) != 1 || out.Streams[0].Codec != "aac" {
		t.Fatalf("ffprobe finds the sound tracks %+v: %v", out.Streams, err)
	}
	for _, p := range out.Packets {
		at, err := strconv.ParseFloat(p.Time, 64)
		if err != nil {
			t.Fatal(err)
		}
		times = append(times, at)
	}
	return times
}

// pitch returns how often a second the sound of an mp4 file swings, in its third second.
func pitch(t *testing.T, file string) int {
	t.Helper()
	raw, err := exec.Command("ffmpeg", "-v", "error", "-i", file, "-map", "a", "-ss", "2", "-t", "1", "-ac", "1", "-ar", "8000", "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	swings, before := 0, int16(0)
	for at := 0; at+1 < len(raw); at += 2 {
		level := int16(binary.LittleEndian.Uint16(raw[at:]))
		if before < 0 && level >= 0 {
			swings++
		}
		before = level
	}
	return swings
}

// opusTone is the tone of the other clips in Opus, made with ffmpeg.
func opusTone(t *testing.T, c *camsim.Clip) *camsim.Clip {
	t.Helper()
	raw, err := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:duration=1.96:sample_rate=48000", "-af", "volume=12dB",
		"-c:a", "libopus", "-frame_duration", "20", "-f", "ogg", "-").Output()
	if err != nil {
		t.Skipf("ffmpeg makes no Opus: %v", err)
	}
	packets := oggPackets(raw)
	if len(packets) < 50 {
		t.Fatalf("%d packets of Opus", len(packets))
	}
	// The first two are headers (RFC 7845 section 3).
	return c.WithSound(&camsim.Sound{Coding: camsim.Opus, Rate: 48000, Channels: 1, Samples: 960, Packets: packets[2:]})
}

// oggPackets takes the packets out of an Ogg file (RFC 3533 section 6).
func oggPackets(raw []byte) (packets [][]byte) {
	var packet []byte
	for len(raw) > 27 && len(raw) >= 27+int(raw[26]) {
		lacing, data := raw[27:27+int(raw[26])], raw[27+int(raw[26]):]
		for _, n := range lacing {
			packet, data = append(packet, data[:n]...), data[n:]
			if n < 255 {
				packets, packet = append(packets, packet), nil
			}
		}
		raw = data
	}
	return packets
}

// saved exports what a camera recorded and returns the file and its pictures.
func (p *played) saved(b *box, from, to time.Time) (file string, pictures exported) {
	b.t.Helper()
	file = filepath.Join(b.t.TempDir(), "clip.mp4")
	b.must(b.as("export", "--camera", p.name, "--from", rfc3339(from), "--to", rfc3339(to), "-o", file)...)
	return file, probe(b.t, file)
}

func TestSoundIsConvertedAndADeadWorkerLosesNoPicture(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	law, err := clip(t, "plain.mp4").WithTone(camsim.ALaw, 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	rates := map[string]float64{"Gate": 8000. / 1024, "Hall": 48000. / 1024}
	began := time.Now()
	var all []*played
	for name, c := range map[string]*camsim.Clip{"Gate": law, "Hall": opusTone(t, clip(t, "plain.mp4"))} {
		sim := simulate(t, camsim.Config{Main: c})
		b.must("camera", "add", name, sim.URL(nvr.Main), "--audio")
		all = append(all, &played{name: name, sim: sim, q: nvr.Main})
	}
	b.serve()
	for _, p := range all {
		p.seen = b.waitRecording(p.name, p.q)
	}
	time.Sleep(6 * time.Second) // of footage
	workers := b.mediaWorkers()
	if len(workers) < len(all) {
		t.Errorf("%d media workers for %d cameras", len(workers), len(all))
	}
	send(workers, syscall.SIGKILL)
	killed := time.Now()
	b.eventually("other workers run", func() bool {
		now := b.mediaWorkers()
		return len(now) >= len(workers) && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(workers, pid) })
	})
	again := time.Now()
	time.Sleep(4 * time.Second) // of footage
	stopped := time.Now()
	b.mustStop()
	for _, p := range all {
		p.compare(t, b, began, stopped)
		file, video := p.saved(b, began, stopped.Add(time.Minute))
		seconds := float64(video.packets[len(video.packets)-1].PTS-video.packets[0].PTS) / float64(video.scale)
		missing := again.Sub(killed).Seconds() + 2 // what was on its way twice, and the end
		sound := soundPackets(t, file)
		least, most := (seconds-missing)*rates[p.name], seconds*rates[p.name]+3
		if n := float64(len(sound)); n < least || n > most {
			t.Errorf("%s: %d frames of AAC in %.1f s with %.1f s without a worker, want %.0f to %.0f", p.name, len(sound), seconds, again.Sub(killed).Seconds(), least, most)
		}
		if !slices.IsSorted(sound) {
			t.Errorf("%s: sound goes back in time", p.name)
		}
		if end := sound[len(sound)-1]; end < seconds-2 {
			t.Errorf("%s: sound ends after %.1f of %.1f s", p.name, end, seconds)
		}
		if n := pitch(t, file); n < 430 || n > 450 {
			t.Errorf("%s: a tone of %d Hz, want 440", p.name, n)
		}
	}
	b.checkClean(b.as("--level", "keys")...)
}
