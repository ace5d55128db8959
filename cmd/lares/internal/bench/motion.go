package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// motionCameras is with how many cameras the search for motion is measured.
const motionCameras = 8

// motion measures what looking for motion costs beside receiving and recording
// the same streams: the same box with and without it.
func (p *plan) motion(ctx context.Context) error {
	spec := subClip()
	small, err := clip(ctx, p.cache, spec)
	if err != nil {
		return err
	}
	clips := make([]*camsim.Clip, motionCameras)
	for i := range clips {
		clips[i] = small
	}
	return p.with(ctx, clips, nil, func(ctx context.Context, cs cameras) error {
		p.title("Looking for motion on %d streams of %dx%d, %d pictures a second, %d kbit/s",
			len(cs), spec.width, spec.height, spec.rate, spec.kbit)
		return p.detection(ctx, cs)
	})
}

func (p *plan) detection(ctx context.Context, cs cameras) error {
	blind, err := newBox(ctx, p.lares, p.path("box-blind"), cs, features{})
	if err != nil {
		return err
	}
	seeing, err := newBox(ctx, p.lares, p.path("box-seeing"), cs, features{motion: true})
	if err != nil {
		return err
	}
	var memory []float64
	floor := p.floor(cs.urls(nvr.Main))
	without := &subject{name: "lares, motion off", start: blind.serve}
	with := &subject{name: "lares, motion on", start: seeing.serve, look: func(context.Context) error {
		private, err := workerMemory()
		memory = append(memory, private)
		return err
	}}
	if err := p.measure(ctx, p.window, floor, without, with); err != nil {
		return err
	}
	for _, s := range []*subject{floor, without, with} {
		p.print(s, len(cs))
	}
	cost := func(s *subject) float64 {
		return s.median(func(r round) float64 { return r.perHour(len(cs)) })
	}
	p.bar("CPU s/hour, motion on less off", cost(with)-cost(without), 30, "")
	p.bar("private memory of a worker, MB", median(memory), 16, numbers(memory))
	return nil
}

// workerMemory returns the private memory of the largest media worker, in MB.
func workerMemory() (most float64, err error) {
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	found := false
	for _, name := range names {
		line, err := os.ReadFile(name)
		if err != nil || !strings.HasSuffix(strings.TrimRight(string(line), "\x00"), "\x00media-worker") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			continue
		}
		table, err := readTable(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
		if err != nil {
			continue // it ended
		}
		found = true
		most = max(most, float64((table["Private_Clean"]+table["Private_Dirty"])<<10)/mb)
	}
	if !found {
		return 0, fmt.Errorf("no media worker runs: %w", nvr.ErrNotFound)
	}
	return most, nil
}
