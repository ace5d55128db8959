package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/db"
	"lares/nvr/vault"
	"lares/recorder"
)

const (
	seekStreams  = 32 // to which the rows belong
	seekRecorded = 30 * time.Minute
	seekRate     = 3000 // kbit/s
	// What the player asks for around a time that it seeks to (ui/static/files/index.js).
	indexBack, indexAhead = time.Minute, 10 * time.Minute
	firstRange            = 2 * time.Second
)

// seek measures the server part of a random seek in footage that is really
// sealed and really opened with a session, beside many rows of other footage.
func (p *plan) seek(ctx context.Context) error {
	p.title("Playback: server part of a random seek, index of %d rows", p.rows)
	cached, err := p.largeIndex(ctx)
	if err != nil {
		return fmt.Errorf("make a large index: %w", err)
	}
	if err := copyFile(cached, p.path("index.db")); err != nil {
		return err
	}
	h, err := openArchive(ctx, p.work)
	if err != nil {
		return err
	}
	defer func() { _ = h.close() }() // the folder is thrown away
	from, err := h.record(ctx, seekRate, seekRecorded)
	if err != nil {
		return fmt.Errorf("record what is sought: %w", err)
	}
	whole, index, err := p.randomSeeks(ctx, h, from)
	if err != nil {
		return err
	}
	p.say("  a seek: p50 %.2f ms, p99 %.2f ms; of it the index: p50 %.2f ms", median(whole), quantile(whole, 0.99), median(index))
	p.bar("seek p95, ms", quantile(whole, 0.95), 20, fmt.Sprintf("%d seeks, load %s", len(whole), load()))
	bare, err := p.ranges(ctx, h.index)
	if err != nil {
		return err
	}
	p.say("  floor, the rows of ten minutes anywhere among all: p50 %.2f ms, p95 %.2f ms", median(bare), quantile(bare, 0.95))
	return nil
}

func (p *plan) randomSeeks(ctx context.Context, h *archive, from time.Time) (whole, index []float64, err error) {
	lib := h.rec.Library()
	for range p.seeks {
		at := from.Add(rand.N(seekRecorded - firstRange)) //nolint:gosec // not a secret
		start := time.Now()
		list, err := lib.Index(ctx, h.session, nvr.MediaRequest{Stream: seekStream(0), From: at.Add(-indexBack), To: at.Add(indexAhead)})
		if err != nil {
			return nil, nil, err
		}
		listed := time.Now()
		var size counter
		key := keyBefore(list, nvr.Ticks(at))
		req := nvr.MediaRequest{Stream: seekStream(0), From: nvr.TickTime(key), To: nvr.TickTime(key).Add(firstRange)}
		if err := lib.Media(ctx, h.session, req, &size); err != nil {
			return nil, nil, err
		}
		end := time.Now()
		if size == 0 {
			return nil, nil, fmt.Errorf("no pictures at %v", at)
		}
		whole = append(whole, end.Sub(start).Seconds()*1000)
		index = append(index, listed.Sub(start).Seconds()*1000)
	}
	return whole, index, nil
}

// keyBefore returns the time of the last part before at that begins with a key frame.
func keyBefore(list nvr.PlayIndex, at int64) int64 {
	key := at
	for _, part := range list.Parts {
		if part.Time > at {
			break
		}
		if part.Key() {
			key = part.Time
		}
	}
	return key
}

// counter is a writer that counts.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// ranges looks rows up that lie anywhere.
func (p *plan) ranges(ctx context.Context, x *db.Index) ([]float64, error) {
	minutes := p.rows / seekStreams
	var took []float64
	for range p.seeks {
		stream := seekStream(rand.IntN(seekStreams))                              //nolint:gosec // not a secret
		at := seekEpoch().Add(time.Duration(rand.IntN(minutes-11)) * time.Minute) //nolint:gosec // not a secret
		start := time.Now()
		rows, err := x.Range(ctx, stream, at, at.Add(indexAhead))
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return nil, fmt.Errorf("no rows at %v", at)
		}
		took = append(took, time.Since(start).Seconds()*1000)
	}
	return took, nil
}

// seekStream returns the id of a stream; the same in each run, for the cache.
func seekStream(n int) nvr.StreamID { return nvr.StreamID{0: byte(n + 1), 15: 1} }

func seekEpoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// largeIndex returns the path of an index with many rows, which is made once
// through the index itself.
func (p *plan) largeIndex(ctx context.Context) (string, error) {
	name := filepath.Join(p.cache, fmt.Sprintf("index-%d.db", p.rows))
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	began := time.Now()
	fresh := p.path("large.db")
	x, err := db.OpenIndex(ctx, fresh, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	if err := errors.Join(fill(ctx, x, p.rows/seekStreams), x.SetComplete(ctx), x.Close()); err != nil {
		return "", err
	}
	p.say("  made the index in %v; it is kept for the next run", time.Since(began).Round(time.Second))
	return name, os.Rename(fresh, name)
}

func fill(ctx context.Context, x *db.Index, minutes int) error {
	const batch = 6 * 60
	disk, vaultID := nvr.DiskID{0: 1}, nvr.VaultID{0: 1}
	for from := 0; from < minutes; from += batch {
		var rows []nvr.Segment
		for stream := range seekStreams {
			for m := from; m < min(from+batch, minutes); m++ {
				day := m / (24 * 60)
				vaultID[1], vaultID[2], vaultID[3] = byte(day), byte(day>>8), byte(stream)
				rows = append(rows, nvr.Segment{
					Stream: seekStream(stream), Start: seekEpoch().Add(time.Duration(m)*time.Minute + time.Duration(stream)*time.Second),
					Seq: uint64(m), Duration: time.Minute, Bytes: 22_500_000, Disk: disk, Vault: vaultID, Day: 10_000 + day,
				})
			}
		}
		if err := x.Add(ctx, rows...); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // read-only
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// archive is a house without cameras: databases, an owner who is logged in, and
// a recorder.
type archive struct {
	index   *db.Index
	config  *db.Config
	auth    *auth.Service
	session *auth.Session
	bus     *nvr.Bus
	rec     *recorder.Recorder
	camera  nvr.Camera
	stream  *nvr.Stream

	published int64 // bytes of pictures
}

func openArchive(ctx context.Context, dir string) (*archive, error) {
	quiet := slog.New(slog.DiscardHandler)
	footage := filepath.Join(dir, "footage")
	if err := os.MkdirAll(footage, 0o700); err != nil {
		return nil, err
	}
	h := &archive{
		bus:    nvr.NewBus(),
		camera: nvr.Camera{ID: nvr.NewID[nvr.Camera](), Name: "archive", Streams: []nvr.Source{{Stream: seekStream(0)}}},
		// All that is recorded is published at once.
		stream: nvr.NewStream(seekStream(0), nvr.StreamConfig{Window: 1 << 20, Hold: 1 << 30}),
	}
	machine, err := vault.LoadOrCreateMachineKey(filepath.Join(dir, "machine.key"))
	if err != nil {
		return nil, err
	}
	if h.index, err = db.OpenIndex(ctx, filepath.Join(dir, "index.db"), quiet); err != nil {
		return nil, err
	}
	if h.config, err = db.OpenConfig(ctx, filepath.Join(dir, "config.db"), machine, quiet); err != nil {
		return nil, err
	}
	store := auth.Store{
		PeopleStore: h.config, RosterStore: h.config, VaultStore: h.config, SessionStore: h.config,
		ThrottleStore: h.config, LogStore: h.config, SettingStore: h.config,
	}
	if h.auth, err = auth.New(ctx, auth.Config{Store: store, Machine: machine, Log: quiet}); err != nil {
		return nil, err
	}
	h.session, _, err = h.auth.Claim(ctx, auth.ClaimRequest{
		Console: true, Name: owner, Password: nvr.NewID[archive]().String(), Recovery: auth.NewRecoveryKey(),
		WaiveSecondFactor: true, Addr: "bench", Device: "bench",
	})
	if err != nil {
		return nil, err
	}
	h.rec, err = recorder.New(ctx, recorder.Config{
		Index: h.index, Gaps: h.config, Disks: h.config, Settings: h.config, Vaults: h.auth, Cameras: h, Bus: h.bus, Log: quiet,
	})
	if err != nil {
		return nil, err
	}
	return h, h.rec.AddDisk(ctx, footage)
}

func (h *archive) close() error {
	h.auth.Close()
	h.bus.Close()
	return errors.Join(h.index.Close(), h.config.Close())
}

// List implements recorder.Cameras.
func (h *archive) List() []nvr.CameraStatus { return []nvr.CameraStatus{{Camera: h.camera}} }

// Stream implements recorder.Cameras.
func (h *archive) Stream(nvr.StreamID) *nvr.Stream { return h.stream }

// record records a stream of a rate up to now and returns its begin.
func (h *archive) record(ctx context.Context, kbit int, length time.Duration) (time.Time, error) {
	if err := h.rec.Prepare(ctx); err != nil {
		return time.Time{}, err
	}
	recording, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- h.rec.Run(recording) }()
	defer stop()
	from := time.Now().Add(-length).Truncate(time.Second)
	for h.rec.Recording(seekStream(0)).Cause == nvr.CameraSwitchedOff { // not taken up yet
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return from, err
		}
	}
	h.publish(from, kbit, length)
	stop() // it takes what was published, and ends
	return from, <-done
}

// publish makes pictures of the sizes that a rate gives: a key frame takes as
// much as four of the mean, the others a little less. Their bytes are noise.
func (h *archive) publish(from time.Time, kbit int, length time.Duration) {
	const rate, gop = 15, 30
	size := kbit * 1000 / 8 / rate
	noise := make([]byte, 8*size)
	for i := range noise {
		noise[i] = byte(rand.Uint32()) //nolint:gosec // not a secret
	}
	params := &nvr.Params{
		Video: nvr.H264, Width: 1920, Height: 1080,
		SPS: []byte{0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58},
		PPS: []byte{0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0},
	}
	for n := range int(length.Seconds()) * rate {
		f := &nvr.Frame{Track: nvr.VideoTrack, Key: n%gop == 0, Run: 1, Params: params, Data: noise[:size*9/10]}
		if f.Key {
			f.Data = noise[:4*size]
		}
		f.DTS = nvr.Ticks(from) + int64(n)*nvr.ClockRate/rate
		f.PTS = f.DTS
		h.published += int64(len(f.Data))
		h.stream.Publish(f)
	}
}
