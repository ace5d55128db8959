package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"lares/motion/decode"
	"lares/motion/watch"
	"lares/nvr"
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
		JPEG:  decode.JPEG,
		Sound: func(f media.SoundFormat) (media.Sound, error) {
			s, err := decode.NewSound(f.Codec, f.Rate, f.Channels)
			if err != nil {
				return nil, err
			}
			return s, nil
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

	mu      sync.Mutex // guards cameras
	cameras map[nvr.CameraID]*media.Worker
}

func newWorkers(log *slog.Logger) *workers {
	const idle = 30 * time.Second
	return &workers{
		log:     log,
		stills:  media.NewWorker(media.WorkerConfig{Name: "stills", Log: log, Idle: idle}),
		cameras: make(map[nvr.CameraID]*media.Worker),
	}
}

// camera returns the worker of a camera. Its process starts when it is used and
// ends when it is not.
func (w *workers) camera(id nvr.CameraID) *media.Worker {
	const idle = time.Minute
	w.mu.Lock()
	defer w.mu.Unlock()
	worker := w.cameras[id]
	if worker == nil {
		worker = media.NewWorker(media.WorkerConfig{Name: id.String(), Log: w.log, Idle: idle})
		w.cameras[id] = worker
	}
	return worker
}

func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, worker := range w.cameras {
		worker.Close()
	}
	w.stills.Close()
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
