package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"lares/cmd/lares/internal/console"
	"lares/nvr"
	"lares/ui"
	"lares/ui/cert"
)

const (
	stopWithin = 10 * time.Second
	// gcPercent keeps the heap close to what lives in it: most of that is
	// frames, which hold no pointers and cost the collector little.
	gcPercent = 15
)

// serveOptions are the flags of serve.
type serveOptions struct {
	data         string
	footage      []string
	listen, http string
	names        []string
}

func (o *serveOptions) register(fs *flag.FlagSet) {
	repeated := func(to *[]string) func(string) error {
		return func(s string) error { *to = append(*to, s); return nil }
	}
	fs.Func("footage", "folder for footage; may be repeated: streams are spread over all", repeated(&o.footage))
	fs.StringVar(&o.listen, "listen", "", "address of the web page (default :8443, or the port that was free before)")
	fs.StringVar(&o.http, "http", "", "address that leads browsers to the web page (default :8080)")
	fs.Func("name", "further name or private address of this box; may be repeated", repeated(&o.names))
}

func (p *program) serve(ctx context.Context, args []string) error {
	var o serveOptions
	fs := p.flags("serve", &o.data)
	o.register(fs)
	if words, err := parse(fs, args); err != nil {
		return err
	} else if len(words) > 0 {
		return usageError{fmt.Sprintf("unexpected %q", words[0])}
	}
	if err := giveFolders(append(o.footage, o.data)...); err != nil {
		return err
	}
	h, err := openHouse(ctx, o.data, p.logger())
	if err != nil {
		return err
	}
	return errors.Join(p.live(ctx, h, o, p.greet), h.close())
}

// logger writes to standard error, which is the journal or the container's log.
func (p *program) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// live runs the house until ctx ends. greet is called when the page can be opened.
func (p *program) live(ctx context.Context, h *house, o serveOptions, greet func(context.Context, *house, address) error) error {
	debug.SetGCPercent(gcPercent)
	if err := h.addFootage(ctx, o.footage); err != nil {
		return err
	}
	if err := h.rec.Prepare(ctx); err != nil {
		return err
	}
	web, err := h.web(ctx, o)
	if err != nil {
		return err
	}
	control, err := console.Listen(h.path(socketName))
	if err != nil {
		return errors.Join(err, web.close())
	}
	group, ctx := errgroup.WithContext(ctx)
	recording, stopRecording := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return h.rec.Run(recording) })
	group.Go(func() error { return web.run(ctx) })
	group.Go(func() error { return h.home.Run(ctx) })
	group.Go(func() error { return console.Serve(ctx, control, console.Handler(h.console(true))) })
	group.Go(func() error { return h.backups().Run(ctx) })
	group.Go(func() error { return h.devices.Run(ctx) })
	group.Go(func() error { return h.watchdog(ctx) })
	group.Go(func() error { return greet(ctx, h, web.address) })
	group.Go(func() error {
		// The recorder stops last: it takes what the cameras still sent. They stop
		// after the search for motion: the events that end with it lie beside footage.
		defer stopRecording()
		sources, ctx := errgroup.WithContext(ctx)
		pulling, stopPulling := context.WithCancel(context.WithoutCancel(ctx))
		sources.Go(func() error {
			defer stopPulling()
			return h.watch.Run(ctx)
		})
		sources.Go(func() error { return h.fleet.Run(pulling) })
		return sources.Wait()
	})
	done := make(chan error, 1)
	go func() { done <- group.Wait() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		h.notify(notifyStopping)
	}
	select {
	case err := <-done:
		return err
	case <-time.After(stopWithin):
		return errors.New("not everything ended in time")
	}
}

// address is where the page is: the best way to reach it first, from the box
// itself last.
type address struct {
	urls        []string
	fingerprint string
	port        int
}

// webServer is the HTTPS page and the plain port that leads to it.
type webServer struct {
	address
	secure, plain net.Listener
	servers       [2]*http.Server
	cert          *cert.Manager
}

func (h *house) web(ctx context.Context, o serveOptions) (*webServer, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("ask for the name of this box: %w", err)
	}
	certs, err := cert.New(ctx, cert.Config{Store: sealedSettings{h}, Hostname: hostname, Names: o.names, Log: h.log})
	if err != nil {
		return nil, err
	}
	server, err := ui.New(ui.Config{
		Auth: h.auth, Cameras: h.fleet, Control: h.fleet, Recordings: h.rec.Library(),
		Status: h.rec, Cert: certs, Log: h.log, Protection: h.protection,
		Events: h.rec.Library(), Detection: h.watch, Bus: h.bus,
		Erasure: h.rec, Evidence: h.rec, SegmentKeys: h.rec.Library(), Devices: h.devices, Stills: h.workers.stills, HomeKit: h.home, Privacy: h.fleet,
	})
	if err != nil {
		return nil, err
	}
	w := &webServer{cert: certs}
	if w.secure, err = h.listen(ctx, "web.listen", o.listen, 8443); err != nil {
		return nil, err
	}
	if w.plain, err = h.listen(ctx, "web.http", o.http, 8080); err != nil {
		return nil, errors.Join(err, w.secure.Close())
	}
	at, ok := w.secure.Addr().(*net.TCPAddr)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listen on %v: %w", w.secure.Addr(), nvr.ErrInvalid), w.close())
	}
	w.port = at.Port
	w.urls = pageURLs(at, certs.Names())
	w.fingerprint = certs.Fingerprint()
	errorLog := slog.NewLogLogger(h.log.Handler(), slog.LevelDebug)
	const headers = 10 * time.Second
	w.servers = [2]*http.Server{
		{Handler: server, TLSConfig: certs.TLS(), ReadHeaderTimeout: headers, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: errorLog},
		{Handler: certs.Plain(w.port), ReadHeaderTimeout: headers, ReadTimeout: headers, WriteTimeout: headers, MaxHeaderBytes: 16 << 10, ErrorLog: errorLog},
	}
	return w, nil
}

// pageURLs lists how the page is reached: by the address that it listens on, or,
// where that is all of them, by the addresses of the box, then its names.
func pageURLs(at *net.TCPAddr, names []string) []string {
	url := func(host string) string { return "https://" + net.JoinHostPort(host, strconv.Itoa(at.Port)) + "/" }
	if !at.IP.IsUnspecified() {
		return []string{url(at.IP.String())}
	}
	var addresses, others []string
	for _, name := range names {
		ip := net.ParseIP(name)
		switch {
		case ip.To4() != nil && !ip.IsLoopback():
			addresses = append(addresses, url(name))
		case ip == nil && name != "localhost":
			others = append(others, url(name))
		}
	}
	return append(append(addresses, others...), url("localhost"))
}

// run serves until ctx ends; then running answers end with it.
func (w *webServer) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, listener := range []net.Listener{w.secure, w.plain} {
		server := w.servers[i]
		server.BaseContext = func(net.Listener) context.Context { return ctx }
		group.Go(func() error {
			var err error
			if server.TLSConfig != nil {
				err = server.ServeTLS(listener, "", "")
			} else {
				err = server.Serve(listener)
			}
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return fmt.Errorf("serve the web page: %w", err)
		})
		group.Go(func() error {
			<-ctx.Done()
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin/5)
			defer cancel()
			if server.Shutdown(grace) != nil {
				return server.Close()
			}
			return nil
		})
	}
	group.Go(func() error { return w.cert.Run(ctx) })
	return group.Wait()
}

func (w *webServer) close() error { return errors.Join(w.secure.Close(), w.plain.Close()) }

// listen opens a port. One that the user chose must be free. Else it is the one
// that was used last, or the default, or the next one that is free, which is kept.
func (h *house) listen(ctx context.Context, key, chosen string, port int) (net.Listener, error) {
	var config net.ListenConfig
	if chosen != "" {
		l, err := config.Listen(ctx, "tcp", chosen)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", chosen, err)
		}
		return l, nil
	}
	kept, err := h.config.Setting(ctx, key)
	if err == nil {
		if n, err := strconv.Atoi(string(kept)); err == nil {
			port = n
		}
	} else if !errors.Is(err, nvr.ErrNotFound) {
		return nil, err
	}
	const tries = 50
	for n := port; n < port+tries; n++ {
		l, err := config.Listen(ctx, "tcp", ":"+strconv.Itoa(n))
		if err != nil {
			h.log.WarnContext(ctx, "port is taken, trying the next one", slog.Int("port", n))
			continue
		}
		return l, h.config.SetSetting(ctx, key, []byte(strconv.Itoa(n)))
	}
	return nil, fmt.Errorf("no free port between %d and %d: stop another program or choose one with --listen", port, port+tries)
}

// sealedSettings keeps secrets of the box in config.db, sealed with the machine key.
type sealedSettings struct{ h *house }

func (s sealedSettings) Load(ctx context.Context, name string) ([]byte, error) {
	sealed, err := s.h.config.Setting(ctx, name)
	if err != nil {
		return nil, err
	}
	return s.h.machine.Open("setting/"+name, sealed)
}

func (s sealedSettings) Save(ctx context.Context, name string, data []byte) error {
	return s.h.config.SetSetting(ctx, name, s.h.machine.Seal("setting/"+name, data))
}
