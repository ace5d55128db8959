package recorder

import (
	"context"

	"lares/nvr"
)

// Disks returns the state of all footage paths.
func (r *Recorder) Disks(ctx context.Context) ([]nvr.DiskStatus, error) {
	var all []nvr.DiskStatus
	for _, d := range r.list() {
		used, err := r.index.Used(ctx, d.ID)
		if err != nil {
			return nil, err
		}
		status := nvr.DiskStatus{Disk: d.Disk, Used: used}
		status.State, status.Detail = d.status()
		if space, err := d.space(); err == nil {
			status.Free, status.Total = space.free, space.total
			status.Reserve = reserve(space.total, r.rateOn(d))
		}
		all = append(all, status)
	}
	return all, nil
}

// WritablePaths lists the footage paths that can be written now.
func (r *Recorder) WritablePaths() []string {
	var paths []string
	for _, d := range r.list() {
		if state, _ := d.status(); state == nvr.DiskOK {
			paths = append(paths, d.Path)
		}
	}
	return paths
}
