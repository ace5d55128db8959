package recorder

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"lares/nvr"
)

// How an event and its picture lie in a segment; format.md has the table.
const (
	eventVersion     = 1
	thumbnailVersion = 1
	// thumbnailHead is the version, 3 zero bytes and the id of the event.
	thumbnailHead = 4 + len(nvr.EventID{})

	maxEvent     = 16 << 10 // bytes of its JSON
	maxThumbnail = 512 << 10
	maxLabels    = 16
)

// eventFields is the JSON of an event record. Times are milliseconds since the
// Unix epoch; a box is its X, Y, W and H in parts of 65535; a place of the path
// is milliseconds since the start of the event, and a box.
type eventFields struct {
	Version int           `json:"v"`
	ID      nvr.EventID   `json:"id"`
	Kind    nvr.EventKind `json:"kind"`
	Source  string        `json:"source,omitempty"`
	Camera  nvr.CameraID  `json:"camera"`
	Start   int64         `json:"start"`
	End     int64         `json:"end"`
	Labels  []string      `json:"labels,omitempty"`
	Score   float64       `json:"score"`
	Cause   nvr.Cause     `json:"cause,omitempty"`
	Detail  string        `json:"detail,omitempty"`
	Box     storedBox     `json:"box"`
	Best    int64         `json:"best,omitempty"`
	Path    []storedSight `json:"path,omitempty"`
}

type (
	storedBox   [4]uint16
	storedSight [5]int64
)

var errEventBounds = errors.New("an event out of bounds")

// encodeEvent returns the record of an event. Its path is thinned out to
// nvr.MaxPath places. Errors: nvr.ErrInvalid for one that is out of bounds.
func encodeEvent(e nvr.Event) ([]byte, error) {
	f := eventFields{
		Version: eventVersion, ID: e.ID, Kind: e.Kind, Source: e.Source, Camera: e.Camera,
		Start: e.Start.UnixMilli(), End: e.End.UnixMilli(), Labels: e.Labels, Score: e.Score,
		Cause: e.Cause, Detail: e.Detail, Box: storeBox(e.Box),
	}
	if !e.Best.IsZero() {
		f.Best = e.Best.UnixMilli()
	}
	for _, s := range thin(e.Path) {
		b := storeBox(s.Box)
		f.Path = append(f.Path, storedSight{
			s.At.UnixMilli() - f.Start, int64(b[0]), int64(b[1]), int64(b[2]), int64(b[3]),
		})
	}
	if !f.valid() {
		return nil, fmt.Errorf("store event: %w: %w", nvr.ErrInvalid, errEventBounds)
	}
	b, err := json.Marshal(f)
	if err == nil && len(b) > maxEvent {
		err = errEventBounds
	}
	if err != nil {
		return nil, fmt.Errorf("store event: %w: %w", nvr.ErrInvalid, err)
	}
	return b, nil
}

// decodeEvent reads what encodeEvent wrote. Errors: nvr.ErrCorrupt.
func decodeEvent(b []byte) (nvr.Event, error) {
	var f eventFields
	if len(b) > maxEvent {
		return nvr.Event{}, fmt.Errorf("read event: %w", nvr.ErrCorrupt)
	}
	if err := json.Unmarshal(b, &f); err != nil || f.Version != eventVersion || !f.valid() {
		return nvr.Event{}, fmt.Errorf("read event: %w", nvr.ErrCorrupt)
	}
	e := nvr.Event{
		ID: f.ID, Kind: f.Kind, Source: f.Source, Camera: f.Camera, Start: time.UnixMilli(f.Start).UTC(),
		End: time.UnixMilli(f.End).UTC(), Score: f.Score, Cause: f.Cause, Detail: f.Detail,
		Box: f.Box.box(),
	}
	if len(f.Labels) > 0 {
		e.Labels = f.Labels
	}
	if f.Best != 0 {
		e.Best = time.UnixMilli(f.Best).UTC()
	}
	for _, s := range f.Path {
		box := storedBox{uint16(s[1]), uint16(s[2]), uint16(s[3]), uint16(s[4])}
		e.Path = append(e.Path, nvr.Sight{At: time.UnixMilli(f.Start + s[0]).UTC(), Box: box.box()})
	}
	return e, nil
}

func (f *eventFields) valid() bool {
	for _, t := range []int64{f.Start, f.End, f.Best} {
		if t < 0 || t > maxMillis {
			return false
		}
	}
	for _, s := range f.Path {
		if s[0] < -maxMillis || s[0] > maxMillis || f.Start+s[0] < 0 || f.Start+s[0] > maxMillis {
			return false
		}
		for _, v := range s[1:] {
			if v < 0 || v > math.MaxUint16 {
				return false
			}
		}
	}
	return f.End >= f.Start && f.Score >= 0 && f.Score <= 1 && len(f.Labels) <= maxLabels && len(f.Path) <= nvr.MaxPath
}

// thin leaves nvr.MaxPath places of a path, evenly, the first and the last among them.
func thin(path []nvr.Sight) []nvr.Sight {
	if len(path) <= nvr.MaxPath {
		return path
	}
	out := make([]nvr.Sight, nvr.MaxPath)
	for i := range out {
		out[i] = path[i*(len(path)-1)/(nvr.MaxPath-1)]
	}
	return out
}

func storeBox(b nvr.Box) storedBox {
	return storedBox{storePart(b.X), storePart(b.Y), storePart(b.W), storePart(b.H)}
}

// storePart rounds a part of the picture; what is no number is 0.
func storePart(v float64) uint16 {
	if math.IsNaN(v) || v <= 0 {
		return 0
	}
	return uint16(math.Round(min(v, 1) * math.MaxUint16))
}

func (s storedBox) box() nvr.Box {
	return nvr.Box{
		X: float64(s[0]) / math.MaxUint16, Y: float64(s[1]) / math.MaxUint16,
		W: float64(s[2]) / math.MaxUint16, H: float64(s[3]) / math.MaxUint16,
	}
}

// encodeThumbnail returns the record of an event's picture.
func encodeThumbnail(id nvr.EventID, jpeg []byte) []byte {
	b := make([]byte, thumbnailHead, thumbnailHead+len(jpeg))
	b[0] = thumbnailVersion
	copy(b[4:], id[:])
	return append(b, jpeg...)
}

// decodeThumbnail returns the picture in a record that belongs to an event.
// Errors: nvr.ErrCorrupt.
func decodeThumbnail(b []byte, id nvr.EventID) ([]byte, error) {
	if len(b) <= thumbnailHead || [4]byte(b) != [4]byte{thumbnailVersion} || nvr.EventID(b[4:thumbnailHead]) != id {
		return nil, fmt.Errorf("read thumbnail: %w", nvr.ErrCorrupt)
	}
	return b[thumbnailHead:], nil
}
