package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/brutella/hap"
	"github.com/brutella/hap/accessory"
	"github.com/brutella/hap/characteristic"
	haplog "github.com/brutella/hap/log"
)

// Config is what a HomeKit server is made of.
type Config struct {
	Addr    string   // "host:port" to listen at
	Code    string   // the setup code, 8 digits
	SetupID string   // 4 characters, part of the QR code
	Ifaces  []string // interfaces to announce at, empty for all
	Store   hap.Store
	Log     *slog.Logger
	Hooks   Hooks
}

// Hooks tell what happens. Each may be nil; none may block for long or call the
// guard back.
type Hooks struct {
	// Closed says that a connection is over: what was set up through it (streams)
	// has no viewer any more. Remote is the RemoteAddr of its requests.
	Closed func(remote string)
	// Paired and Unpaired say that the controller id was added or removed.
	Paired   func(id string, admin bool)
	Unpaired func(id string)
	// WrongCode says that remote gave a wrong code, and how many are left until
	// pairing shuts.
	WrongCode func(remote string, left int)
}

// limits bound what a connection may use. Times are between bytes of one side.
type limits struct {
	unverified time.Duration // silence before pair-verify
	typing     time.Duration // silence within pair-setup, where people type codes
	turn       time.Duration // silence after which others may begin pair-setup
	read       time.Duration // a whole request, from its first byte
	handle     time.Duration // the context of a request
	write      time.Duration // a whole answer or event
	collect    time.Duration // changes are collected before they are sent
	request    int           // bytes of a request on the wire
	body       int64         // bytes of its body
	strangers  int           // connections before pair-verify
	verified   int           // connections after it
}

func defaultLimits() limits {
	return limits{
		unverified: 10 * time.Second, typing: 2 * time.Minute, turn: 10 * time.Second,
		read: 10 * time.Second, handle: 15 * time.Second, write: 10 * time.Second,
		collect: 250 * time.Millisecond, // as HAP-NodeJS does
		request: 96 << 10, body: 64 << 10,
		strangers: 32, verified: 64,
	}
}

// Guard is one HomeKit server behind its guard.
type Guard struct {
	server *hap.Server
	lib    *library
	routes http.Handler // of the library
	log    *slog.Logger
	hooks  Hooks
	limits limits
	now    func() time.Time

	all    []*characteristic.C
	timed  map[id]bool // characteristics that take timed writes only
	bound  chan net.Addr
	values sync.Mutex // held while values change

	pairing pairing

	mu     sync.Mutex // guards what follows
	conns  map[*conn]struct{}
	ended  bool
	active sync.WaitGroup // one for each connection and each sender of events
}

// connKey is the key of the *conn in the context of a request.
type connKey struct{}

// New makes the server for accessories, whose ids must be set; the first is the
// bridge when there are several. It fails when the library is not the one that
// the guard was written for. Pairing is shut until OpenPairing.
func New(cfg Config, accessories ...*accessory.A) (*Guard, error) {
	if len(accessories) == 0 {
		return nil, errors.New("make a HomeKit server: no accessory")
	}
	haplog.Info.Disable() //nolint:forbidigo // it would write to standard output
	var all []*characteristic.C
	for _, a := range accessories {
		for _, s := range a.Ss {
			all = append(all, s.Cs...)
		}
	}
	var server *hap.Server
	if err := silence(all, func() (err error) {
		server, err = hap.NewServer(cfg.Store, accessories[0], accessories[1:]...)
		return err
	}); err != nil {
		return nil, fmt.Errorf("make a HomeKit server: %w", err)
	}
	server.Addr, server.Pin, server.SetupId, server.Ifaces = cfg.Addr, cfg.Code, cfg.SetupID, cfg.Ifaces
	lib, err := reach(server)
	if err != nil {
		return nil, fmt.Errorf("guard the HomeKit server: %w", err)
	}
	g := &Guard{
		server: server, lib: lib, routes: lib.http.Handler, log: cfg.Log, hooks: cfg.Hooks,
		limits: defaultLimits(), now: time.Now,
		all: all, timed: map[id]bool{}, bound: make(chan net.Addr, 1), conns: map[*conn]struct{}{},
	}
	for _, c := range all {
		if err := unsubscribe(c, ""); err != nil {
			return nil, fmt.Errorf("guard the HomeKit server: %w", err)
		}
	}
	for _, a := range accessories {
		g.watch(a)
	}
	lib.http.ConnContext = g.accept
	lib.http.ErrorLog = slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug)
	return g, nil
}

// watch learns the characteristics of an accessory.
func (g *Guard) watch(a *accessory.A) {
	for _, s := range a.Ss {
		for _, c := range s.Cs {
			g.timed[id{a.Id, c.Id}] = c.RequiresTimedWrite()
			if c.IsObservable() {
				g.observe(a.Id, c)
			}
		}
	}
}

// Handle adds a route for verified controllers, such as "/resource". Its
// requests have a context that ends with the time for an answer; RemoteAddr
// names the connection, Controller the controller.
func (g *Guard) Handle(path string, h http.Handler) { g.server.ServeMux().Handle(path, h) }

// Controller returns the pairing that a request of a handler or a characteristic
// belongs to, "" if there is none.
func Controller(r *http.Request) string {
	if r == nil {
		return ""
	}
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		return ""
	}
	return c.verifiedAs()
}

// Update runs f, which sets values of characteristics, while nobody else does.
// Functions that the library calls because a controller writes a value run like
// that already and must not call it.
func (g *Guard) Update(f func()) {
	g.values.Lock()
	defer g.values.Unlock()
	f()
}

// Bound yields the address that the server listens at, once, when Run does.
func (g *Guard) Bound() <-chan net.Addr { return g.bound }

// Run serves and announces the accessories until ctx ends, and returns nil then.
// It may be called once.
func (g *Guard) Run(ctx context.Context) error {
	defer g.end()
	g.lib.http.BaseContext = func(l net.Listener) context.Context {
		g.bound <- l.Addr()
		return ctx
	}
	err := g.server.ListenAndServe(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve HomeKit at %s: %w", g.server.Addr, err)
}

// end closes all connections and waits for their goroutines.
func (g *Guard) end() {
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	for _, c := range g.list() {
		g.shut(c, "server ends")
	}
	g.active.Wait()
}

// accept takes a connection from net/http, which sees a link in its place.
func (g *Guard) accept(ctx context.Context, outer net.Conn) context.Context {
	l := &link{local: outer.LocalAddr(), remote: outer.RemoteAddr()}
	socket, err := innerConn(outer)
	if err == nil {
		err = swap(outer, l)
	}
	if err != nil {
		g.log.Error("guard a connection", slog.Any("error", err))
		if err := outer.Close(); err != nil {
			g.log.Debug("close a connection", slog.Any("error", err))
		}
		return ctx
	}
	if tcp, ok := socket.(*net.TCPConn); ok {
		// A phone that left the house says nothing; its streams must end.
		alive := net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}
		if err := tcp.SetKeepAliveConfig(alive); err != nil {
			g.log.Debug("keep a connection alive", slog.Any("error", err))
		}
	}
	c := newConn(g, socket, outer)
	life := func() {
		if g.admit(c) {
			c.serve(ctx)
		}
	}
	l.conn.Store(c)
	l.life.Store(&life)
	return ctx
}

// admit registers a connection; the one that has been a stranger for longest
// goes if there are too many.
func (g *Guard) admit(c *conn) bool {
	g.mu.Lock()
	if g.ended {
		g.mu.Unlock()
		g.shut(c, "server ends")
		return false
	}
	g.conns[c] = struct{}{}
	g.active.Add(1)
	g.mu.Unlock()
	g.thin(c, false, g.limits.strangers)
	return true
}

// verified does what is due when c has become a connection of a known controller.
func (g *Guard) verified(c *conn) {
	g.mu.Lock()
	if !g.ended {
		g.active.Go(c.tell)
	}
	g.mu.Unlock()
	if _, err := g.lib.store.Pairing(c.verifiedAs()); err != nil {
		g.shut(c, "pairing removed meanwhile")
		return
	}
	g.thin(c, true, g.limits.verified)
}

// thin closes the connections of one kind that were used least lately while there
// are more than limit; never c, and nobody in the middle of pairing.
func (g *Guard) thin(c *conn, verified bool, limit int) {
	for {
		g.pairing.mu.Lock()
		turn := g.pairing.turn
		g.pairing.mu.Unlock()
		var oldest *conn
		count := 0
		for _, other := range g.list() {
			if (other.verifiedAs() != "") != verified {
				continue
			}
			count++
			if other != c && other != turn && (oldest == nil || other.lastUsed().Before(oldest.lastUsed())) {
				oldest = other
			}
		}
		if count <= limit || oldest == nil {
			return
		}
		g.shut(oldest, "too many connections")
	}
}

// list returns the connections that are open.
func (g *Guard) list() []*conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*conn, 0, len(g.conns))
	for c := range g.conns {
		if c.isOpen() {
			list = append(list, c)
		}
	}
	return list
}

// shut closes a connection.
func (g *Guard) shut(c *conn, why string) {
	g.log.Debug("close the connection of a controller", slog.String("remote", c.remote), slog.String("why", why))
	if err := c.close(); err != nil {
		g.log.Debug("close the connection of a controller", slog.Any("error", err))
	}
}

// closeController closes the connections of a controller.
func (g *Guard) closeController(controller string) {
	for _, c := range g.list() {
		if c.verifiedAs() == controller {
			g.shut(c, "pairing removed")
		}
	}
}

// drop forgets a connection that is over.
func (g *Guard) drop(c *conn) {
	defer g.active.Done()
	g.shut(c, "over")
	g.mu.Lock()
	delete(g.conns, c)
	g.mu.Unlock()
	g.leave(c)
	g.forget(c)
	for _, ch := range g.all {
		if err := unsubscribe(ch, c.remote); err != nil {
			g.log.Error("forget a subscription", slog.Any("error", err))
		}
	}
	if g.hooks.Closed != nil {
		g.hooks.Closed(c.remote)
	}
}

// forget makes the library forget its session with c, as when c is closed.
func (g *Guard) forget(c *conn) { g.lib.http.ConnState(c.hap, http.StateClosed) }

// pass lets the library answer.
func (g *Guard) pass(r *http.Request) *answer {
	a := newAnswer()
	g.routes.ServeHTTP(a, r)
	return a
}

// serve answers a request of c.
func (g *Guard) serve(c *conn, r *http.Request) (a *answer) {
	defer func() {
		if p := recover(); p != nil {
			// The library falls over some messages; it is one connection's loss.
			g.log.Error("a HomeKit request failed", slog.String("path", r.URL.Path), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			a = newAnswer().closing()
			a.code = http.StatusInternalServerError
		}
	}()
	ctx, cancel := context.WithTimeout(r.Context(), g.limits.handle)
	defer cancel()
	r = r.WithContext(ctx)
	switch route := r.Method + " " + r.URL.Path; {
	case route == "POST /pair-setup":
		return g.pairSetup(c, r)
	case c.verifiedAs() == "" && route == "POST /pair-verify":
		return g.pairVerify(c, r)
	case c.verifiedAs() == "" && route == "POST /identify":
		return g.pass(r) // the library answers while nobody is paired
	case c.verifiedAs() == "":
		return statusAnswer(statusUnverified, hap.JsonStatusInsufficientPrivileges)
	case route == "POST /pair-verify":
		return refusal(hap.M2, hap.TlvErrorInvalidRequest).closing()
	case route == "POST /pairings":
		return g.pairings(c, r)
	case route == "PUT /prepare":
		return g.prepare(c, r)
	case route == "PUT /characteristics":
		return g.put(c, r)
	default:
		return g.pass(r)
	}
}
