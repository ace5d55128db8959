package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"lares/nvr/camera/camsim"
)

// clipSeconds is how long a clip lasts. Within it no two pictures are equal.
const clipSeconds = 20

// clipSpec is a clip that ffmpeg draws: a still scene with a moving part and
// the noise of a sensor, so that the rate control has to hold the rate.
type clipSpec struct {
	name          string
	width, height int
	rate          int // pictures a second
	kbit          int // kbit/s
}

func mainClip() clipSpec { return clipSpec{"main", 1920, 1080, 15, 3030} }
func subClip() clipSpec  { return clipSpec{"sub", 640, 360, 10, 405} }

// clip returns the clip, which is drawn once and kept in the cache folder.
func clip(ctx context.Context, cache string, s clipSpec) (*camsim.Clip, error) {
	name := s.file(cache)
	if _, err := os.Stat(name); err != nil {
		if err := s.draw(ctx, name); err != nil {
			return nil, err
		}
	}
	return camsim.Load(name)
}

func (s clipSpec) file(cache string) string {
	return filepath.Join(cache, fmt.Sprintf("%s-%dx%d-%d-%d.mp4", s.name, s.width, s.height, s.rate, s.kbit))
}

func (s clipSpec) draw(ctx context.Context, name string) error {
	fresh := name + ".new.mp4"
	source := fmt.Sprintf("testsrc2=size=%dx%d:rate=%d:duration=%d,noise=alls=9:allf=t", s.width, s.height, s.rate, clipSeconds)
	rate := fmt.Sprintf("%dk", s.kbit)
	cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", source, //nolint:gosec // our own words
		"-c:v", "libx264", "-profile:v", "high", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "0",
		"-g", fmt.Sprint(2*s.rate), "-keyint_min", fmt.Sprint(2*s.rate), "-sc_threshold", "0",
		"-b:v", rate, "-maxrate", rate, "-bufsize", rate, fresh)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("draw a clip with ffmpeg: %w\n%s", err, out)
	}
	return os.Rename(fresh, name)
}
