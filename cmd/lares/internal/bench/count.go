package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"lares/nvr"
)

// counted is how much footage is recorded to count its bytes.
const counted = 10 * time.Minute

// bytes counts how many bytes the files of streams of different rates take for
// each byte of pictures in them. The clock of the pictures is not that of the
// box, so ten minutes take a moment.
func (p *plan) bytes(ctx context.Context) error {
	p.title("Bytes of files for bytes of pictures, %v of recording", counted)
	for _, kbit := range []int{1000, 1500, 3000} {
		dir := p.path(fmt.Sprintf("bytes-%d", kbit))
		files, n, media, err := recordedBytes(ctx, dir, kbit)
		if err != nil {
			return fmt.Errorf("record %d kbit/s: %w", kbit, err)
		}
		p.bar(fmt.Sprintf("%.1f Mbit/s: %% of file bytes over media", float64(kbit)/1000), float64(files)/float64(media)*100-100, 1,
			fmt.Sprintf("%d bytes in %d files for %d bytes of pictures", files, n, media))
	}
	return nil
}

// recordedBytes records a stream and returns the bytes and the number of its
// files, and the bytes of its pictures.
func recordedBytes(ctx context.Context, dir string, kbit int) (files int64, n int, media int64, err error) {
	h, err := openArchive(ctx, dir)
	if err != nil {
		return 0, 0, 0, err
	}
	defer func() { _ = h.close() }() // the folder is thrown away
	from, err := h.record(ctx, kbit, counted)
	if err != nil {
		return 0, 0, 0, err
	}
	list, err := h.rec.Library().Index(ctx, h.session, nvr.MediaRequest{Stream: seekStream(0), From: from.Add(-time.Second), To: from.Add(counted + time.Second)})
	if err != nil {
		return 0, 0, 0, err
	}
	var covered int64
	for _, part := range list.Parts {
		covered += part.Duration
	}
	if nvr.TickDuration(covered).Round(time.Second) != counted {
		return 0, 0, 0, fmt.Errorf("only %v of %v were recorded", nvr.TickDuration(covered), counted)
	}
	err = filepath.WalkDir(filepath.Join(dir, "footage"), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(e.Name()) != ".seg" {
			return err
		}
		info, err := e.Info()
		if err == nil {
			files, n = files+info.Size(), n+1
		}
		return err
	})
	return files, n, h.published, err
}
