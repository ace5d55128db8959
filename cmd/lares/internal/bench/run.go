package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// stopWithin is how long a program may take to end by itself.
const stopWithin = 20 * time.Second

// output runs a program to its end and returns what it printed.
func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // what we measure
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// running are programs that are measured together.
type running struct {
	commands []*exec.Cmd
	said     []*bytes.Buffer
	out      *os.File // standard output of all of them
}

// start starts each command line in the folder dir.
func start(ctx context.Context, dir string, lines ...[]string) (*running, error) {
	out, err := os.CreateTemp(dir, "output-")
	if err != nil {
		return nil, err
	}
	r := &running{out: out}
	for _, line := range lines {
		cmd := exec.CommandContext(ctx, line[0], line[1:]...) //nolint:gosec // what we measure
		said := &bytes.Buffer{}
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, said
		if err := cmd.Start(); err != nil {
			return nil, errors.Join(fmt.Errorf("start %s: %w", line[0], err), r.stop())
		}
		r.commands, r.said = append(r.commands, cmd), append(r.said, said)
	}
	return r, nil
}

func (r *running) pids() []int {
	pids := make([]int, len(r.commands))
	for i, c := range r.commands {
		pids[i] = c.Process.Pid
	}
	return pids
}

// stop interrupts the programs and waits for them.
func (r *running) stop() error {
	for _, c := range r.commands {
		_ = c.Process.Signal(os.Interrupt) // it may have ended
	}
	var errs []error
	for i, c := range r.commands {
		kill := time.AfterFunc(stopWithin, func() { _ = c.Process.Kill() }) // it ended just now
		err := c.Wait()
		kill.Stop()
		// ffmpeg says 255 when it was interrupted.
		var exit *exec.ExitError
		if errors.As(err, &exit) && (exit.ExitCode() == 255 || interrupted(exit)) {
			err = nil
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w\n%s", c.Path, err, r.said[i].Bytes()))
		}
	}
	return errors.Join(append(errs, r.out.Close())...)
}

// printed returns the standard output so far.
func (r *running) printed() string {
	raw, err := os.ReadFile(r.out.Name())
	if err != nil {
		return ""
	}
	return string(raw)
}

// pause waits, or ends early with ctx.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// interrupted reports whether a program was ended by an interrupt.
func interrupted(exit *exec.ExitError) bool {
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == syscall.SIGINT
}
