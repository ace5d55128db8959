package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"lares/motion"
	"lares/motion/watch"
	"lares/nvr"
	"lares/nvr/media"
)

// tryVersion is that of the answer of 'motion try --json'.
const tryVersion = 1

// tried is what the detector finds in a video file. Times are seconds from the
// first frame, boxes parts of the picture: left, top, width, height.
type tried struct {
	Version int          `json:"version"`
	Seconds float64      `json:"seconds"`
	Events  []triedEvent `json:"events"`
}

type triedEvent struct {
	Start float64    `json:"start"`
	End   float64    `json:"end"`
	Score float64    `json:"score"`
	Box   [4]float64 `json:"box"`
}

// motion shows what the detector finds in a video file.
func (p *program) motion(ctx context.Context, args []string) error {
	var asJSON bool
	var unused string
	fs := p.flags("motion", &unused)
	fs.BoolVar(&asJSON, "json", false, "print JSON")
	words, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(words) != 2 || words[0] != "try" {
		return usageError{"'try' and one video file are needed"}
	}
	found, damaged, err := p.tryFile(ctx, words[1])
	if err != nil {
		return err
	}
	if damaged > 0 {
		fmt.Fprintf(p.stderr, "%d frames could not be decoded.\n", damaged)
	}
	if asJSON {
		return json.NewEncoder(p.stdout).Encode(found)
	}
	for _, e := range found.Events {
		fmt.Fprintf(p.stdout, "%7.1f s to %7.1f s  score %.2f\n", e.Start, e.End, e.Score)
	}
	fmt.Fprintf(p.stdout, "%d events in %.1f s\n", len(found.Events), found.Seconds)
	return nil
}

// tryFile runs decoder and detector over a file, as they run over a camera.
func (p *program) tryFile(ctx context.Context, name string) (found tried, damaged int, err error) {
	f, err := os.Open(name) //nolint:gosec // the file that somebody at the box names
	if err != nil {
		return found, 0, err
	}
	defer f.Close() //nolint:errcheck // read-only
	t := trial{detector: motion.NewDetector(nvr.MotionSettings{}), found: tried{Version: tryVersion, Events: []triedEvent{}}}
	damaged, err = media.TryFile(ctx, media.WorkerConfig{Name: "try", Log: p.logger()}, f, watch.Options(), t.look)
	if errors.Is(err, media.ErrRefused) {
		return found, 0, fmt.Errorf("%s is no video file in H.264 or H.265: %w", name, err)
	}
	if err != nil {
		return found, damaged, fmt.Errorf("decode %s: %w", name, err)
	}
	t.note(t.detector.End())
	return t.found, damaged, nil
}

// trial gathers the events of a file.
type trial struct {
	detector *motion.Detector
	found    tried
	best     nvr.Box
}

func (t *trial) look(p nvr.Grey) {
	t.found.Seconds = seconds(p.PTS)
	t.note(t.detector.Observe(p))
}

func (t *trial) note(r motion.Result) {
	if r.Best {
		t.best = r.Box
	}
	if r.Phase == motion.Ended {
		b := t.best
		t.found.Events = append(t.found.Events, triedEvent{
			Start: seconds(r.Start), End: seconds(r.End), Score: r.Score, Box: [4]float64{b.X, b.Y, b.W, b.H},
		})
	}
}

func seconds(ticks int64) float64 { return float64(ticks) / nvr.ClockRate }
