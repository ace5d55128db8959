package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lares/nvr"
	"lares/nvr/vault"
)

const (
	// credentialName is that of the machine key among the credentials of the
	// service (systemd.exec(5)).
	credentialName = "lares-machine-key"
	// proofSetting holds something that only the machine key of this config.db
	// opens.
	proofSetting = "machine.proof"
)

// errNoMachineKey: there is a configuration, and its key is somewhere else.
var errNoMachineKey = errors.New("the key of this box is not here")

// loadMachineKey takes the machine key from the credentials of the service, which
// can be bound to a security chip, or else from a file in the data folder that
// only we can read. A new key is made for a new box only.
func loadMachineKey(dir string) (*vault.MachineKey, nvr.KeyPlace, error) {
	if credentials := os.Getenv("CREDENTIALS_DIRECTORY"); credentials != "" {
		raw, err := os.ReadFile(filepath.Join(credentials, credentialName)) //nolint:gosec // systemd names the folder
		if err == nil {
			defer clear(raw)
			return parseCredential(raw)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, fmt.Errorf("read the machine key: %w", err)
		}
	}
	file := filepath.Join(dir, machineName)
	if exists(filepath.Join(dir, configName)) && !exists(file) {
		return nil, 0, fmt.Errorf("%w: systemd hands it to the service alone, or the file %s is lost.\n"+
			"Start the service and ask it: systemctl start lares. To work without the service:\n"+
			"  systemd-run --pipe -p User=lares -p LoadCredentialEncrypted=%s lares ...\n"+
			"A new key is not made: it would open nothing of what is here", errNoMachineKey, file, credentialName)
	}
	key, err := vault.LoadOrCreateMachineKey(file)
	return key, nvr.KeyInFile, err
}

// parseCredential reads a key as 32 bytes, or in hexadecimal with the word
// "tpm2" behind it where the credential was bound to the security chip.
func parseCredential(raw []byte) (*vault.MachineKey, nvr.KeyPlace, error) {
	place := nvr.KeyFromSystem
	if words := strings.Fields(string(raw)); len(words) > 0 && len(words[0]) == 2*vault.MachineKeySize {
		if decoded, err := hex.DecodeString(words[0]); err == nil {
			defer clear(decoded)
			if len(words) == 2 && words[1] == "tpm2" {
				place = nvr.KeyInTPM
			}
			raw = decoded
		}
	}
	key, err := vault.NewMachineKey(raw)
	if err != nil {
		return nil, 0, fmt.Errorf("read the credential %s: %w", credentialName, err)
	}
	return key, place, nil
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// proveMachineKey refuses a key that is not the one of this config.db, before
// anything is sealed with it.
func (h *house) proveMachineKey(ctx context.Context) error {
	sealed, err := h.config.Setting(ctx, proofSetting)
	missing := errors.Is(err, nvr.ErrNotFound)
	switch {
	case missing: // a new box, or one from before there was a proof
		_, err = h.config.Principals(ctx)
	case err == nil:
		_, err = h.machine.Open(proofSetting, sealed)
	}
	if errors.Is(err, nvr.ErrCorrupt) || errors.Is(err, vault.ErrOpen) {
		return fmt.Errorf("the machine key does not belong to %s: put the file %s, or the credential %s, of this box back: %w",
			h.path(configName), machineName, credentialName, err)
	}
	if err != nil || !missing {
		return err
	}
	return h.config.SetSetting(ctx, proofSetting, h.machine.Seal(proofSetting, []byte(rand.Text())))
}
