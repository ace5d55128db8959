package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// packet is a picture of an exported clip as ffprobe sees it.
type packet struct {
	PTS, DTS int64 // in the clip's time base
	Key      bool
	Sum      [32]byte
}

// exported is a clip that was read back.
type exported struct {
	packets []packet
	scale   int64 // ticks a second
}

// export saves footage of a stream and reads it with ffprobe. credentials are
// the flags that open it.
func (b *box) export(camera string, q nvr.Quality, from, to time.Time, credentials ...string) exported {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), "clip.mp4")
	args := []string{"export", "--camera", camera, "--from", rfc3339(from), "--to", rfc3339(to), "-o", file}
	if q == nvr.Sub {
		args = append(args, "--sub")
	}
	b.must(append(args, credentials...)...)
	return probe(b.t, file)
}

// probe reads the pictures of an mp4 file.
func probe(t *testing.T, file string) exported {
	t.Helper()
	if _, err := exec.LookPath("ffprobe"); err != nil {
		t.Skip("ffprobe is missing: install ffmpeg")
	}
	raw, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "v", "-show_packets", "-show_data_hash", "sha256",
		"-show_entries", "packet=pts,dts,flags,data_hash:stream=time_base", "-of", "json", file).Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	var out struct {
		Packets []struct {
			PTS, DTS int64
			Flags    string
			Hash     string `json:"data_hash"`
		}
		Streams []struct {
			TimeBase string `json:"time_base"`
		}
	}
	if err := json.Unmarshal(raw, &out); err != nil || len(out.Streams) != 1 {
		t.Fatalf("ffprobe: %v, %d streams", err, len(out.Streams))
	}
	var e exported
	e.scale, err = strconv.ParseInt(strings.TrimPrefix(out.Streams[0].TimeBase, "1/"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range out.Packets {
		one := packet{PTS: p.PTS, DTS: p.DTS, Key: strings.HasPrefix(p.Flags, "K")}
		if _, err := hex.Decode(one.Sum[:], []byte(strings.TrimPrefix(p.Hash, "SHA256:"))); err != nil {
			t.Fatal(err)
		}
		e.packets = append(e.packets, one)
	}
	return e
}

// ticks converts to the clock of the simulated camera.
func (e exported) ticks(n int64) int64 { return n * nvr.ClockRate / e.scale }

// slewed returns by how many ticks a picture may have been moved: the clock of a
// camera whose first picture came late is brought in line from the end of the
// first half minute on, by 500 parts per million.
func slewed(after int64) int64 {
	return max(0, after-30*nvr.ClockRate) * 500 / 1_000_000
}

// align returns the place in sent from which the clip was recorded: the last one
// not after a time that fits all of the clip. A clip in a loop fits at many.
func (e exported) align(t *testing.T, sent []camsim.SentFrame, notAfter time.Time) int {
	t.Helper()
	best, why := -1, "its first key frame was never sent"
	for at, f := range slices.Backward(sent) {
		if f.Time.After(notAfter) || !f.Key || f.Sum != e.packets[0].Sum || len(sent)-at < len(e.packets) {
			continue
		}
		n, problem := e.mismatch(sent[at:])
		if problem == "" {
			return at
		}
		if n > best {
			best, why = n, fmt.Sprintf("picture %d, of which %d were sent before: %s", n, at, problem)
		}
	}
	t.Fatalf("no stretch of the %d pictures that were sent equals the clip of %d: %s", len(sent), len(e.packets), why)
	return 0
}

// mismatch says at which picture and in what the clip differs from the
// beginning of sent.
func (e exported) mismatch(sent []camsim.SentFrame) (at int, problem string) {
	for i, p := range e.packets {
		want := sent[i]
		got, wanted := e.ticks(p.PTS-e.packets[0].PTS), want.PTS-sent[0].PTS
		switch {
		case p.Sum != want.Sum:
			return i, "it is another one"
		case p.Key != want.Key:
			return i, "it is marked wrongly as key frame or not"
		case max(got-wanted, wanted-got) > slewed(wanted):
			return i, fmt.Sprintf("it has the time %d instead of %d", got, wanted)
		}
	}
	return len(e.packets), ""
}

// finished counts the segments of a box that have been finished.
func (b *box) finished() int {
	found, err := filepath.Glob(filepath.Join(b.footage, "s*", "*", "*.seg"))
	if err != nil {
		b.t.Fatal(err)
	}
	return len(found)
}

// open counts the segments that have begun and not ended.
func (b *box) open() int {
	found, err := os.ReadDir(filepath.Join(b.footage, "parts"))
	if err != nil {
		return 0
	}
	return len(found)
}
