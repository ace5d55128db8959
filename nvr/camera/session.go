package camera

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"lares/nvr"
	"lares/nvr/egress"
)

const (
	answerTimeout = 10 * time.Second
	writeTimeout  = 4 * time.Second // so that a dead camera does not hold up the end
	// partWithin is how long a camera may take to hear that it is left: privacy
	// mode ends the connection within a second.
	partWithin = 700 * time.Millisecond
	// frozenAfter is how long a camera may send no picture.
	frozenAfter = 10 * time.Second
	// datagramBuffer is asked of the kernel for UDP: a key frame of 4K video.
	datagramBuffer = 2 << 20
)

// session is one connection to a camera for one stream, from dialling to the
// end. It is made for one run.
type session struct {
	camera nvr.Camera
	source nvr.Source
	feed   *Feed
	clock  sourceClock
	// ready is called when the camera has answered DESCRIBE; began when a run
	// has begun; pinned with the certificate of an rtsps camera, once the camera
	// has answered behind it. All may be nil; none may wait.
	ready, began func()
	pinned       func(pin []byte)
	// house says what is dialled; nil is the narrowest rule.
	house *egress.Guard
	// noSound leaves the sound out: the camera failed over it before.
	noSound bool
	// transcodes: sound that is not AAC is of use. convert turns it into AAC; nil
	// leaves it out without a word.
	transcodes bool
	convert    *converter
	// patience is how long the camera may send no picture, or not answer the TLS
	// handshake; frozenAfter if 0.
	patience time.Duration

	client *gortsplib.Client

	mu      sync.Mutex
	conn    net.Conn // as dialled, below TLS
	answers answers
	seen    []byte // certificate of this connection
	video   *videoTrack
	units   *depacketizer
	collect collector
	sound   *soundTrack
	mixed   bool  // packets of another session came
	broken  error // a callback panicked
	unsound bool  // the camera did not hand the sound over
}

// run connects and publishes until the connection ends or ctx does. It returns
// why; never nil.
func (s *session) run(ctx context.Context) error {
	target, err := s.target()
	if err != nil {
		return err
	}
	s.prepare(target)
	if err := s.client.Start2(); err != nil {
		return fmt.Errorf("start client: %w", err)
	}
	// Close waits for the client's goroutines, so it must not be called from a callback.
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.hurry()
		s.takeCollected()
		s.client.Close()
		close(closed)
	})
	defer func() {
		if stop() {
			s.client.Close()
			return
		}
		<-closed
	}()
	if err := s.open(ctx, target); err != nil {
		return s.reason(ctx, err)
	}
	return s.reason(ctx, s.watch(ctx))
}

// target is the address of the stream with the credentials, for gortsplib only:
// it gives them to a server that asks and puts them into no request line.
func (s *session) target() (*base.URL, error) {
	if err := CheckURL(s.source.URL); err != nil {
		return nil, err
	}
	target, err := base.ParseURL(s.source.URL)
	if err != nil {
		return nil, fmt.Errorf("address of the stream: %w", nvr.ErrInvalid)
	}
	if s.camera.User != "" {
		target.User = url.UserPassword(s.camera.User, s.camera.Password.Reveal())
	}
	return target, nil
}

func (s *session) prepare(target *base.URL) {
	s.answers = answers{
		host: target.Hostname(), secure: target.Scheme == "rtsps",
		wantSound: s.camera.Audio && !s.noSound, converts: s.transcodes, timeout: defaultSessionTimeout,
	}
	transport := gortsplib.TransportTCP
	if s.camera.Transport == nvr.UDP {
		transport = gortsplib.TransportUDP
	}
	s.client = &gortsplib.Client{
		Scheme: target.Scheme, Host: target.Host, Transport: &transport,
		ReadTimeout: answerTimeout, WriteTimeout: writeTimeout,
		UDPReadBufferSize: datagramBuffer, UserAgent: "Lares",
		TLSConfig:   s.tlsConfig(),
		DialContext: s.dial,
		OnRequest: func(req *base.Request) {
			s.guard(func() { s.answers.request(req) })
		},
		OnResponse: func(res *base.Response) {
			s.guard(func() { s.answer(res) })
		},
		// gortsplib knows OPTIONS only and ends the connection over anything else
		// that a camera asks; all of it is answered the same.
		OnServerRequest:   func(req *base.Request) { req.Method = base.Options },
		OnServerResponse:  func(*base.Response) {},
		OnTransportSwitch: func(error) {},
		OnPacketsLost:     func(uint64) {},
		OnDecodeError: func(err error) {
			// gortsplib keeps to the first SSRC that it hears and has no type for this error.
			if strings.Contains(err.Error(), "wrong SSRC") {
				s.guard(func() { s.mixed = true })
			}
		},
	}
}

// guard runs a callback of gortsplib under the lock. A panic in it ends the
// connection and not the program: it would be in a goroutine of gortsplib.
func (s *session) guard(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		if r := recover(); r != nil && s.broken == nil {
			s.broken = fmt.Errorf("%w in a callback: %v\n%s", errPanic, r, debug.Stack())
		}
	}()
	if s.broken == nil {
		f()
	}
}

// dial connects to the camera's own host and to no other.
func (s *session) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil || !strings.EqualFold(host, s.answers.host) {
		return nil, errForeignHost
	}
	conn, err := s.house.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	// gortsplib sets no deadline for the TLS handshake.
	if err := conn.SetReadDeadline(time.Now().Add(cmp.Or(s.patience, answerTimeout))); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = conn
	return newCameraConn(conn), nil
}

// hurry ends what waits for the camera, for the end of the session.
func (s *session) hurry() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.SetDeadline(time.Now().Add(partWithin)) // fails if it is closed: then nothing waits
	}
}

// takeCollected gives the reader time for what waits in the kernel: pictures
// that the camera has sent.
func (s *session) takeCollected() {
	s.mu.Lock()
	waits := s.collect.least > 0
	s.collect.end()
	s.mu.Unlock()
	if waits {
		<-time.After(collectFor) // nobody says when the reader has caught up
	}
}

// tlsConfig checks the camera's certificate against the one it showed first.
// Cameras sign their own, so there is nothing else to check it against.
func (s *session) tlsConfig() *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection pins the certificate instead
		MinVersion:         tls.VersionTLS12,
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errPinned
			}
			sum := sha256.Sum256(state.PeerCertificates[0].Raw)
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.source.Pin) > 0 && subtle.ConstantTimeCompare(s.source.Pin, sum[:]) != 1 {
				return errPinned
			}
			s.seen = sum[:]
			return nil
		},
	}
}

// answer repairs an answer; the first one shows that the camera holds the key
// of its certificate.
func (s *session) answer(res *base.Response) {
	if !s.answers.answered {
		s.answers.answered = true
		_ = s.conn.SetReadDeadline(time.Time{}) // fails if it is closed: the reader says so
	}
	if s.seen != nil && len(s.source.Pin) == 0 {
		s.source.Pin = s.seen
		if s.pinned != nil {
			s.pinned(s.seen)
		}
	}
	s.answers.response(res)
}

// open asks for the stream and sets up what is to be recorded of it.
func (s *session) open(ctx context.Context, target *base.URL) error {
	desc, _, err := s.client.Describe(target)
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	if s.ready != nil {
		s.ready()
	}
	media, notes := s.prepareSound(ctx, desc.Medias)
	s.mu.Lock()
	err = s.makeTracks(len(media))
	s.mu.Unlock()
	if err != nil {
		return err
	}
	for i, m := range media {
		if _, err := s.client.Setup(desc.BaseURL, m, 0, 0); err != nil {
			if i == 0 {
				return fmt.Errorf("set up pictures: %w", err)
			}
			// The connection may be gone as well, then Play says so.
			s.guard(func() { s.unsound = true; s.video.withoutSound() })
			notes = append(notes, soundless)
			continue
		}
		s.listen(m, i == 0)
	}
	s.feed.setNotes(notes)
	if _, err := s.client.Play(nil); err != nil {
		return fmt.Errorf("play: %w", err)
	}
	if s.camera.Transport == nvr.TCP {
		s.mu.Lock()
		s.collect = collector{conn: s.conn, since: s.clock().mono} // not before: answers are short
		s.mu.Unlock()
	}
	return nil
}

const soundless = "sound is not recorded: the camera did not hand it over"

// prepareSound finds out what sound becomes that has to be converted, because
// the first picture says so. It returns the media that are of use, pictures
// first, and what is left out.
func (s *session) prepareSound(ctx context.Context, media []*description.Media) ([]*description.Media, []string) {
	s.mu.Lock()
	sound, notes := s.answers.offer.sound, slices.Clone(s.answers.offer.notes)
	s.mu.Unlock()
	if s.noSound {
		notes = append(notes, soundless)
	}
	if len(media) < 2 || !sound.converted() {
		return media, notes
	}
	if s.convert == nil {
		return media[:1], notes
	}
	format, ok := s.convert.open(ctx, sound.heard.SoundFormat)
	if !ok {
		return media[:1], append(notes, unconverted)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sound.sound = format
	return media, notes
}

// makeTracks makes what takes the packets of n media: pictures, then sound.
func (s *session) makeTracks(n int) error {
	o := &s.answers.offer
	if o.video == nil || n == 0 {
		return fmt.Errorf("describe: %w", unfitError{o.unfit})
	}
	s.video = &videoTrack{
		feed: s.feed, codec: o.video.codec, clock: s.clock, began: s.began, heard: s.clock().mono,
	}
	if n > 1 {
		s.video.sound = o.sound
	}
	s.video.takeSets(o.video.sets)
	s.units = newDepacketizer(o.video.codec, func(u unit) {
		s.video.accept(u)
		s.collect.look(s.video.heard, len(u.data), s.feed.stream.Watched())
	})
	if n < 2 {
		return nil
	}
	sound, err := newSoundTrack(s.feed, o.sound, s.clock, &s.video.timeline, s.convert)
	if err != nil {
		return fmt.Errorf("set up sound: %w", err)
	}
	s.sound = sound
	return nil
}

func (s *session) listen(media *description.Media, video bool) {
	take := func(p *rtp.Packet) { s.units.push(p) }
	if !video {
		take = func(p *rtp.Packet) { s.sound.push(p) }
	}
	s.client.OnPacketRTP(media, media.Formats[0], func(p *rtp.Packet) {
		s.guard(func() { take(p) })
	})
	s.client.OnPacketRTCP(media, func(p rtcp.Packet) {
		if sr, ok := p.(*rtcp.SenderReport); ok {
			s.guard(func() { s.takeReport(sr, video) })
		}
	})
}

func (s *session) takeReport(sr *rtcp.SenderReport, video bool) {
	r := report{ntp: fromNTP(sr.NTPTime), stamp: sr.RTPTime, at: s.clock()}
	if video {
		s.video.timeline.reports.add(r, nvr.ClockRate)
	} else if s.sound != nil {
		s.sound.reports.add(r, s.sound.medium.clock)
	}
}

// fromNTP converts from seconds since 1900 in 32.32 fixed point (RFC 3550 section 4).
func fromNTP(ntp uint64) time.Time {
	const toUnix = 2208988800
	return time.Unix(int64(ntp>>32)-toUnix, int64(ntp&0xFFFFFFFF)*1e9>>32)
}

// watch waits for the end of the connection. A camera that sends no pictures
// is as good as gone.
func (s *session) watch(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.client.Wait() }() // ends with the client, which run closes
	patience := cmp.Or(s.patience, frozenAfter)
	tick := time.NewTicker(patience / 10)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			s.mu.Lock()
			now := s.clock().mono
			s.collect.look(now, 0, s.feed.stream.Watched())
			frozen := now-s.video.heard > patience
			broken := s.broken
			s.mu.Unlock()
			if broken != nil {
				return broken
			}
			if frozen {
				return errFrozen
			}
		}
	}
}

// reason prefers what we know about an error over what gortsplib says.
func (s *session) reason(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken != nil:
		return s.broken
	case s.answers.refusal != nil:
		return s.answers.refusal
	case err == nil:
		return errors.New("the connection ended")
	}
	return err
}

// circumstances returns what explains an error of this session.
func (s *session) circumstances() circumstances {
	s.mu.Lock()
	defer s.mu.Unlock()
	return circumstances{
		offered: s.answers.offered, accepted: s.answers.accepted,
		secure: s.answers.secure, answered: s.answers.answered,
		known: s.camera.User != "", mixed: s.mixed, timeout: s.answers.timeout,
	}
}

// soundFailed reports whether the camera did not hand the sound over.
func (s *session) soundFailed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unsound
}

// described reports whether the camera has said what it offers.
func (s *session) described() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers.described
}
