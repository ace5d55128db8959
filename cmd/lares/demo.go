package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"

	"lares/cmd/lares/internal/console"
	"lares/cmd/lares/internal/demo"
	"lares/nvr"
	"lares/nvr/camera/camsim"
)

const demoUser = "demo"

// demo runs a whole house with a simulated camera in a folder that is thrown
// away at the end, unless --data names one.
func (p *program) demo(ctx context.Context, args []string) error {
	var o serveOptions
	fs := p.flags("demo", &o.data)
	fs.Lookup("data").Usage = "folder to use; it stays (default: a new one that is removed at the end)"
	o.data = ""
	o.register(fs)
	if words, err := parse(fs, args); err != nil {
		return err
	} else if len(words) > 0 {
		return usageError{fmt.Sprintf("unexpected %q", words[0])}
	}
	if o.data == "" {
		dir, err := os.MkdirTemp("", "lares-demo-")
		if err != nil {
			return fmt.Errorf("make a folder for the demo: %w", err)
		}
		o.data = dir
		return errors.Join(p.demoIn(ctx, o), os.RemoveAll(dir))
	}
	return p.demoIn(ctx, o)
}

func (p *program) demoIn(ctx context.Context, o serveOptions) error {
	sim, err := demoCamera()
	if err != nil {
		return err
	}
	h, err := openHouse(ctx, o.data, p.logger())
	if err != nil {
		return err
	}
	if claimed, err := h.auth.Claimed(ctx); err != nil || claimed {
		if claimed {
			err = fmt.Errorf("%s holds a house already. 'lares serve --data %s' shows it, with its own password; for another demo name a new folder", o.data, o.data)
		}
		return errors.Join(err, h.close())
	}
	password := rand.Text()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return sim.Run(ctx) })
	group.Go(func() error {
		return p.live(ctx, h, o, func(ctx context.Context, h *house, at address) error {
			if err := prepareDemo(ctx, h, sim, password); err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "Open      %s\nUser      %s\nPassword  %s\n", at.urls[len(at.urls)-1], demoUser, password)
			fmt.Fprintln(p.stdout, "The browser warns once, because the certificate is made by this box. Ctrl-C ends the demo.")
			return nil
		})
	})
	return errors.Join(group.Wait(), h.close())
}

func demoCamera() (*camsim.Camera, error) {
	main, err := camsim.ReadMP4(bytes.NewReader(demo.Main()))
	if err != nil {
		return nil, fmt.Errorf("read the demo clip: %w", err)
	}
	sub, err := camsim.ReadMP4(bytes.NewReader(demo.Sub()))
	if err != nil {
		return nil, fmt.Errorf("read the demo clip: %w", err)
	}
	return camsim.New(camsim.Config{Main: main, Sub: sub})
}

// prepareDemo makes the owner and adds the simulated camera.
func prepareDemo(ctx context.Context, h *house, sim *camsim.Camera, password string) error {
	c := console.Direct(console.Handler(h.console(true)))
	owner := console.SetupRequest{Name: demoUser, Password: password, Told: true}
	if err := c.Call(ctx, http.MethodPost, "/setup", owner, nil); err != nil {
		return fmt.Errorf("set up the demo: %w", err)
	}
	camera := console.Camera{Name: "Front door", URL: sim.URL(nvr.Main), Sub: sim.URL(nvr.Sub)}
	if err := c.Call(ctx, http.MethodPost, "/cameras", camera, nil); err != nil {
		return fmt.Errorf("add the demo camera: %w", err)
	}
	return nil
}
