package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"lares/cmd/lares/internal/console"
)

func (p *program) camera(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return usageError{"what shall be done: add, list, remove or probe?"}
	}
	var data string
	var in console.Camera
	var passwordFile string
	fs := p.flags("camera", &data)
	fs.StringVar(&in.Sub, "sub", "", "URL of the small picture")
	fs.StringVar(&in.User, "user", "", "name of the camera's user")
	fs.StringVar(&passwordFile, "password-file", "", "file with that user's password")
	fs.BoolVar(&in.UDP, "udp", false, "receive over UDP instead of TCP")
	fs.BoolVar(&in.Inside, "inside", false, "the camera is indoors")
	fs.BoolVar(&in.Audio, "audio", false, "record sound")
	fs.BoolVar(&in.NoMotion, "no-motion", false, "do not look for motion")
	words, err := parse(fs, args[1:])
	if err != nil {
		return err
	}
	if passwordFile != "" {
		if in.Password, err = readSecret(passwordFile); err != nil {
			return err
		}
	}
	switch {
	case args[0] == "list" && len(words) == 0:
		return p.with(ctx, data, func(c *console.Client) error { return p.listCameras(ctx, c) })
	case args[0] == "add" && len(words) == 2:
		in.Name, in.URL = words[0], words[1]
		return p.addCamera(ctx, data, in)
	case args[0] == "remove" && len(words) == 1:
		return p.with(ctx, data, func(c *console.Client) error {
			return c.Call(ctx, http.MethodPost, "/cameras/remove", console.Named{Name: words[0]}, nil)
		})
	case args[0] == "probe" && len(words) == 1:
		in.URL = words[0]
		return p.probeCamera(ctx, data, in)
	}
	return usageError{fmt.Sprintf("camera %s does not take these words", args[0])}
}

// checkURLs refuses a password in a URL: command lines are seen by everybody on
// the box and kept by shells.
func checkURLs(urls ...string) error {
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil || strings.Contains(s, "@") && u.User != nil {
			return usageError{"a URL must not hold a user or password: use --user and --password-file"}
		}
	}
	return nil
}

func (p *program) addCamera(ctx context.Context, data string, in console.Camera) error {
	if err := checkURLs(in.URL, in.Sub); err != nil {
		return err
	}
	return p.with(ctx, data, func(c *console.Client) error {
		if err := c.Call(ctx, http.MethodPost, "/cameras", in, nil); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "Camera %q is added.\n", in.Name)
		return nil
	})
}

func (p *program) probeCamera(ctx context.Context, data string, in console.Camera) error {
	if err := checkURLs(in.URL, in.Sub); err != nil {
		return err
	}
	return p.with(ctx, data, func(c *console.Client) error {
		var out console.Probe
		if err := c.Call(ctx, http.MethodPost, "/cameras/probe", in, &out); err != nil {
			return err
		}
		for _, s := range out.Streams {
			fmt.Fprintf(p.stdout, "%s  %s  %dx%d  %.0f pictures a second\n", s.Quality, s.Codec, s.Width, s.Height, s.FrameRate)
			for _, note := range s.Notes {
				fmt.Fprintf(p.stdout, "      %s\n", note)
			}
		}
		if out.Advice != "" {
			fmt.Fprintln(p.stdout, out.Advice)
		}
		if out.Problem != "" {
			return errFound
		}
		return nil
	})
}

func (p *program) listCameras(ctx context.Context, c *console.Client) error {
	var out console.Cameras
	if err := c.Call(ctx, http.MethodGet, "/cameras", nil, &out); err != nil {
		return err
	}
	p.table(out.Cameras)
	return nil
}

// table prints what each stream of each camera does, and the search for motion.
func (p *program) table(cameras []console.Camera) {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, camera := range cameras {
		for _, s := range camera.State {
			state := "recording"
			if s.Waits {
				state = "waits for motion"
			} else if !s.Recording {
				state = "not recording: " + s.Cause
				if !s.Since.IsZero() {
					state = fmt.Sprintf("not recording since %s: %s", s.Since.Local().Format("Jan 2 15:04:05"), s.Cause)
				}
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", camera.Name, s.Quality, state, s.Detail)
		}
		if m := camera.Motion; m != nil {
			state, details := "active", []string{}
			if !m.Works {
				state = "not active"
			}
			if m.Detail != "" {
				details = append(details, m.Detail)
			}
			if m.Fence != "" {
				details = append(details, "Protection: reduced, because "+m.Fence+".")
			}
			fmt.Fprintf(w, "%s\tmotion\t%s\t%s\n", camera.Name, state, strings.Join(details, " "))
		}
	}
	_ = w.Flush() // standard output
}
