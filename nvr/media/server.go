package media

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"lares/nvr"
)

// fileDescriptor is where the parent puts the file of askFile, if there is one;
// the socket is the descriptor before it.
const (
	socketDescriptor = 3
	fileDescriptor   = 4
)

// Serve is the whole of a media worker. conn is descriptor 3, the worker's end
// of the socket pair. It closes the fence (the first time it is called in a
// process it executes the program again, with the same arguments), says hello and
// answers requests until the other end is gone; then conn is closed. Call it before anything else is
// started.
func Serve(conn *os.File, c Codecs) error {
	landlock, again := fencedBefore()
	if !again {
		landlock = enterFence() // comes back only where there is no Landlock to enter
	}
	client, err := newConn(conn)
	if err != nil {
		return err
	}
	h, err := closeFence(landlock)
	if err != nil {
		return fmt.Errorf("close the fence of a media worker: %w", err)
	}
	s := &server{link: newLink(client), codecs: c}
	defer s.close()
	s.link.begin(sayHello)
	s.link.out = appendHello(s.link.out, h)
	if err := s.link.end(); err != nil {
		return err
	}
	if err := s.link.flush(); err != nil {
		return err
	}
	return s.run()
}

// server answers requests one after the other.
type server struct {
	link   *link
	codecs Codecs

	// video was made of the bytes of setup; nil where they were refused.
	video   Video
	setup   []byte
	params  *nvr.Params
	refusal error
	frame   nvr.Frame // the one that is being decoded

	sound  Sound
	format soundSetup

	h264 h264Server
}

// soundSetup is what a Sound is made by; no Opus makes AAC.
type soundSetup struct {
	SoundFormat
	opus OpusFormat
}

// run answers until the other end is gone (nil) or talks nonsense.
func (s *server) run() error {
	for {
		k, body, err := s.link.next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("next request: %w", err)
		}
		v, err := s.answer(k, &fields{rest: body})
		if err != nil {
			return fmt.Errorf("request %d: %w", k, err)
		}
		s.link.begin(sayDone)
		s.link.out = appendVerdict(s.link.out, v)
		if err := s.link.end(); err != nil {
			return err
		}
		if err := s.link.flush(); err != nil {
			return err
		}
	}
}

// answer does what was asked. An error ends the worker.
func (s *server) answer(k kind, f *fields) (verdict, error) {
	switch k {
	case askPictures:
		return s.pictures(f)
	case askStill:
		return s.still(f)
	case askSound:
		return s.encode(f, soundSetup{SoundFormat: f.format()})
	case askOpus:
		return s.encode(f, soundSetup{f.format(), f.opus()})
	case askH264:
		return s.h264.answer(s, f)
	case askFile:
		return s.file(f)
	}
	return verdict{}, errProtocol
}

func (s *server) close() {
	if s.video != nil {
		s.video.Close()
	}
	if s.sound != nil {
		s.sound.Close()
	}
	s.h264.close()
}

// refused is a verdict that says why.
func refused(err error) verdict {
	text := err.Error()
	return verdict{refused: true, payload: []byte(text[:min(len(text), maxText)])}
}

var errMissing = errors.New("this program was built without it")

// pictures decodes a batch of frames of the stream that the worker is for.
func (s *server) pictures(f *fields) (verdict, error) {
	flush, choice, setup := f.u8(), f.choice(nvr.PictureOptions{}), f.short()
	if f.bad || flush > 1 {
		return verdict{}, errProtocol
	}
	if s.setup == nil || !bytes.Equal(setup, s.setup) {
		if err := s.open(setup); err != nil {
			return verdict{}, err
		}
	}
	if s.video == nil {
		return refused(s.refusal), nil
	}
	s.video.Choose(choice.Every, choice.KeysOnly)
	if flush == 1 {
		s.video.Flush()
	}
	var v verdict
	s.frame.Params = s.params
	for len(f.rest) > 0 {
		if f.frame(&s.frame); f.bad {
			return verdict{}, errProtocol
		}
		if err := s.decode(&v, func(yield func(nvr.Grey)) error { return s.video.Decode(&s.frame, yield) }); err != nil {
			return verdict{}, err
		}
	}
	s.frame.Data = nil
	return v, nil
}

// decode sends the pictures of one frame, and counts it where it is damaged.
func (s *server) decode(v *verdict, frame func(yield func(nvr.Grey)) error) error {
	var failed error
	if err := frame(func(g nvr.Grey) { failed = errors.Join(failed, s.send(g)) }); err != nil {
		v.damaged++
	}
	return failed
}

// open sets the decoder up.
func (s *server) open(setup []byte) error {
	p, o, err := parseSetup(setup)
	if err != nil {
		return err
	}
	if s.video != nil {
		s.video.Close()
		s.video = nil
	}
	s.setup, s.params = append(s.setup[:0], setup...), p
	s.video, s.refusal = nil, errMissing
	if s.codecs.Video == nil {
		return nil
	}
	if v, err := s.codecs.Video(p, o); err != nil {
		s.refusal = err
	} else {
		s.video = v
	}
	return nil
}

// enough is how much is gathered before it is sent: a picture and the 'done'
// behind it shall go out in one write.
const enough = 256 << 10

// send puts a picture behind what is to be sent.
func (s *server) send(g nvr.Grey) error {
	if !within(g.Width, 1, maxSmall) || !within(g.Height, 1, maxSmall) || len(g.Pix) != g.Width*g.Height {
		return fmt.Errorf("picture of %dx%d with %d bytes: %w", g.Width, g.Height, len(g.Pix), nvr.ErrInvalid)
	}
	s.link.begin(sayPicture)
	s.link.out = append(appendPictureHead(s.link.out, g), g.Pix...)
	return s.sent()
}

// sent completes a message and sends what there is when it is enough.
func (s *server) sent() error {
	if err := s.link.end(); err != nil || len(s.link.out) < enough {
		return err
	}
	return s.link.flush()
}

// still makes a JPEG.
func (s *server) still(f *fields) (verdict, error) {
	p, o := f.params(), f.stillOptions()
	var frames []*nvr.Frame
	for len(f.rest) > 0 && !f.bad {
		fr := &nvr.Frame{Params: p}
		f.frame(fr)
		frames = append(frames, fr)
	}
	if f.bad || len(frames) == 0 {
		return verdict{}, errProtocol
	}
	if s.codecs.JPEG == nil {
		return refused(errMissing), nil
	}
	jpeg, err := s.codecs.JPEG(frames, o)
	if err != nil {
		return refused(err), nil
	}
	s.link.begin(sayJPEG)
	s.link.out = append(s.link.out, jpeg...)
	if err := s.sent(); errors.Is(err, errTooLong) {
		return refused(err), nil
	} else if err != nil {
		return verdict{}, err
	}
	return verdict{}, nil
}

// encode turns blocks of sound into AAC or Opus.
func (s *server) encode(f *fields, format soundSetup) (verdict, error) {
	if f.bad {
		return verdict{}, errProtocol
	}
	if s.sound == nil || format != s.format {
		if err := s.openSound(format); err != nil {
			return refused(err), nil
		}
	}
	var v verdict
	if format.opus == (OpusFormat{}) {
		v.payload = s.sound.Config()
	}
	var failed error
	for len(f.rest) > 0 && failed == nil {
		pts, data := f.i64(), f.long()
		if f.bad {
			return verdict{}, errProtocol
		}
		err := s.sound.Encode(data, pts, func(pts int64, unit []byte) {
			s.link.begin(saySound)
			s.link.out = append(binary.LittleEndian.AppendUint64(s.link.out, uint64(pts)), unit...)
			failed = errors.Join(failed, s.sent())
		})
		if err != nil {
			v.damaged++
		}
	}
	return v, failed
}

func (s *server) openSound(format soundSetup) error {
	if s.sound != nil {
		s.sound.Close()
		s.sound = nil
	}
	var sound Sound
	err := errMissing
	switch opus := format.opus != (OpusFormat{}); {
	case opus && s.codecs.Opus != nil:
		sound, err = s.codecs.Opus(format.SoundFormat, format.opus)
	case !opus && s.codecs.Sound != nil:
		sound, err = s.codecs.Sound(format.SoundFormat)
	}
	if err != nil {
		return err
	}
	s.sound, s.format = sound, format
	return nil
}

// file makes pictures of the file that the parent has opened.
func (s *server) file(f *fields) (verdict, error) {
	o := f.choice(f.size())
	if err := f.end(); err != nil || os.Getenv(envFile) == "" {
		return verdict{}, errProtocol
	}
	if s.codecs.File == nil || s.codecs.Video == nil {
		return refused(errMissing), nil
	}
	file, err := s.codecs.File(os.NewFile(fileDescriptor, "video file"))
	if err != nil {
		return refused(err), nil
	}
	defer file.Close()
	var v verdict
	for {
		fr, err := file.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = s.follow(fr.Params, o)
		}
		if err != nil {
			return refused(err), nil
		}
		if err := s.decode(&v, func(yield func(nvr.Grey)) error { return s.video.Decode(fr, yield) }); err != nil {
			return verdict{}, err
		}
		if len(s.link.out) > 0 {
			if err := s.link.flush(); err != nil {
				return verdict{}, err
			}
		}
	}
	if s.video == nil {
		return v, nil // not one frame
	}
	return v, s.decode(&v, s.video.Drain)
}

// follow sets the decoder up for the next frame of a file.
func (s *server) follow(p *nvr.Params, o nvr.PictureOptions) error {
	if s.video != nil && p == s.params {
		return nil
	}
	if s.video != nil {
		s.video.Close()
		s.video = nil
	}
	v, err := s.codecs.Video(p, o)
	if err != nil {
		return err
	}
	s.video, s.params, s.setup = v, p, nil
	return nil
}
