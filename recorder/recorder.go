package recorder

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"lares/nvr"
)

// Vaults gives the keys to seal to and destroys them. nvr/auth implements it.
type Vaults interface {
	// CurrentVault returns the vault of a camera for the UTC day of a time. Errors: nvr.ErrNoOwner.
	CurrentVault(ctx context.Context, camera nvr.CameraID, at time.Time) (nvr.Recipient, error)
	// VaultInForce reports whether footage may still be sealed to a vault that
	// CurrentVault returned. It does no I/O and may be called at each key frame.
	VaultInForce(camera nvr.CameraID, id nvr.VaultID) bool
	// NewVault returns a fresh vault of a camera and UTC day to seal keys of that
	// day to once more. The one that CurrentVault returned is in force no more.
	NewVault(ctx context.Context, camera nvr.CameraID, at time.Time) (nvr.Recipient, error)
	// DestroyVault erases the key of a vault everywhere, so that nothing that
	// was sealed to it can be opened again.
	DestroyVault(ctx context.Context, id nvr.VaultID) error
}

// Cameras tells what there is to record. camera.Fleet implements it. A
// nvr.CameraChanged event on the bus says that the list changed.
type Cameras interface {
	List() []nvr.CameraStatus
	Stream(id nvr.StreamID) *nvr.Stream
}

// Config is what a Recorder works with. All fields are required but the last.
type Config struct {
	Index    Index
	Gaps     Gaps
	Disks    Disks
	Settings Settings
	Ledger   Ledger
	Vaults   Vaults
	Cameras  Cameras
	Bus      *nvr.Bus
	Log      *slog.Logger
	// RetentionDays is how many days of the box footage is kept where the
	// camera says nothing else; 14 if 0.
	RetentionDays int
}

const defaultRetention = 14

// errNoDisk: no footage path can be written.
var errNoDisk = errors.New("no footage path can be written")

// Recorder records all streams. See the package comment.
type Recorder struct {
	index    Index
	gaps     Gaps
	store    Disks
	settings Settings
	ledger   Ledger
	vaults   Vaults
	cameras  Cameras
	bus      *nvr.Bus
	log      *slog.Logger
	keepDays int
	boot     [16]byte
	began    time.Time
	age      *age
	tidy     sync.Mutex    // held while rows and files are brought in step
	deciding sync.Mutex    // held while footage is deleted or kept for somebody; before tidy
	doubt    chan struct{} // a disk came into use: index and files are to be compared

	mu      sync.Mutex // guards what follows, up to seqMu
	disks   map[nvr.DiskID]*disk
	writers map[nvr.StreamID]*running
	places  map[nvr.StreamID]*disk
	// unlisted holds the disks that may have footage which the index does not
	// know yet.
	unlisted map[nvr.DiskID]struct{}
	leftover bool // the garbage list is not empty
	undone   bool // somebody's deletion is not done
	scenes   map[nvr.CameraID]*scene
	quieted  map[nvr.StreamID]int // box day up to which quiet footage was deleted

	seqMu sync.Mutex // guards seqs, also while a block is set aside
	seqs  map[nvr.StreamID]seqBlock
}

// running is a writer with the means to end it.
type running struct {
	*writer
	cancel context.CancelFunc
	done   chan struct{}
}

// New returns a recorder over the footage paths that the store lists.
func New(ctx context.Context, cfg Config) (*Recorder, error) {
	if cfg.RetentionDays == 0 {
		cfg.RetentionDays = defaultRetention
	}
	boxAge, err := loadAge(ctx, cfg.Settings, systemClock())
	if err != nil {
		return nil, err
	}
	r := &Recorder{
		index: cfg.Index, gaps: cfg.Gaps, store: cfg.Disks, settings: cfg.Settings, ledger: cfg.Ledger, vaults: cfg.Vaults,
		cameras: cfg.Cameras, bus: cfg.Bus, log: cfg.Log, keepDays: cfg.RetentionDays,
		boot: [16]byte(nvr.NewID[Recorder]()), began: time.Now(), age: boxAge,
		disks: make(map[nvr.DiskID]*disk), writers: make(map[nvr.StreamID]*running),
		places: make(map[nvr.StreamID]*disk), seqs: make(map[nvr.StreamID]seqBlock),
		unlisted: make(map[nvr.DiskID]struct{}), doubt: make(chan struct{}, 1),
		scenes: make(map[nvr.CameraID]*scene), quieted: make(map[nvr.StreamID]int),
	}
	disks, err := cfg.Disks.Disks(ctx)
	if err != nil {
		return nil, fmt.Errorf("list footage paths: %w", err)
	}
	for _, d := range disks {
		r.adopt(d, cfg.Index.Fresh())
	}
	return r, nil
}

// adopt takes a disk into use; unlisted says that the index may not know what
// is on it.
func (r *Recorder) adopt(d nvr.Disk, unlisted bool) {
	added := newDisk(d, r.index, r.log)
	added.onState = r.diskState
	r.mu.Lock()
	defer r.mu.Unlock()
	r.disks[d.ID] = added
	if unlisted {
		r.unlisted[d.ID] = struct{}{}
	}
}

// diskState tells the house that a footage path came or went.
func (r *Recorder) diskState(_ *disk, old, state nvr.DiskState, detail string) {
	kind := nvr.DiskDown
	if state == nvr.DiskOK {
		kind = nvr.DiskUp
		if old != nvr.DiskNoRoom {
			select {
			case r.doubt <- struct{}{}:
			default:
			}
		}
	}
	r.bus.Publish(nvr.Event{Kind: kind, Source: "recorder", Start: time.Now(), Detail: detail})
}

// AddDisk makes an existing folder a footage path. One that is a footage path
// already keeps its identity and what is on it, also when it comes from another
// Lares or has moved. Before Run only. Errors: nvr.ErrInvalid and
// nvr.ErrCorrupt where its identity cannot be read.
func (r *Recorder) AddDisk(ctx context.Context, path string) error {
	for _, d := range r.list() {
		if d.Path == path {
			return nil // the probe says whether it is the right one
		}
	}
	id, err := claimDisk(path, time.Now())
	if err != nil {
		return err
	}
	d := nvr.Disk{ID: id.Disk, Path: path}
	known := r.disk(id.Disk)
	if known != nil {
		d.Quota = known.Quota
	}
	if err := r.store.SaveDisk(ctx, d); err != nil {
		return fmt.Errorf("save footage path: %w", err)
	}
	r.adopt(d, known == nil || r.index.Fresh())
	return nil
}

func (r *Recorder) disk(id nvr.DiskID) *disk {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.disks[id]
}

func (r *Recorder) list() []*disk {
	r.mu.Lock()
	defer r.mu.Unlock()
	disks := make([]*disk, 0, len(r.disks))
	for _, d := range r.disks {
		disks = append(disks, d)
	}
	return disks
}

// Prepare recovers what the last run left behind. It is quick: it looks at the
// open files only. Call it once, before Run and before the cameras start.
func (r *Recorder) Prepare(ctx context.Context) error {
	for _, d := range r.list() {
		d.probe(ctx) // recovers its open files when it is there
	}
	if err := r.finishGarbage(ctx); err != nil {
		r.log.Error("delete what was discarded", slog.Any("err", err)) // no reason not to record
	}
	r.takeUp(ctx)
	return ctx.Err()
}

// Run records until ctx ends. It then finishes all open segments and makes them durable.
func (r *Recorder) Run(ctx context.Context) error {
	disksCtx, stopDisks := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDisks()
	var disks errgroup.Group
	for _, d := range r.list() {
		disks.Go(func() error { return d.run(disksCtx) })
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.manage(ctx) })
	group.Go(func() error { return r.retain(ctx) })
	group.Go(func() error { return r.reconcile(ctx) })
	err := group.Wait()
	stopDisks() // only now: the writers' last segments are finished
	return errors.Join(err, disks.Wait())
}

// manage keeps one writer for each stream.
func (r *Recorder) manage(ctx context.Context) error {
	news := r.bus.Subscribe()
	defer news.Close()
	defer r.stopAll()
	r.update(ctx)
	for {
		e, missed, err := news.Next(ctx)
		if err != nil {
			return nil //nolint:nilerr // the bus or the context ended: a normal stop
		}
		if e.Kind == nvr.CameraChanged || missed > 0 {
			r.update(ctx)
		}
	}
}

// update starts writers for new streams and ends those of streams that went.
func (r *Recorder) update(ctx context.Context) {
	wanted, there := make(map[nvr.StreamID]bool), make(map[nvr.CameraID]bool)
	for _, status := range r.cameras.List() {
		there[status.Camera.ID] = true
		if status.Camera.Disabled {
			continue
		}
		r.tell(status.Camera.ID, func(s *scene) { s.mode = status.Camera.Record })
		for _, source := range status.Camera.Streams {
			wanted[source.Stream] = true
			r.start(ctx, status.Camera, source)
		}
	}
	for id, w := range r.snapshot() {
		if !wanted[id] {
			r.stop(id, w)
			w.switchOff(ctx)
		}
	}
	r.forgetScenes(there)
}

func (r *Recorder) start(ctx context.Context, c nvr.Camera, source nvr.Source) {
	stream := r.cameras.Stream(source.Stream)
	r.mu.Lock()
	known := r.writers[source.Stream]
	r.mu.Unlock()
	if stream == nil || (known != nil && known.stream == stream) {
		return
	}
	if known != nil {
		r.stop(source.Stream, known) // its stream is another one now
	}
	w := r.newWriter(c.ID, source, stream)
	if err := w.resume(ctx, c.Added); err != nil {
		w.log.Error("account for the time before the start", slog.Any("err", err))
	}
	// From the oldest key frame on: the camera may have been quicker than we.
	w.reader = stream.NewReader(nvr.ReaderOptions{Hold: true, From: time.Unix(0, 0)})
	ctx, cancel := context.WithCancel(ctx)
	run := &running{writer: w, cancel: cancel, done: make(chan struct{})}
	r.mu.Lock()
	r.writers[source.Stream] = run
	r.mu.Unlock()
	go func() {
		defer close(run.done)
		w.run(ctx)
	}()
}

func (r *Recorder) newWriter(camera nvr.CameraID, source nvr.Source, stream *nvr.Stream) *writer {
	return &writer{
		rec: r, camera: camera, source: source, stream: stream, scene: r.scene(camera), first: true, began: time.Now(),
		log:    r.log.With(slog.Any("camera", camera), slog.Any("quality", source.Quality)),
		nudge:  make(chan struct{}, 1),
		status: nvr.RecordingStatus{Since: time.Now(), Cause: nvr.CameraOffline},
	}
}

func (r *Recorder) stop(id nvr.StreamID, w *running) {
	w.cancel()
	<-w.done
	r.mu.Lock()
	delete(r.writers, id)
	r.mu.Unlock()
}

func (r *Recorder) stopAll() {
	all := r.snapshot()
	for _, w := range all {
		w.cancel()
	}
	for id, w := range all {
		r.stop(id, w)
	}
}

func (r *Recorder) snapshot() map[nvr.StreamID]*running {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.writers)
}

// Recording returns whether a stream is being recorded, and why not.
func (r *Recorder) Recording(id nvr.StreamID) nvr.RecordingStatus {
	r.mu.Lock()
	w := r.writers[id]
	r.mu.Unlock()
	if w == nil {
		return nvr.RecordingStatus{Cause: nvr.CameraSwitchedOff}
	}
	return w.RecordingStatus()
}

// TrustClock lets an owner say that the wall clock is right after a step, so
// that deletion by age goes on at once.
func (r *Recorder) TrustClock() { r.age.trust() }

// place finds a disk for a segment and creates its file there. Streams stay on
// their disk while it works; new ones, and those of a disk that fails, go to the
// disk with most room for each stream that it has.
func (r *Recorder) place(ctx context.Context, s nvr.Segment, to nvr.Recipient, size int64) (f *file, err error) {
	tried := make(map[*disk]bool)
	for {
		d := r.choose(s.Stream, tried)
		if d == nil {
			return nil, errors.Join(err, errNoDisk)
		}
		tried[d] = true
		f, err = r.createOn(d, s, to, size)
		if isFull(err) {
			roomErr := r.makeRoom(ctx, d, 2*size)
			if roomErr != nil {
				r.log.Warn("make room", slog.Any("disk", d.ID), slog.Any("err", roomErr))
			}
			f, err = r.createOn(d, s, to, size)
			if isFull(err) && errors.Is(roomErr, errKept) {
				err = fmt.Errorf("%w: %w", errKept, err)
			}
		}
		if err == nil {
			if state, _ := d.status(); state == nvr.DiskNoRoom {
				d.setState(nvr.DiskOK, "")
			}
			return f, nil
		}
		d.fail(err)
	}
}

func (r *Recorder) createOn(d *disk, s nvr.Segment, to nvr.Recipient, size int64) (*file, error) {
	if err := d.escrow(to); err != nil {
		return nil, err
	}
	return d.create(s, size)
}

// choose returns the disk for a stream, other than those that were tried, nil
// if there is none. A full one is the last resort: there may be something to
// delete on it.
func (r *Recorder) choose(id nvr.StreamID, tried map[*disk]bool) *disk {
	r.mu.Lock()
	own := r.places[id]
	streams := make(map[*disk]int64)
	for _, d := range r.places {
		streams[d]++
	}
	r.mu.Unlock()
	if own != nil && !tried[own] {
		if state, _ := own.status(); state == nvr.DiskOK {
			return own
		}
	}
	var best, full *disk
	var most int64
	for _, d := range r.list() {
		state, _ := d.status()
		if !tried[d] && state == nvr.DiskNoRoom {
			full = d
		}
		if tried[d] || state != nvr.DiskOK {
			continue
		}
		space, err := d.space()
		if err != nil {
			continue
		}
		if room := space.free / (streams[d] + 1); best == nil || room > most {
			best, most = d, room
		}
	}
	if best == nil {
		best = full
	}
	if best != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.places[id] = best
	}
	return best
}

// seqBlock is a run of sequence numbers that were set aside durably.
type seqBlock struct{ next, end uint64 }

const seqReserve = 1024

// nextSeq returns the next sequence number of a stream. Numbers are set aside
// in blocks in config.db, so that none is used twice whatever the clock, the
// index or the files say; a restart skips the rest of a block.
func (r *Recorder) nextSeq(ctx context.Context, id nvr.StreamID) (uint64, error) {
	r.seqMu.Lock()
	defer r.seqMu.Unlock()
	block := r.seqs[id]
	if block.next == block.end {
		key := "recorder.seq." + id.String()
		var start uint64
		raw, err := r.settings.Setting(ctx, key)
		switch {
		case errors.Is(err, nvr.ErrNotFound):
		case err != nil:
			return 0, fmt.Errorf("read sequence: %w", err)
		case len(raw) != 8:
			return 0, fmt.Errorf("read sequence: %w", nvr.ErrCorrupt)
		default:
			start = binary.BigEndian.Uint64(raw)
		}
		// A configuration from a backup knows older numbers than the footage has. An
		// index that is broken is no reason not to record.
		if newest, there, err := r.newest(ctx, id); err == nil && there {
			start = max(start, newest.Seq+1)
		}
		block = seqBlock{next: start, end: start + seqReserve}
		if err := r.settings.SetSetting(ctx, key, binary.BigEndian.AppendUint64(nil, block.end)); err != nil {
			return 0, fmt.Errorf("set sequence numbers aside: %w", err)
		}
	}
	block.next++
	r.seqs[id] = block
	return block.next - 1, nil
}
