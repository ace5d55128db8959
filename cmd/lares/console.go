package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lares/cmd/lares/internal/console"
	"lares/recorder"
)

// console returns what the console works on.
func (h *house) console(running bool) console.Box {
	return console.Box{
		Auth: h.auth, Fleet: h.fleet, Recorder: h.rec, Detection: h.watch, Log: h.log, Version: version, Running: running, Alive: h.alive, Backup: h.makeBackup, Protection: h.protection,
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
// One that is starting or stopping is given a moment.
func (p *program) offline(ctx context.Context, data string, f func(*console.Client) error, prepare func(*house) error) error {
	const moment, again = 3 * time.Second, 100 * time.Millisecond
	h, err := openHouse(ctx, data, p.logger())
	for began := time.Now(); errors.Is(err, errRunning); h, err = openHouse(ctx, data, p.logger()) {
		err := f(console.Dial(filepath.Join(data, socketName)))
		if !unanswered(err) {
			return err
		}
		if time.Since(began) > moment || ctx.Err() != nil {
			return errors.New("Lares is starting or stopping and does not answer yet: try again in a moment") //nolint:staticcheck // a name begins it
		}
		time.Sleep(again)
	}
	if err != nil {
		return err
	}
	if err := prepare(h); err != nil {
		return errors.Join(err, h.close())
	}
	return errors.Join(f(console.Direct(console.Handler(h.console(false)))), h.close())
}

// unanswered reports whether nobody listens on the socket of the box yet, or any more.
func unanswered(err error) bool {
	failed, ok := errors.AsType[*net.OpError](err)
	return ok && failed.Op == "dial" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED))
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

// secretFile is a new file that only its owner can read, or, where it has no
// file, none at all.
type secretFile struct{ file *os.File }

func newSecret(name string) (*secretFile, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists: name a new file", name)
	}
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	return &secretFile{f}, nil
}

// write fills and closes the file.
func (s *secretFile) write(content string) error {
	if s.file == nil {
		return nil
	}
	_, err := s.file.WriteString(content + "\n")
	return errors.Join(err, s.file.Sync(), s.file.Close())
}

// drop removes the file, which is empty.
func (s *secretFile) drop() error {
	if s.file == nil {
		return nil
	}
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
