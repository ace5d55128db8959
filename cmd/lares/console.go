package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lares/cmd/lares/internal/console"
	"lares/recorder"
)

// console returns what the console works on.
func (h *house) console(running bool) console.Box {
	return console.Box{
		Auth: h.auth, Fleet: h.fleet, Recorder: h.rec, Detection: h.watch, Log: h.log, Version: version, Running: running,
		CheckDatabases: func(ctx context.Context) error {
			return errors.Join(h.config.Check(ctx), h.index.Check(ctx))
		},
	}
}

// with calls f with a client of the box: the one that runs with the data folder,
// or one that is opened for the call.
func (p *program) with(ctx context.Context, data string, f func(*console.Client) error) error {
	if _, err := os.Stat(data); err != nil {
		return fmt.Errorf("there is no data folder %s: name it with --data", data)
	}
	return p.offline(ctx, data, f, func(*house) error { return nil })
}

// withFootage is with for commands that read footage: what a crash left open is
// taken up first. Where paths names footage paths they are read on their own,
// with a data folder that is thrown away: what is left after the box is lost.
func (p *program) withFootage(ctx context.Context, data string, paths []string, f func(*console.Client) error) error {
	if len(paths) == 0 {
		if _, err := os.Stat(data); err != nil {
			return fmt.Errorf("there is no data folder %s: name it with --data, or the footage alone with --footage", data)
		}
		return p.offline(ctx, data, f, func(h *house) error { return h.rec.Prepare(ctx) })
	}
	for _, path := range paths {
		if err := recorder.IsFootage(path); err != nil {
			return fmt.Errorf("%s holds no footage of Lares: name the folder or the disk that was given with --footage: %w", path, err)
		}
	}
	dir, err := os.MkdirTemp("", "lares-footage-")
	if err != nil {
		return fmt.Errorf("make a folder for the index: %w", err)
	}
	err = p.offline(ctx, dir, f, func(h *house) error {
		return errors.Join(h.addFootage(ctx, paths), h.rec.Prepare(ctx), h.rec.Rebuild(ctx))
	})
	return errors.Join(err, os.RemoveAll(dir))
}

// offline opens the house, prepares it and calls f, or calls the house that runs.
func (p *program) offline(ctx context.Context, data string, f func(*console.Client) error, prepare func(*house) error) error {
	h, err := openHouse(ctx, data, p.logger())
	if errors.Is(err, errRunning) {
		return f(console.Dial(filepath.Join(data, socketName)))
	}
	if err != nil {
		return err
	}
	if err := prepare(h); err != nil {
		return errors.Join(err, h.close())
	}
	return errors.Join(f(console.Direct(console.Handler(h.console(false)))), h.close())
}

// credentials are the flags that open footage.
type credentials struct {
	as, passwordFile, code, recoveryFile string
	footage                              []string // to be read without the data folder
}

func (c *credentials) register(fs *flag.FlagSet) {
	fs.StringVar(&c.as, "as", "", "whose password it is")
	fs.StringVar(&c.passwordFile, "password-file", "", "file with the password")
	fs.StringVar(&c.code, "totp", "", "code that the authenticator app shows")
	fs.StringVar(&c.recoveryFile, "recovery-file", "", "file with the recovery key, instead of name and password")
	fs.Func("footage", "footage path to read without the data folder, with --recovery-file; may be repeated", func(path string) error {
		c.footage = append(c.footage, path)
		return nil
	})
}

func (c *credentials) read() (console.Credentials, error) {
	if c.recoveryFile != "" {
		key, err := readSecret(c.recoveryFile)
		return console.Credentials{RecoveryKey: key}, err
	}
	if len(c.footage) > 0 {
		return console.Credentials{}, usageError{"--footage needs --recovery-file: people and passwords are in the data folder"}
	}
	if c.as == "" || c.passwordFile == "" {
		return console.Credentials{}, usageError{"--as and --password-file are needed, or --recovery-file: the box itself cannot open footage"}
	}
	password, err := readSecret(c.passwordFile)
	return console.Credentials{Name: c.as, Password: password, Code: c.code}, err
}

// readSecret reads a password from a file, without the line end.
func readSecret(name string) (string, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(string(raw), "\r\n"), nil
}

// writeSecret writes a new file that only its owner can read.
func writeSecret(name, content string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.WriteString(content + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}
