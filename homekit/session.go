package homekit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"lares/nvr"
)

// Bounds of a stream.
const (
	silence    = 30 * time.Second // without a report of the controller
	refusal    = 2 * time.Second  // with its port shut
	startLimit = 30 * time.Second // between set-up and start
	// settle is how long a viewer may take to listen after it said start: what comes
	// before is lost, and it would be the key frame.
	settle = 50 * time.Millisecond
	// firstReport is how long a remote viewer may take to open the way for packets.
	firstReport = time.Second
	// remotePacket is the packet time of sound from which on somebody watches from
	// afar: in the same network phones ask for 20 ms.
	remotePacket = 60 * time.Millisecond
	// watchWidth is the picture width below which it is a watch that asks.
	watchWidth = 640
)

// Ends of a stream.
var (
	errEnded      = errors.New("the viewer ended it")
	errSilent     = errors.New("the viewer is gone")
	errRefused    = errors.New("the viewer's port is shut")
	errNotStarted = errors.New("it was not started")
	errReplaced   = errors.New("the viewer set up another one")
	errLeft       = errors.New("the viewer's connection closed")
	errNoH264     = errors.New("the camera has no picture in H.264")
	errHouseOnly  = errors.New("the owner allows no viewers from afar")
	errPrivate    = errors.New("privacy mode is on")
)

// source is a stream of a camera that can be sent.
type source struct {
	stream        *nvr.Stream
	width, height int
}

// sources lists the streams of a camera that are H.264, largest first.
func sources(cameras Cameras, id nvr.CameraID) []source {
	var list []source
	for _, st := range cameras.List() {
		if st.Camera.ID != id {
			continue
		}
		for _, src := range st.Camera.Streams {
			stream := cameras.Stream(src.Stream)
			if stream == nil {
				continue
			}
			if p := stream.Params(); p != nil && p.Video == nvr.H264 {
				list = append(list, source{stream, p.Width, p.Height})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b source) int { return b.width*b.height - a.width*a.height })
	return list
}

// remote reports whether a viewer watches from afar, as far as that can be told.
func (s selection) remote() bool { return s.packetTime >= remotePacket }

// choose returns what a viewer gets: the smallest picture for a watch or from
// afar, else the largest that is not larger than asked for, or the largest at
// all. It returns nil for an empty list.
func (s selection) choose(list []source) *nvr.Stream {
	if len(list) == 0 {
		return nil
	}
	if s.remote() || s.width > 0 && s.width < watchWidth {
		return list[len(list)-1].stream
	}
	for _, src := range list {
		if src.width <= s.width && src.height <= s.height {
			return src.stream
		}
	}
	return list[0].stream
}

// watched is what a viewer gets of a camera.
type watched struct {
	pictures func(selection) *nvr.Stream // nil for none
	sound    *nvr.Stream                 // nil for none
	opus     Opus                        // nil for none
	muted    func() bool
	log      *slog.Logger
}

// session is one viewer's stream, from set-up to its end. Its methods may be
// called from any goroutine.
type session struct {
	id     sessionID
	remote string // the connection through which it was set up
	// controller is the pairing that watches; set before run.
	controller string
	video      *outlet
	audio      *outlet
	commands   chan selection

	once sync.Once
	quit chan struct{} // closed by end
	why  error         // set before quit is closed
}

// newSession opens the ports of a stream at local, the address of this box that
// the controller is connected to.
func newSession(e endpoints, local netip.Addr, remote string) (*session, error) {
	video, err := openOutlet(local, netip.AddrPortFrom(e.host, e.video.port), e.video.secret)
	if err != nil {
		return nil, err
	}
	audio, err := openOutlet(local, netip.AddrPortFrom(e.host, e.audio.port), e.audio.secret)
	if err != nil {
		return nil, errors.Join(err, video.close())
	}
	return &session{
		id: e.session, remote: remote, video: video, audio: audio,
		commands: make(chan selection, 4), quit: make(chan struct{}),
	}, nil
}

// end ends the stream; the first reason counts.
func (s *session) end(why error) {
	s.once.Do(func() {
		s.why = why
		close(s.quit)
	})
}

// order hands a command over. One that comes while too many wait is lost.
func (s *session) order(sel selection) {
	select {
	case s.commands <- sel:
	default:
	}
}

// run streams until the end and says why it came. begin is called with the
// command to start and says what is watched.
func (s *session) run(ctx context.Context, begin func(selection) (watched, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(s.video.listen)
	wg.Go(s.audio.listen)
	wg.Go(func() {
		select {
		case <-s.quit:
		case <-ctx.Done():
		}
		cancel()
	})
	err := s.stream(ctx, begin)
	s.end(err)
	cancel()
	err = s.close()
	wg.Wait()
	if err != nil {
		return errors.Join(s.why, err)
	}
	return s.why
}

// close closes the ports.
func (s *session) close() error { return errors.Join(s.video.close(), s.audio.close()) }

func (s *session) stream(ctx context.Context, begin func(selection) (watched, error)) error {
	sel, err := s.started(ctx)
	if err != nil {
		return err
	}
	w, err := begin(sel)
	if err != nil {
		return err
	}
	if w.opus != nil {
		defer w.opus.Close()
	}
	if err := s.opened(ctx, sel); err != nil {
		return err
	}
	s.video.params = sel.video
	if w.sound == nil || w.opus == nil {
		return s.pictures(ctx, sel, w.pictures)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		a := &audio{outlet: s.audio, opus: w.opus, muted: w.muted, log: w.log}
		a.run(ctx, w.sound, sel)
	})
	return s.pictures(ctx, sel, w.pictures)
}

// started waits for the command to start.
func (s *session) started(ctx context.Context) (selection, error) {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	for {
		select {
		case sel := <-s.commands:
			if sel.command == commandStart {
				return sel, nil
			}
		case <-limit.C:
			return selection{}, errNotStarted
		case <-ctx.Done():
			return selection{}, ctx.Err()
		}
	}
}

// opened waits until a viewer can hear: one from afar opens the way for packets
// with its first report.
func (s *session) opened(ctx context.Context, sel selection) error {
	begin := time.Now()
	if err := sleepUntil(ctx, begin.Add(settle)); err != nil {
		return err
	}
	for sel.remote() && s.video.heard.Load() == 0 && time.Since(begin) < firstReport {
		if err := sleepUntil(ctx, time.Now().Add(settle)); err != nil {
			return err
		}
	}
	return nil
}

// pictures sends pictures until the end.
func (s *session) pictures(ctx context.Context, sel selection, choose func(selection) *nvr.Stream) error {
	v := &video{outlet: s.video}
	defer v.rest()
	if err := v.take(choose(sel)); err != nil {
		return err
	}
	begin := time.Now()
	report := time.NewTicker(sel.video.reports)
	defer report.Stop()
	for {
		more, err := v.next(ctx)
		if err != nil {
			return err
		}
		ready := v.ready()
		if more {
			ready = always()
		}
		select {
		case <-ready:
		case next := <-s.commands:
			if next.command == commandReconfigure && next.width > 0 {
				sel.width, sel.height = next.width, next.height // the sound stays as it is
			}
			if err := v.obey(next.command, choose(sel)); err != nil {
				return err
			}
		case now := <-report.C:
			if err := errors.Join(v.report(now, nvr.ClockRate), v.gone(now, begin)); err != nil {
				return err
			}
			v.help()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// always is a channel that is ready.
func always() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// take makes stream what is sent. Error: errNoH264 where there is none.
func (v *video) take(stream *nvr.Stream) error {
	if stream == nil {
		return errNoH264
	}
	if v.reader == nil || v.stream != stream {
		v.watch(stream)
	}
	return nil
}

// obey follows a command to a stream that runs; chosen is what fits its viewer.
func (v *video) obey(command byte, chosen *nvr.Stream) error {
	switch command {
	case commandSuspend:
		v.rest()
	case commandResume:
		return v.take(v.stream)
	case commandReconfigure:
		return v.take(chosen)
	}
	return nil
}

// help sends what a viewer misses once more, from the newest key frame on.
func (v *video) help() {
	if v.asked.Swap(false) && v.reader != nil {
		v.watch(v.stream)
	}
}

// cause says in a word why a stream ended, for the log.
func cause(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "HomeKit stops"
	case errors.Is(err, nvr.ErrClosed):
		return "the camera is gone"
	}
	return fmt.Sprint(err)
}
