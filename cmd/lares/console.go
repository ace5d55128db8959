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
)

// console returns what the console works on.
func (h *house) console(running bool) console.Box {
	return console.Box{
		Auth: h.auth, Fleet: h.fleet, Recorder: h.rec, Log: h.log, Version: version, Running: running,
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
	h, err := openHouse(ctx, data, p.logger())
	if errors.Is(err, errRunning) {
		return f(console.Dial(filepath.Join(data, socketName)))
	}
	if err != nil {
		return err
	}
	return errors.Join(f(console.Direct(console.Handler(h.console(false)))), h.close())
}

// credentials are the flags that open footage.
type credentials struct {
	as, passwordFile, code, recoveryFile string
}

func (c *credentials) register(fs *flag.FlagSet) {
	fs.StringVar(&c.as, "as", "", "whose password it is")
	fs.StringVar(&c.passwordFile, "password-file", "", "file with the password")
	fs.StringVar(&c.code, "totp", "", "code that the authenticator app shows")
	fs.StringVar(&c.recoveryFile, "recovery-file", "", "file with the recovery key, instead of name and password")
}

func (c *credentials) read() (console.Credentials, error) {
	if c.recoveryFile != "" {
		key, err := readSecret(c.recoveryFile)
		return console.Credentials{RecoveryKey: key}, err
	}
	if c.as == "" || c.passwordFile == "" {
		return console.Credentials{}, usageError{"--as and --password-file are needed: footage opens with a person's password only"}
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

