package auth_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/db"
	"lares/nvr/vault"
)

const (
	anna     = "Anna"
	password = "four quiet herons paint"
	lan      = "192.168.1.20"
	browser  = "Firefox on a laptop"
)

// cheap are password settings for tests only.
func cheap() vault.KDFParams {
	return vault.KDFParams{Version: 1, Time: 1, MemoryKiB: 8, Threads: 1}
}

// house is a box with a real config.db.
type house struct {
	t       testing.TB
	path    string
	machine *vault.MachineKey
	cfg     *db.Config
	spill   []string
	kdf     vault.KDFParams
	wrap    func(*auth.Store) // replaces parts of the store
	*auth.Service
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newHouse(t testing.TB) *house {
	t.Helper()
	raw := make([]byte, vault.MachineKeySize)
	rand.Read(raw)
	key, err := vault.NewMachineKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, path: filepath.Join(t.TempDir(), "config.db"), machine: key, kdf: cheap()}
	h.start()
	t.Cleanup(h.stop)
	return h
}

func (h *house) start() {
	h.t.Helper()
	if err := h.tryStart(); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) tryStart() error {
	log := discard()
	cfg, err := db.OpenConfig(context.Background(), h.path, h.machine, log)
	if err != nil {
		return err
	}
	store := auth.Store{
		PeopleStore: cfg, RosterStore: cfg, VaultStore: cfg, SessionStore: cfg,
		ThrottleStore: cfg, LogStore: cfg, SettingStore: cfg,
	}
	if h.wrap != nil {
		h.wrap(&store)
	}
	h.cfg = cfg
	h.Service, err = auth.New(context.Background(), auth.Config{
		Store: store, Machine: h.machine, Log: log, KDF: h.kdf,
		Spill: func() []string { return h.spill },
	})
	return err
}

func (h *house) stop() {
	if h.Service == nil {
		return
	}
	h.Close()
	h.Service = nil
	if err := h.cfg.Close(); err != nil {
		h.t.Error(err)
	}
}

func (h *house) restart() {
	h.t.Helper()
	h.stop()
	h.start()
}

// claim makes Anna the owner, without a second factor.
func (h *house) claim() (*auth.Session, string, vault.RecoveryKey) {
	h.t.Helper()
	rec := vault.NewRecoveryKey()
	sess, token, err := h.Claim(h.t.Context(), auth.ClaimRequest{
		Console: true, Name: anna, Password: password, WaiveSecondFactor: true, Recovery: rec, Addr: lan, Device: browser,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return sess, token, rec
}

func (h *house) login() *auth.Session {
	h.t.Helper()
	sess, _, err := h.Login(h.t.Context(), auth.LoginRequest{Name: anna, Password: password, Addr: lan, Device: browser})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Settle()
	return sess
}

func (h *house) guess(name, pw, addr string) error {
	_, _, err := h.Login(h.t.Context(), auth.LoginRequest{Name: name, Password: pw, Addr: addr})
	return err
}

// footage is a segment key that was sealed to the vault of a camera and day.
type footage struct {
	nvr.Recipient
	info, key, sealed []byte
}

func (h *house) record(camera nvr.CameraID, at time.Time) footage {
	h.t.Helper()
	r, err := h.CurrentVault(h.t.Context(), camera, at)
	if err != nil {
		h.t.Fatal(err)
	}
	return sealTo(h.t, r)
}

func sealTo(t testing.TB, r nvr.Recipient) footage {
	t.Helper()
	f := footage{Recipient: r, info: []byte("a segment"), key: make([]byte, 32)}
	rand.Read(f.key)
	var err error
	if f.sealed, err = vault.Seal(r.Public, f.info, f.key); err != nil {
		t.Fatal(err)
	}
	return f
}

// opens reports whether the opener gives the footage's key.
func (f footage) open(o nvr.Opener) error {
	key, err := o.OpenKey(context.Background(), f.Vault, f.info, f.sealed)
	if err == nil && string(key) != string(f.key) {
		return errors.New("another key came out")
	}
	return err
}

func mustOpen(t testing.TB, o nvr.Opener, f footage) {
	t.Helper()
	if err := f.open(o); err != nil {
		t.Fatalf("open footage: %v", err)
	}
}

func mustStayShut(t testing.TB, o nvr.Opener, f footage, want error) {
	t.Helper()
	if err := f.open(o); !errors.Is(err, want) {
		t.Fatalf("open footage: got %v, want %v", err, want)
	}
}

// tamper changes config.db of a stopped box as somebody who took the disk would.
func (h *house) tamper(statements string, args ...any) {
	h.t.Helper()
	d, err := sql.Open("sqlite", h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if _, err := d.Exec(statements, args...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) query(query string, dest ...any) {
	h.t.Helper()
	d, err := sql.Open("sqlite", h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if err := d.QueryRow(query).Scan(dest...); err != nil {
		h.t.Fatal(err)
	}
}

func code(t testing.TB, secret string, at time.Time) string {
	t.Helper()
	c, err := totp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func enrol(t testing.TB) (secret string, e *auth.TOTPEnrolment) {
	t.Helper()
	secret, _, err := auth.NewTOTP(anna)
	if err != nil {
		t.Fatal(err)
	}
	return secret, &auth.TOTPEnrolment{Secret: secret, Code: code(t, secret, time.Now())}
}

func camera() nvr.CameraID { return nvr.NewID[nvr.Camera]() }
