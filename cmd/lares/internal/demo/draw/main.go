// Command draw draws the clip that the simulated camera of `lares demo` plays,
// and writes it as main.mp4 (1280 x 720, 15 frames a second) and sub.mp4
// (640 x 360, 10 frames a second) into the folder that is its only argument.
//
// Both clips last exactly one minute and are seamless loops. The program owns
// the drawing; ffmpeg with libx264, which must be installed, encodes it. It is
// run by hand (make generate-demo), never by a build: the clips are committed.
// It runs in one goroutine.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
)

// clip describes one of the two files.
type clip struct {
	name string
	w, h int
	fps  int
	crf  int // x264's constant rate factor: higher is smaller and coarser
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}

// run draws both clips, or with a second argument T the single picture of T
// seconds into the loop as still.png.
func run(ctx context.Context, args []string) error {
	switch len(args) {
	case 1:
		for _, k := range []clip{{"main.mp4", 1280, 720, 15, 25}, {"sub.mp4", 640, 360, 10, 27}} {
			if err := k.write(ctx, args[0]); err != nil {
				return fmt.Errorf("draw %s: %w", k.name, err)
			}
		}
		return nil
	case 2:
		t, err := strconv.ParseFloat(args[1], 64)
		if err != nil {
			return fmt.Errorf("read the time: %w", err)
		}
		return still(args[0], t)
	}
	return errors.New("usage: draw FOLDER [SECONDS]")
}

// write draws every frame of the clip and pipes it to the encoder.
func (k clip) write(ctx context.Context, dir string) error {
	// No B-frames and a key frame every two seconds, as cameras do it. The SEI
	// that x264 adds holds its command line and is of no use here.
	cmd := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-loglevel", "error", "-y",
		"-f", "rawvideo", "-pix_fmt", "rgb24", "-s", fmt.Sprintf("%dx%d", k.w, k.h), "-r", strconv.Itoa(k.fps), "-i", "pipe:0",
		"-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p",
		"-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv",
		"-c:v", "libx264", "-profile:v", "high", "-preset", "veryslow", "-crf", strconv.Itoa(k.crf), "-bf", "0", "-refs", "2",
		"-g", strconv.Itoa(2*k.fps), "-keyint_min", strconv.Itoa(2*k.fps), "-sc_threshold", "0", "-x264-params", "threads=1:aq-mode=3",
		"-bsf:v", "filter_units=remove_types=6", "-movflags", "+faststart", "-fflags", "+bitexact", "-map_metadata", "-1",
		filepath.Join(dir, k.name))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("open the pipe to ffmpeg: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start ffmpeg: %w", err)
	}
	back, c := newCanvas(k.w, k.h), newCanvas(k.w, k.h)
	background(back)
	raw := make([]byte, k.w*k.h*3)
	var writeErr error
	for i := 0; i < period*k.fps && writeErr == nil; i++ {
		frame(c, back, float64(i)/float64(k.fps))
		c.bytes(raw)
		_, writeErr = in.Write(raw)
	}
	closeErr := in.Close()
	if err := errors.Join(cmd.Wait(), writeErr, closeErr); err != nil {
		return fmt.Errorf("encode: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return nil
}

// still writes one frame as a PNG, to look at while drawing.
func still(dir string, t float64) error {
	back, c := newCanvas(sceneW, sceneH), newCanvas(sceneW, sceneH)
	background(back)
	frame(c, back, t)
	raw := make([]byte, sceneW*sceneH*3)
	c.bytes(raw)
	img := image.NewNRGBA(image.Rect(0, 0, sceneW, sceneH))
	for i := range sceneW * sceneH {
		copy(img.Pix[i*4:], raw[i*3:i*3+3])
		img.Pix[i*4+3] = 255
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return fmt.Errorf("encode the picture: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "still.png"), buf.Bytes(), 0o600)
}
