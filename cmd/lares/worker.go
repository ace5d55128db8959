package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"lares/motion/decode"
	"lares/motion/watch"
	"lares/nvr"
	"lares/nvr/camera"
	"lares/nvr/media"
)

// workerName is the argument with which this program is started as a media worker.
const workerName = "media-worker"

// mediaWorker is the whole life of a media worker: it decodes what cameras send,
// behind a fence and away from keys, files and sockets.
func mediaWorker(stderr io.Writer) int {
	const socket = 3
	codecs := media.Codecs{
		Video: func(p *nvr.Params, o nvr.PictureOptions) (media.Video, error) {
			v, err := decode.NewVideo(p, o)
			if err != nil {
				return nil, err // and no pointer that is nil in an interface that is not
			}
			return v, nil
		},
		JPEG: decode.JPEG,
		Sound: func(f media.SoundFormat) (media.Sound, error) {
			s, err := decode.NewSound(decode.SoundFormat(f))
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		Opus: func(f media.SoundFormat, o media.OpusFormat) (media.Sound, error) {
			s, err := decode.NewOpus(decode.SoundFormat(f), decode.OpusFormat(o))
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		H264: func(p *nvr.Params, o nvr.H264Options) (media.H264, error) {
			t, err := decode.NewTranscoder(p, o)
			if err != nil {
				return nil, err
			}
			return t, nil
		},
		File: func(f *os.File) (media.File, error) {
			v, err := decode.OpenFile(f)
			if err != nil {
				return nil, err
			}
			return v, nil
		},
	}
	if err := media.Serve(os.NewFile(socket, "media"), codecs); err != nil {
		fmt.Fprintln(stderr, "media worker:", err)
		return exitWrong
	}
	return exitGood
}

// workers are the media workers of the house: one per camera, for motion and
// sound, and one for stills.
type workers struct {
	log    *slog.Logger
	stills *media.Worker

	mu      sync.Mutex // guards what follows
	cameras map[nvr.CameraID]*media.Worker
	subs    map[nvr.CameraID]*media.Worker // for the sound of small pictures
}

func newWorkers(log *slog.Logger) *workers {
	return &workers{
		log:     log,
		stills:  media.NewWorker(media.WorkerConfig{Name: "stills", Log: log, Idle: media.StillsIdle}),
		cameras: make(map[nvr.CameraID]*media.Worker),
		subs:    make(map[nvr.CameraID]*media.Worker),
	}
}

// camera returns the worker of a camera. Its process starts when it is used and
// ends when it is not.
func (w *workers) camera(id nvr.CameraID) *media.Worker {
	return w.worker(w.cameras, id, id.String())
}

// sound returns what converts the sound of a stream. A worker remembers one
// sound only, so that of the small picture has a worker of its own.
func (w *workers) sound(id nvr.CameraID, q nvr.Quality) camera.Transcoder {
	if q == nvr.Main {
		return transcoder{w.camera(id)}
	}
	return transcoder{w.worker(w.subs, id, id.String()+" "+q.String())}
}

// worker returns the worker of a camera out of one of the maps.
func (w *workers) worker(of map[nvr.CameraID]*media.Worker, id nvr.CameraID, name string) *media.Worker {
	const idle = time.Minute
	w.mu.Lock()
	defer w.mu.Unlock()
	worker := of[id]
	if worker == nil {
		worker = media.NewWorker(media.WorkerConfig{Name: name, Log: w.log, Idle: idle})
		of[id] = worker
	}
	return worker
}

func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, of := range []map[nvr.CameraID]*media.Worker{w.cameras, w.subs} {
		for _, worker := range of {
			worker.Close()
		}
	}
	w.stills.Close()
}

// transcoder is a worker as a camera's sound sees it.
type transcoder struct{ worker *media.Worker }

func (t transcoder) Sound(ctx context.Context, f camera.SoundFormat, blocks []camera.SoundBlock, yield func(int64, []byte)) ([]byte, error) {
	sound := make([]media.SoundBlock, len(blocks))
	for i, b := range blocks {
		sound[i] = media.SoundBlock(b)
	}
	return t.worker.Sound(ctx, media.SoundFormat{Codec: f.Codec, Rate: f.Rate, Channels: f.Channels}, sound, yield)
}

// decoder is a camera's worker as the search for motion sees it, which shares
// it with the sound: it is not its to close.
type decoder struct{ *media.Worker }

func (d decoder) Fence() string { return d.Status().Fence.Reduced }
func (d decoder) Close()        { d.Reset() }

// watcher returns the search for motion of the house.
func (h *house) watcher() *watch.Service {
	return watch.New(watch.Config{
		Cameras: h.fleet, Store: h.rec, Bus: h.bus, Stills: h.workers.stills, Log: h.log,
		Worker: func(id nvr.CameraID) watch.Pictures { return decoder{h.workers.camera(id)} },
	})
}
