package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"lares/homekit"
	"lares/motion/watch"
	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/camera"
	"lares/nvr/db"
	"lares/nvr/egress"
	"lares/nvr/vault"
	"lares/recorder"
)

const defaultData = "/var/lib/lares"

// Names in the data folder.
const (
	lockName    = "lares.lock"
	socketName  = "lares.sock"
	machineName = "machine.key"
	configName  = "config.db"
	indexName   = "index.db"
	footageName = "footage"
)

// errRunning: another process holds the data folder.
var errRunning = errors.New("Lares is running with this folder") //nolint:staticcheck // a name begins it

// house is all parts of Lares over one data folder, opened and not yet running.
type house struct {
	dir     string
	lock    *os.File
	machine *vault.MachineKey
	// keyPlace is where the machine key came from.
	keyPlace nvr.KeyPlace
	config   *db.Config
	index    *db.Index
	auth     *auth.Service
	fleet    *camera.Fleet
	devices  *camera.Devices
	rec      *recorder.Recorder
	bus      *nvr.Bus
	egress   *egress.Guard
	workers  *workers
	watch    *watch.Service
	home     *homekit.Service
	log      *slog.Logger
}

// openHouse takes the lock on the data folder and opens everything in it. What
// is missing is made. Errors: errRunning.
func openHouse(ctx context.Context, dir string, log *slog.Logger) (*house, error) {
	h := &house{dir: dir, bus: nvr.NewBus(), workers: newWorkers(log), log: log}
	if err := h.open(ctx); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

func (h *house) open(ctx context.Context) error {
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	err := becomeOwner(h.dir)
	if err != nil {
		return err
	}
	if h.lock, err = lockDir(h.dir); err != nil {
		return err
	}
	if h.machine, h.keyPlace, err = loadMachineKey(h.dir); err != nil {
		return err
	}
	if h.config, err = db.OpenConfig(ctx, h.path(configName), h.machine, h.log); err != nil {
		return err
	}
	if err := h.proveMachineKey(ctx); err != nil {
		return err
	}
	if h.index, err = db.OpenIndex(ctx, h.path(indexName), h.log); err != nil {
		return err
	}
	store := auth.Store{
		PeopleStore: h.config, RosterStore: h.config, VaultStore: h.config, SessionStore: h.config,
		ThrottleStore: h.config, LogStore: h.config, SettingStore: h.config,
	}
	h.auth, err = auth.New(ctx, auth.Config{Store: store, Machine: h.machine, Log: h.log, Spill: h.footagePaths})
	if err != nil {
		return err
	}
	if h.egress, err = h.egressGuard(ctx); err != nil {
		return err
	}
	h.fleet = camera.NewFleet(camera.FleetConfig{
		Store: h.config, Bus: h.bus, Log: h.log, Transcoder: h.workers.sound, House: h.egress,
		Privacy: h.config, Record: h.auth.RecordPrivacy,
	})
	if err := h.fleet.Load(ctx); err != nil {
		return err
	}
	h.devices = h.findDevices()
	h.rec, err = recorder.New(ctx, recorder.Config{
		Index: h.index, Gaps: h.config, Disks: h.config, Settings: h.config, Ledger: h.config, Vaults: h.auth,
		Cameras: h.fleet, Bus: h.bus, Log: h.log,
	})
	if err != nil {
		return err
	}
	h.watch = h.watcher()
	h.home, err = h.homeKit(ctx)
	return err
}

func (h *house) path(name string) string { return filepath.Join(h.dir, name) }

// footagePaths lists where the log may spill to: the footage paths that can be written.
func (h *house) footagePaths() []string {
	if h.rec == nil {
		return nil
	}
	return h.rec.WritablePaths()
}

// addFootage makes folders footage paths; without any, one in the data folder.
func (h *house) addFootage(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		known, err := h.config.Disks(ctx)
		if err != nil || len(known) > 0 {
			return err
		}
		own := h.path(footageName)
		if err := os.MkdirAll(own, 0o700); err != nil {
			return fmt.Errorf("make the footage folder: %w", err)
		}
		paths = []string{own}
	}
	for _, path := range paths {
		abs, err := filepath.Abs(path)
		if err == nil {
			err = h.rec.AddDisk(ctx, abs)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no folder %s: make it, or mount the disk that belongs there", path)
		}
		if errors.Is(err, fs.ErrPermission) {
			return cannotWrite(path)
		}
		if err != nil {
			return fmt.Errorf("footage path %s: %w", path, err)
		}
	}
	return nil
}

// close ends everything in the order that keeps what was written.
func (h *house) close() error {
	var errs []error
	h.bus.Close()
	h.workers.close()
	if h.auth != nil {
		h.auth.Close()
	}
	if h.index != nil {
		errs = append(errs, h.index.Close())
	}
	if h.config != nil {
		errs = append(errs, h.config.Close())
	}
	if h.machine != nil {
		h.machine.Wipe()
	}
	if h.lock != nil {
		errs = append(errs, h.lock.Close())
	}
	return errors.Join(errs...)
}

// lockDir takes the lock on a data folder; it is given up when the file is closed.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errRunning
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
