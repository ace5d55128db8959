package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"lares/cmd/lares/internal/console"
)

// States for the service manager (sd_notify(3)).
const (
	notifyReady    = "READY=1"
	notifyStopping = "STOPPING=1"
	notifyAlive    = "WATCHDOG=1"
)

// notify tells the service manager a state; where there is none it does nothing.
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	defer conn.Close() //nolint:errcheck // nothing is buffered
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell the service manager %s: %w", state, err)
	}
	return nil
}

// notify tells the service manager a state. One that does not listen is no
// reason to stop.
func (h *house) notify(state string) {
	if err := notify(state); err != nil {
		h.log.Warn("the service manager does not listen", slog.Any("error", err))
	}
}

// watchdog tells the service manager that the box is up, and then that it is
// alive for as long as it answers itself: three times in the interval after
// which the manager starts it anew.
func (h *house) watchdog(ctx context.Context) error {
	h.notify(notifyReady)
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 { // nobody waits for it
		return nil
	}
	every := time.Duration(usec) * time.Microsecond / 3
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		asked, cancel := context.WithTimeout(ctx, every)
		err := h.alive(asked)
		cancel()
		if err == nil {
			h.notify(notifyAlive)
		} else if ctx.Err() == nil {
			h.log.ErrorContext(ctx, "the box does not answer itself", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// alive asks what has to answer for the house to be recorded: the cameras, the
// recorder and both databases. It fails when they do not by the end of ctx.
func (h *house) alive(ctx context.Context) error {
	answered := make(chan error, 1)
	go func() {
		for _, camera := range h.fleet.List() {
			for _, stream := range camera.Streams {
				h.rec.Recording(stream.Source.Stream)
			}
		}
		_, err := h.config.Disks(ctx)
		_, indexErr := h.index.Garbage(ctx)
		answered <- errors.Join(err, indexErr)
	}()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return fmt.Errorf("cameras, recorder and databases: %w", ctx.Err())
	}
}

// health asks the box that runs whether it is alive. Unlike other commands it
// opens nothing where none runs.
func (p *program) health(ctx context.Context, args []string) error {
	var data string
	fs := p.flags("health", &data)
	if words, err := parse(fs, args); err != nil {
		return err
	} else if len(words) > 0 {
		return usageError{fmt.Sprintf("unexpected %q", words[0])}
	}
	const patience = 8 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := console.Dial(filepath.Join(data, socketName)).Call(ctx, http.MethodGet, "/health", nil, &struct{}{}); err != nil {
		return fmt.Errorf("no box answers with the folder %s: %w", data, err)
	}
	return nil
}
