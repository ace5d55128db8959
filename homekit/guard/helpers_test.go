package guard_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/brutella/hap"
	"github.com/brutella/hap/accessory"
	"github.com/brutella/hap/characteristic"
	"github.com/brutella/hap/service"

	"lares/homekit/guard"
	"lares/homekit/internal/haptest"
)

const code, dashed = "48151623", "481-51-623"

// bare runs the tests against the library alone, by LARES_HAP_BARE=1: those that
// name a fault of it must fail then.
func bare() bool { return os.Getenv("LARES_HAP_BARE") != "" }

// store is hap's memory store for several goroutines.
type store struct {
	mu   sync.Mutex // guards what follows
	in   hap.Store
	full bool // refuses to keep pairings
}

func newStore() *store { return &store{in: hap.NewMemStore()} }

func (s *store) Set(k string, v []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full && strings.HasSuffix(k, ".pairing") {
		return errors.New("no space")
	}
	return s.in.Set(k, v)
}

func (s *store) Get(k string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.Get(k)
}

func (s *store) Delete(k string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.Delete(k)
}

func (s *store) KeysWithSuffix(k string) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.KeysWithSuffix(k)
}

// house is an accessory with all that the tests ask for.
type house struct {
	*guard.Guard // nil when bare
	addr         string
	store        *store
	motion       *characteristic.MotionDetected
	bell         *characteristic.ProgrammableSwitchEvent
	lock         *characteristic.On // takes timed writes only
	closed       chan string        // remote addresses
	picture      []byte

	mu    sync.Mutex // guards what follows
	notes []string   // what the hooks said
}

func (h *house) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}

func (h *house) said() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.notes...)
}

// iid is how requests name a characteristic.
func iid(c *characteristic.C) string { return fmt.Sprintf("1.%d", c.Id) }

func camera(h *house) *accessory.A {
	a := accessory.New(accessory.Info{Name: "Front door " + rand.Text()[:6]}, accessory.TypeIPCamera)
	a.Id = 1
	motion, bell, lock := service.NewMotionSensor(), service.NewDoorbell(), service.NewSwitch()
	lock.On.Permissions = append(lock.On.Permissions, characteristic.PermissionTimedWrite)
	a.AddS(motion.S)
	a.AddS(bell.S)
	a.AddS(lock.S)
	h.motion, h.bell, h.lock = motion.MotionDetected, bell.ProgrammableSwitchEvent, lock.On
	return a
}

// start runs a house until the test ends; with, which may be nil, is called
// before.
func start(t *testing.T, with func(*house)) *house {
	t.Helper()
	t.Parallel() // most of the time is mDNS probing for a name
	return startAnother(t, with)
}

// startAnother is start for a test that runs one house already.
func startAnother(t *testing.T, with func(*house)) *house {
	t.Helper()
	h := &house{store: newStore(), closed: make(chan string, 4096), picture: make([]byte, 700_000)}
	a := camera(h)
	picture := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = hap.NewChunkedWriter(w, 2048).Write(h.picture)
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	if bare() {
		h.addr = freeAddr(t)
		server, err := hap.NewServer(h.store, a)
		if err != nil {
			t.Fatal(err)
		}
		server.Addr, server.Pin, server.Ifaces = h.addr, code, []string{"lo"}
		server.ServeMux().HandleFunc("/resource", picture)
		go func() { ended <- server.ListenAndServe(ctx) }()
		waitFor(t, h.addr)
	} else {
		h.Guard = newGuard(t, h, a)
		h.Handle("/resource", picture)
		if with != nil {
			with(h)
		}
		h.OpenPairing()
		go func() { ended <- h.Run(ctx) }()
		select {
		case bound := <-h.Bound():
			h.addr = bound.String()
		case err := <-ended:
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !bare() {
			t.Error(err)
		}
	})
	return h
}

func newGuard(t *testing.T, h *house, a *accessory.A) *guard.Guard {
	t.Helper()
	g, err := guard.New(guard.Config{
		Addr: "127.0.0.1:0", Code: code, SetupID: "7OSX", Ifaces: []string{"lo"}, Store: h.store,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
		Hooks: guard.Hooks{
			Closed:    func(remote string) { h.closed <- remote },
			Paired:    func(id string, admin bool) { h.note("paired %s %v", id, admin) },
			Unpaired:  func(id string) { h.note("unpaired %s", id) },
			WrongCode: func(_ string, left int) { h.note("wrong code, %d left", left) },
		},
	}, a)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func waitFor(t *testing.T, addr string) {
	t.Helper()
	for t.Context().Err() == nil {
		if c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr); err == nil {
			_ = c.Close()
			return
		}
	}
}

// pairOwner pairs a controller and returns a verified connection of it.
func (h *house) pairOwner(t *testing.T) (*haptest.Controller, *haptest.Wire) {
	t.Helper()
	owner := haptest.NewController(t, "owner")
	w := haptest.Dial(t, h.addr)
	if err := w.Pair(owner, dashed); err != nil {
		t.Fatalf("pair: %v", err)
	}
	return owner, h.login(t, owner)
}

// login opens a verified connection.
func (h *house) login(t *testing.T, c *haptest.Controller) *haptest.Wire {
	t.Helper()
	w := haptest.Dial(t, h.addr)
	if err := w.Verify(c); err != nil {
		t.Fatalf("verify: %v", err)
	}
	return w
}

// subscribe asks for events.
func subscribe(t *testing.T, w *haptest.Wire, c *characteristic.C) {
	t.Helper()
	w.Must(t, http.StatusNoContent, "PUT", "/characteristics", fmt.Sprintf(`{"characteristics":[{"aid":1,"iid":%d,"ev":true}]}`, c.Id))
}

// update changes values.
func (h *house) update(f func()) {
	if h.Guard == nil {
		f()
		return
	}
	h.Update(f)
}
