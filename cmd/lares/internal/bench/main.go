// Command bench measures what Lares costs and how quick it is, each figure next
// to the floor of the same run: the least that any program would need for it.
//
// It owns the programs that it starts, a cache of clips and of a large index,
// and a working folder that it removes at the end. It runs one measurement at a
// time; the subjects of one measurement take turns. It measures Linux only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"lares/nvr/camera/camsim"
)

// plan says what is measured and how.
type plan struct {
	lares, self, cache, work string
	root                     string
	cameras, rounds, rows    int
	visits, seeks            int
	window, warmUp, fill     time.Duration
	only                     string
	out                      io.Writer
	missed                   int // bars
}

func (p *plan) path(name string) string { return filepath.Join(p.work, name) }

func (p *plan) say(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

func (p *plan) title(format string, args ...any) { p.say("\n"+format, args...) }

// bar prints a figure beside what it must not exceed.
func (p *plan) bar(what string, got, most float64, note string) {
	verdict := "good"
	if got > most {
		verdict = "MISSED"
		p.missed++
	}
	if note != "" {
		note = "  (" + note + ")"
	}
	p.say("  %-40s %8.2f  at most %g: %s%s", what, got, most, verdict, note)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) > 0 && args[0] == "receive" {
		return receive(ctx, args[1:], os.Stdout)
	}
	p, err := newPlan(args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(p.work)) }() //nolint:gosec // a folder that this run made
	p.say("%s, %s, %s, load %s", machine(), runtime.Version(), time.Now().UTC().Format(time.RFC3339), load())
	p.say("bench %s", strings.Join(args, " "))
	parts := []struct {
		name string
		run  func(context.Context) error
	}{
		{"recording", p.record}, {"bytes", p.bytes}, {"live", p.live}, {"seek", p.seek}, {"motion", p.motion},
	}
	for _, part := range parts {
		if p.only != "" && !strings.Contains(p.only, part.name) {
			continue
		}
		if err := part.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	p.say("\n%d bars missed, load %s", p.missed, load())
	return nil
}

func newPlan(args []string) (*plan, error) {
	p := &plan{out: os.Stdout}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&p.lares, "lares", "bin/lares", "the program")
	fs.StringVar(&p.root, "root", ".", "the source tree, for the browser driver")
	fs.IntVar(&p.cameras, "cameras", 16, "how many cameras")
	fs.IntVar(&p.rounds, "rounds", 3, "how often each subject is measured")
	fs.DurationVar(&p.window, "window", 20*time.Second, "how long each time")
	fs.DurationVar(&p.warmUp, "warm-up", 8*time.Second, "how long it runs before")
	fs.DurationVar(&p.fill, "fill", 20*time.Second, "how long Lares runs before, so that its stream windows are full")
	fs.IntVar(&p.rows, "rows", 10_000_000, "rows of the index in the measurement of seeking")
	fs.IntVar(&p.visits, "visits", 20, "visits of the live page")
	fs.IntVar(&p.seeks, "seeks", 2000, "random seeks")
	fs.StringVar(&p.only, "only", "", "some of recording, bytes, live, seek, motion")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	for _, name := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, fmt.Errorf("%s is missing: install it with 'make test' or your package manager", name)
		}
	}
	return p, p.folders()
}

func (p *plan) folders() error {
	var err error
	if p.self, err = os.Executable(); err != nil {
		return err
	}
	if p.lares, err = filepath.Abs(p.lares); err != nil {
		return err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find the cache folder: %w", err)
	}
	p.cache = filepath.Join(cache, "lares-bench")
	if err := os.MkdirAll(p.cache, 0o700); err != nil {
		return err
	}
	// Beside the cache and not in /tmp, which may be memory.
	p.work, err = os.MkdirTemp(p.cache, "work-")
	return err
}

// record measures recording with all cameras.
func (p *plan) record(ctx context.Context) error {
	main, err := clip(ctx, p.cache, mainClip())
	if err != nil {
		return err
	}
	sub, err := clip(ctx, p.cache, subClip())
	if err != nil {
		return err
	}
	clips := make([]*camsim.Clip, p.cameras)
	for i := range clips {
		clips[i] = main
	}
	return p.with(ctx, clips, sub, func(ctx context.Context, cs cameras) error {
		if err := p.recording(ctx, cs); err != nil {
			return err
		}
		return p.both(ctx, cs)
	})
}

// with runs cameras while f runs.
func (p *plan) with(ctx context.Context, clips []*camsim.Clip, sub *camsim.Clip, f func(context.Context, cameras) error) error {
	cs, err := newCameras(clips, sub)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- cs.run(ctx) }()
	if err = pause(ctx, 3*time.Second); err == nil { // all of them have begun
		err = f(ctx, cs)
	}
	stop()
	return errors.Join(err, <-done)
}
