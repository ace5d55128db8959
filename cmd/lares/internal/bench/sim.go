package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// cameras are simulated cameras. They run in this process, which is in none of
// the trees that are measured.
type cameras []*camsim.Camera

// newCameras makes a camera for each clip. run starts them.
func newCameras(main []*camsim.Clip, sub *camsim.Clip) (cameras, error) {
	var all cameras
	for _, c := range main {
		sim, err := camsim.New(camsim.Config{Main: c, Sub: sub, Record: true})
		if err != nil {
			return nil, err
		}
		all = append(all, sim)
	}
	return all, nil
}

func (cs cameras) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, c := range cs {
		group.Go(func() error {
			// Cameras are not in step.
			select {
			case <-time.After(time.Duration(i) * 2 * time.Second / time.Duration(len(cs))):
			case <-ctx.Done():
				return nil
			}
			return c.Run(ctx)
		})
	}
	return group.Wait()
}

// urls returns the addresses of all streams of the qualities.
func (cs cameras) urls(qualities ...nvr.Quality) []string {
	var all []string
	for _, c := range cs {
		for _, q := range qualities {
			all = append(all, c.URL(q))
		}
	}
	return all
}

// box is a data folder of Lares with an owner and cameras.
type box struct {
	bin, dir string
}

// features of the cameras of a box.
type features struct{ sub, motion bool }

const owner = "owner"

func (b box) file(name string) string { return filepath.Join(b.dir, name) }

func (b box) data() string { return b.file("data") }

// newBox sets a box up in a new folder and adds the cameras by the names that
// are their numbers.
func newBox(ctx context.Context, bin, dir string, cs cameras, with features) (box, error) {
	b := box{bin: bin, dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return b, err
	}
	if err := os.WriteFile(b.file("password"), []byte(nvr.NewID[box]().String()), 0o600); err != nil {
		return b, err
	}
	_, err := output(ctx, bin, "setup", "--data", b.data(), "--owner", owner, "--password-file", b.file("password"),
		"--recovery-out", b.file("recovery"), "--without-second-factor")
	if err != nil {
		return b, fmt.Errorf("set up a box: %w", err)
	}
	for i, c := range cs {
		args := []string{"camera", "add", "--data", b.data(), strconv.Itoa(i), c.URL(nvr.Main)}
		if with.sub {
			args = append(args, "--sub", c.URL(nvr.Sub))
		}
		if !with.motion {
			args = append(args, "--no-motion")
		}
		if _, err := output(ctx, bin, args...); err != nil {
			return b, fmt.Errorf("add a camera: %w", err)
		}
	}
	return b, nil
}

// serve starts the box.
func (b box) serve(ctx context.Context) (*running, error) {
	return start(ctx, b.dir, []string{b.bin, "serve", "--data", b.data(), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"})
}

// export writes all main footage of a camera to an mp4 file.
func (b box) export(ctx context.Context, camera int, from, to time.Time, name string) error {
	_, err := output(ctx, b.bin, "export", "--data", b.data(), "--camera", strconv.Itoa(camera), "--as", owner,
		"--password-file", b.file("password"), "--from", from.Format(time.RFC3339), "--to", to.Format(time.RFC3339), "-o", name)
	return err
}
