package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// windows returns the bytes of the windows of all streams.
func (b box) windows(ctx context.Context) (int64, error) {
	// Status ends with 1 where something is wrong; then the answer says so.
	out, err := output(ctx, b.bin, "status", "--json", "--data", b.data())
	if err != nil {
		return 0, fmt.Errorf("ask for the status: %w", err)
	}
	var status struct {
		Cameras []struct {
			State []struct {
				Recording bool
				Detail    string
				Window    int64
			}
		}
	}
	if err := json.Unmarshal(out, &status); err != nil {
		return 0, fmt.Errorf("read the status: %w", err)
	}
	var total int64
	for _, c := range status.Cameras {
		for _, s := range c.State {
			if !s.Recording {
				return 0, fmt.Errorf("a stream is not recorded: %s", s.Detail)
			}
			total += s.Window
		}
	}
	return total, nil
}

// losses exports what was recorded and compares it, picture by picture and by
// hash, with what the cameras sent in the windows.
func (p *plan) losses(ctx context.Context, b box, cs cameras, rounds []round) error {
	sent, lost, twice := 0, 0, 0
	for i, c := range cs {
		name := p.path("clip.mp4")
		err := b.export(ctx, i, rounds[0].started.Add(-time.Second), time.Now().Add(time.Second), name)
		if err != nil {
			return fmt.Errorf("export camera %d: %w", i, err)
		}
		recorded, err := pictureSums(ctx, name)
		if err := errors.Join(err, os.Remove(name)); err != nil {
			return fmt.Errorf("read the export of camera %d: %w", i, err)
		}
		n, missing, again := compare(c.Sent(nvr.Main), recorded, rounds)
		sent, lost, twice = sent+n, lost+missing, twice+again
	}
	p.bar(fmt.Sprintf("pictures lost of %d sent in the windows", sent), float64(lost), 0, fmt.Sprintf("%d twice or unknown", twice))
	return nil
}

// pictureSums returns the SHA-256 of each picture of an mp4 file as another
// program reads it.
func pictureSums(ctx context.Context, name string) ([][32]byte, error) {
	out, err := output(ctx, "ffprobe", "-v", "error", "-select_streams", "v", "-show_data_hash", "sha256",
		"-show_entries", "packet=data_hash", "-of", "csv=p=0", name)
	if err != nil {
		return nil, err
	}
	var sums [][32]byte
	for line := range strings.Lines(string(out)) {
		text := strings.TrimPrefix(strings.Trim(line, ",\r\n "), "SHA256:")
		var sum [32]byte
		if n, err := hex.Decode(sum[:], []byte(text)); err != nil || n != len(sum) {
			return nil, fmt.Errorf("ffprobe says %q", line)
		}
		sums = append(sums, sum)
	}
	return sums, nil
}

// compare walks along what was sent and what was recorded. It returns how many
// pictures were sent in the windows, how many of those are missing, and how many
// recorded ones stand where they were not sent.
func compare(sent []camsim.SentFrame, recorded [][32]byte, rounds []round) (inWindows, missing, strange int) {
	kept := make([]bool, len(sent))
	at := 0
	for _, sum := range recorded {
		next := at
		for next < len(sent) && (sent[next].Sum != sum || !during(sent[next].Time, rounds)) {
			next++
		}
		if next == len(sent) {
			strange++
			continue
		}
		kept[next] = true
		at = next + 1
	}
	for i, f := range sent {
		for _, r := range rounds {
			if f.Time.Before(r.from) || f.Time.After(r.to) {
				continue
			}
			inWindows++
			if !kept[i] {
				missing++
			}
		}
	}
	return inWindows, missing, strange
}

// during reports whether the programs of a round ran, with the time that they
// took to end.
func during(t time.Time, rounds []round) bool {
	for _, r := range rounds {
		if !t.Before(r.started) && t.Before(r.to.Add(stopWithin)) {
			return true
		}
	}
	return false
}
