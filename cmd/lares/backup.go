package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"lares/cmd/lares/internal/console"
	"lares/nvr/backup"
	"lares/nvr/vault"
)

// makeBackup seals the configuration and the machine key to the recovery key.
func (h *house) makeBackup(ctx context.Context) ([]byte, time.Time, error) {
	var to backup.Recipient
	var err error
	if to.Principal, to.Public, err = h.auth.RecoveryRecipient(); err != nil {
		return nil, time.Time{}, err
	}
	c := backup.Contents{Made: time.Now(), Machine: h.machine.Bytes()}
	defer clear(c.Machine)
	if c.Config, err = h.config.Backup(ctx); err != nil {
		return nil, time.Time{}, err
	}
	file, err := backup.Seal(to, c)
	return file, c.Made, err
}

func (h *house) backups() *backup.Keeper {
	return &backup.Keeper{Make: h.makeBackup, Paths: h.rec.WritablePaths, Log: h.log}
}

func (p *program) backup(ctx context.Context, args []string) error {
	var data, out string
	fs := p.flags("backup", &data)
	fs.StringVar(&out, "o", "", "new file for the backup")
	if words, err := parse(fs, args); err != nil {
		return err
	} else if len(words) > 0 || out == "" {
		return usageError{"-o is needed"}
	}
	return p.with(ctx, data, func(c *console.Client) error {
		if err := download(ctx, c, "/backup", nil, out); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%s holds settings, cameras and people, and opens with the recovery key alone.\n"+
			"Keep it on another device. It holds no recordings: those are on the footage disks.\n", out)
		return nil
	})
}

// restoreOptions are the flags of restore.
type restoreOptions struct {
	data, recoveryFile string
	owner              credentials
}

func (p *program) restore(ctx context.Context, args []string) error {
	var o restoreOptions
	fs := p.flags("restore", &o.data)
	fs.StringVar(&o.recoveryFile, "recovery-file", "", "file with the recovery key")
	fs.StringVar(&o.owner.as, "as", "", "name of an owner")
	fs.StringVar(&o.owner.passwordFile, "password-file", "", "file with the owner's password")
	fs.StringVar(&o.owner.code, "totp", "", "code that the owner's authenticator app shows")
	fs.Func("footage", "folder with footage; may be repeated", func(path string) error {
		o.owner.footage = append(o.owner.footage, path)
		return nil
	})
	words, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(words) > 1 || o.recoveryFile == "" || o.owner.as == "" || o.owner.passwordFile == "" {
		return usageError{"--recovery-file, --as and --password-file are needed: the owner opens the recordings again"}
	}
	// All that is read comes first: afterwards this may be another user.
	in := console.Adopt{}
	if in.Recovery, err = readSecret(o.recoveryFile); err != nil {
		return err
	}
	password, err := readSecret(o.owner.passwordFile)
	if err != nil {
		return err
	}
	in.Credentials = console.Credentials{Name: o.owner.as, Password: password, Code: o.owner.code}
	if len(words) == 1 {
		if in.Restored, err = unpack(words[0], in.Recovery, o.data); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "Restored settings, cameras and people as they were on %s.\n", in.Restored.Local().Format(time.DateTime))
	}
	return p.takeIn(ctx, o, in)
}

// takeIn opens the recordings on the footage disks to the people of the box.
func (p *program) takeIn(ctx context.Context, o restoreOptions, in console.Adopt) error {
	call := func(c *console.Client) error {
		var out console.Adopted
		if err := c.Call(ctx, http.MethodPost, "/adopt", in, &out); err != nil {
			return fmt.Errorf("take in the recordings (repeat it with 'lares restore' without the file): %w", err)
		}
		fmt.Fprintf(p.stdout, "Keys of recordings taken in: %d. People open with their passwords again what they could before.\n", out.Keys)
		return nil
	}
	return p.offline(ctx, o.data, call, func(h *house) error {
		if err := h.addFootage(ctx, o.owner.footage); err != nil {
			return err
		}
		return errors.Join(h.rec.Prepare(ctx), h.rec.Rebuild(ctx))
	})
}

// unpack opens a backup into a data folder without a box, and says when the
// backup was made. The configuration comes last: without it the folder is as
// good as empty, and the command can be repeated.
func unpack(name, recovery, dir string) (time.Time, error) {
	key, err := vault.ParseRecoveryKey(recovery)
	if err != nil {
		return time.Time{}, err
	}
	f, err := os.Open(name) //nolint:gosec // the operator's own file
	if err != nil {
		return time.Time{}, fmt.Errorf("read the backup: %w", err)
	}
	defer f.Close() //nolint:errcheck // read-only
	file, err := io.ReadAll(io.LimitReader(f, backup.MaxSize+1))
	if err != nil {
		return time.Time{}, fmt.Errorf("read the backup: %w", err)
	}
	c, err := backup.Open(key, file)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s: %w", name, err)
	}
	defer clear(c.Machine)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return time.Time{}, fmt.Errorf("make the data folder: %w", err)
	}
	if err := becomeOwner(dir); err != nil {
		return time.Time{}, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return time.Time{}, err
	}
	defer lock.Close() //nolint:errcheck // gives the lock up
	if exists(filepath.Join(dir, configName)) {
		return time.Time{}, fmt.Errorf("%s holds a box already: move the folder away, or name another one with --data", dir)
	}
	err = errors.Join(
		os.RemoveAll(filepath.Join(dir, indexName)), // of footage that is listed anew
		backup.Write(filepath.Join(dir, machineName), c.Machine),
	)
	if err == nil {
		err = backup.Write(filepath.Join(dir, configName), c.Config)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("restore into %s: %w", dir, err)
	}
	return c.Made, nil
}
