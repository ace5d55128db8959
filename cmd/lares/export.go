package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"lares/cmd/lares/internal/console"
)

func (p *program) export(ctx context.Context, args []string) error {
	var data, from, to, out string
	var in console.Export
	var as credentials
	fs := p.flags("export", &data)
	fs.StringVar(&in.Camera, "camera", "", "name of the camera")
	fs.BoolVar(&in.Sub, "sub", false, "the small picture instead of the full one")
	fs.StringVar(&from, "from", "", "begin, as 2026-11-22T14:00:00+01:00 (RFC 3339)")
	fs.StringVar(&to, "to", "", "end")
	fs.StringVar(&out, "o", "", "new mp4 file")
	as.register(fs)
	if words, err := parse(fs, args); err != nil {
		return err
	} else if len(words) > 0 || in.Camera == "" || out == "" {
		return usageError{"--camera, --from, --to and -o are needed"}
	}
	var err error
	if in.From, err = parseTime("--from", from); err != nil {
		return err
	}
	if in.To, err = parseTime("--to", to); err != nil {
		return err
	}
	if !in.From.Before(in.To) {
		return usageError{"--from must be before --to"}
	}
	if in.Credentials, err = as.read(); err != nil {
		return err
	}
	return p.withFootage(ctx, data, as.footage, func(c *console.Client) error {
		if err := download(ctx, c, "/export", in, out); err != nil {
			return fmt.Errorf("save the clip ('lares check' looks for damage): %w", err)
		}
		return nil
	})
}

func parseTime(name, s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, usageError{name + " takes a time such as 2026-11-22T14:00:00+01:00"}
	}
	return t, nil
}

// download writes the answer to a new file, or no file at all.
func download(ctx context.Context, c *console.Client, path string, in any, name string) error {
	resp, err := c.Do(ctx, http.MethodPost, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read-only
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write the file: %w", err)
	}
	n, err := io.Copy(f, resp.Body)
	if err == nil && n != resp.ContentLength {
		err = fmt.Errorf("the answer was cut off after %d of %d bytes", n, resp.ContentLength)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
