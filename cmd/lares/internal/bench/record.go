package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
)

// subject is something whose cost is measured.
type subject struct {
	name string
	// warmUp is how long it runs before the window; that of the plan if 0.
	warmUp time.Duration
	start  func(ctx context.Context) (*running, error)
	// look is called at the end of a window, while the programs run. May be nil.
	look func(ctx context.Context) error
	// clean is called when the programs have ended. May be nil.
	clean func() error

	rounds []round
}

// round is one window of a subject.
type round struct {
	usage
	started  time.Time // of the programs
	from, to time.Time // of the window
	load     string
}

// measure takes turns: every subject once, then every subject again.
func (p *plan) measure(ctx context.Context, window time.Duration, subjects ...*subject) error {
	for range p.rounds {
		for _, s := range subjects {
			r, err := p.measureOnce(ctx, window, s)
			if err != nil {
				return fmt.Errorf("measure %s: %w", s.name, err)
			}
			s.rounds = append(s.rounds, r)
		}
	}
	return nil
}

func (p *plan) measureOnce(ctx context.Context, window time.Duration, s *subject) (r round, err error) {
	r.started = time.Now()
	programs, err := s.start(ctx)
	if err != nil {
		return r, err
	}
	defer func() {
		if stopErr := programs.stop(); err == nil {
			err = stopErr
		}
		if s.clean != nil && err == nil {
			err = s.clean()
		}
	}()
	if err := pause(ctx, cmp.Or(s.warmUp, p.warmUp)); err != nil {
		return r, err
	}
	before, err := treeUsage(programs.pids())
	if err != nil {
		return r, err
	}
	r.from = time.Now()
	if err := pause(ctx, window); err != nil {
		return r, err
	}
	after, err := treeUsage(programs.pids())
	if err != nil {
		return r, err
	}
	r.to, r.usage, r.load = time.Now(), after.minus(before), load()
	if s.look != nil {
		err = s.look(ctx)
	}
	return r, err
}

// perHour is the cost of a round in CPU seconds per camera and hour.
func (r round) perHour(cameras int) float64 {
	return r.cpu.Seconds() / r.to.Sub(r.from).Hours() / float64(cameras)
}

// median of the rounds by a figure.
func (s *subject) median(figure func(round) float64) float64 {
	all := make([]float64, len(s.rounds))
	for i, r := range s.rounds {
		all[i] = figure(r)
	}
	return median(all)
}

func median(all []float64) float64 { return quantile(all, 0.5) }

// quantile returns the value below which a share of all lies; 0 for none.
func quantile(all []float64, share float64) float64 {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// print writes the raw values of a subject's rounds and their medians.
func (p *plan) print(s *subject, cameras int) {
	var cpu, pss, loads []string
	for _, r := range s.rounds {
		cpu = append(cpu, fmt.Sprintf("%.2f", r.perHour(cameras)))
		pss = append(pss, fmt.Sprintf("%.1f", float64(r.pss)/mb))
		loads = append(loads, r.load)
	}
	p.say("  %-24s %6.2f CPU-s/camera-hour (%s)  PSS %6.1f MB (%s)  written %5.1f MB  %d processes  load %s", s.name,
		s.median(func(r round) float64 { return r.perHour(cameras) }), strings.Join(cpu, " "),
		s.median(func(r round) float64 { return float64(r.pss) / mb }), strings.Join(pss, " "),
		s.median(func(r round) float64 { return float64(r.written) / mb }), s.rounds[0].procs, strings.Join(loads, " "))
}

const mb = 1e6

// recording compares Lares with its floor and with ffmpeg.
func (p *plan) recording(ctx context.Context, cs cameras) error {
	p.title("Recording %d cameras of %.2f Mbit/s, main stream only, nobody logged in", len(cs), float64(mainClip().kbit)/1000)
	house, err := newBox(ctx, p.lares, p.path("box-main"), cs, features{})
	if err != nil {
		return err
	}
	urls := cs.urls(nvr.Main)
	floor := p.floor(urls)
	var windows []float64
	lares := &subject{name: "lares serve", warmUp: p.fill, start: house.serve, look: func(ctx context.Context) error {
		size, err := house.windows(ctx)
		windows = append(windows, float64(size)/mb)
		return err
	}}
	ffmpeg := p.ffmpeg(urls)
	if err := p.measure(ctx, p.window, floor, lares, ffmpeg); err != nil {
		return err
	}
	for _, s := range []*subject{floor, lares, ffmpeg} {
		p.print(s, len(cs))
	}
	cost := func(s *subject) float64 {
		return s.median(func(r round) float64 { return r.perHour(len(cs)) })
	}
	p.bar("lares / floor, CPU", cost(lares)/cost(floor), 1.4, "")
	p.bar("lares / ffmpeg, CPU", cost(lares)/cost(ffmpeg), 1, "")
	var beyond []float64
	for i, r := range lares.rounds {
		beyond = append(beyond, float64(r.pss)/mb-windows[i])
	}
	p.say("  windows %s MB", numbers(windows))
	p.bar("PSS without the windows, MB", median(beyond), 64, numbers(beyond))
	return p.losses(ctx, house, cs, lares.rounds)
}

// both does the same with main and sub, without a bar.
func (p *plan) both(ctx context.Context, cs cameras) error {
	p.title("Recording %d cameras, main and sub (%.2f and %.2f Mbit/s)", len(cs), float64(mainClip().kbit)/1000, float64(subClip().kbit)/1000)
	house, err := newBox(ctx, p.lares, p.path("box-both"), cs, features{sub: true})
	if err != nil {
		return err
	}
	floor := p.floor(cs.urls(nvr.Main, nvr.Sub))
	lares := &subject{name: "lares serve", start: house.serve}
	if err := p.measure(ctx, p.window/2, floor, lares); err != nil {
		return err
	}
	for _, s := range []*subject{floor, lares} {
		p.print(s, len(cs))
	}
	cost := func(s *subject) float64 {
		return s.median(func(r round) float64 { return r.perHour(len(cs)) })
	}
	p.say("  lares / floor, CPU  %.2f", cost(lares)/cost(floor))
	return os.RemoveAll(house.dir)
}

// floor is a program that receives and drops.
func (p *plan) floor(urls []string) *subject {
	return &subject{name: "floor: receive and drop", start: func(ctx context.Context) (*running, error) {
		return start(ctx, p.work, append([]string{p.self, "receive"}, urls...))
	}}
}

// ffmpeg is a process for each stream that copies it into files of a minute.
func (p *plan) ffmpeg(urls []string) *subject {
	dir := p.path("ffmpeg")
	return &subject{
		name: "ffmpeg -c copy",
		start: func(ctx context.Context) (*running, error) {
			var lines [][]string
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return nil, err
			}
			for i, u := range urls {
				lines = append(lines, []string{
					"ffmpeg", "-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", u,
					"-c", "copy", "-f", "segment", "-segment_time", "60", "-reset_timestamps", "1",
					filepath.Join(dir, strconv.Itoa(i)+"-%03d.mp4"),
				})
			}
			return start(ctx, dir, lines...)
		},
		clean: func() error { return os.RemoveAll(dir) },
	}
}

func numbers(all []float64) string {
	words := make([]string, len(all))
	for i, n := range all {
		words[i] = fmt.Sprintf("%.1f", n)
	}
	return strings.Join(words, " ")
}
