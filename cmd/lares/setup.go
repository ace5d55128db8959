package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"lares/cmd/lares/internal/console"
)

func (p *program) setup(ctx context.Context, args []string) error {
	var data, owner, passwordFile, recoveryOut, totpOut string
	var without bool
	fs := p.flags("setup", &data)
	fs.StringVar(&owner, "owner", "", "name of the owner")
	fs.StringVar(&passwordFile, "password-file", "", "file with the owner's password")
	fs.StringVar(&recoveryOut, "recovery-out", "", "new file for the recovery key: print it, then destroy it")
	fs.StringVar(&totpOut, "totp-out", "", "new file for the secret of the authenticator app")
	fs.BoolVar(&without, "without-second-factor", false, "the password alone is enough (it is logged)")
	if words, err := parse(fs, args); err != nil {
		return err
	} else if len(words) > 0 || owner == "" || passwordFile == "" || recoveryOut == "" {
		return usageError{"--owner, --password-file and --recovery-out are needed"}
	}
	if without == (totpOut != "") {
		return usageError{"choose --totp-out or --without-second-factor"}
	}
	password, err := readSecret(passwordFile)
	if err != nil {
		return err
	}
	// First, so that no owner is made whose keys could not be written down.
	recovery, err := newSecret(recoveryOut)
	if err != nil {
		return err
	}
	factor := &secretFile{}
	if totpOut != "" {
		if factor, err = newSecret(totpOut); err != nil {
			return errors.Join(err, recovery.drop())
		}
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return errors.Join(fmt.Errorf("make the data folder: %w", err), recovery.drop(), factor.drop())
	}
	made := false
	err = p.with(ctx, data, func(c *console.Client) error {
		in := console.SetupRequest{Name: owner, Password: password, SecondFactor: !without}
		var out console.SetupAnswer
		if err := c.Call(ctx, http.MethodPost, "/setup", in, &out); err != nil {
			return err
		}
		made = true
		if err := errors.Join(recovery.write(out.RecoveryKey), factor.write(out.TOTPURL)); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%s owns this box now. Print the recovery key in %s, put it in a safe place and destroy the file:\n"+
			"without password and recovery key nobody can open the footage again.\n", owner, recoveryOut)
		return nil
	})
	if !made {
		err = errors.Join(err, recovery.drop(), factor.drop())
	}
	return err
}

func (p *program) setupCode(ctx context.Context, args []string) error {
	return p.oneTimeCode(ctx, "setup-code", args)
}

// loginCode prints a code of the box. It is entered in the log of who looked.
func (p *program) loginCode(ctx context.Context, args []string) error {
	if err := p.oneTimeCode(ctx, "login-code", args); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "Type it on the login page, with your name and password. The log of who looked says that it was made.")
	return nil
}

// oneTimeCode asks the box for a code that works once and prints it.
func (p *program) oneTimeCode(ctx context.Context, name string, args []string) error {
	var data string
	if words, err := parse(p.flags(name, &data), args); err != nil {
		return err
	} else if len(words) > 0 {
		return usageError{fmt.Sprintf("unexpected %q", words[0])}
	}
	return p.with(ctx, data, func(c *console.Client) error {
		var out console.OneTimeCode
		if err := c.Call(ctx, http.MethodPost, "/"+name, nil, &out); err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "One-time code  %s   (until %s)\n", out.Code, out.Expires.Local().Format("15:04"))
		return nil
	})
}

func (p *program) resetOwner(ctx context.Context, args []string) error {
	var data string
	var yes bool
	fs := p.flags("reset-owner", &data)
	fs.BoolVar(&yes, "yes", false, "do it")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	if !yes {
		return usageError{"all people, their passwords and keys are forgotten. Cameras and settings stay. What was recorded until now\n" +
			"can then be opened with the printed recovery key only. If that is meant, add --yes"}
	}
	return p.with(ctx, data, func(c *console.Client) error {
		if err := c.Call(ctx, http.MethodPost, "/reset-owner", nil, nil); err != nil {
			return err
		}
		fmt.Fprintln(p.stdout, "Done. Open the page and set up an owner; 'lares setup-code' gives the one-time code.")
		return nil
	})
}
