package media

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lares/nvr"
)

// processorTime returns what this process and a child have computed so far, in
// user and kernel mode. The child's is read from schedstat of its threads
// (proc_pid_schedstat(5)), which counts in nanoseconds.
func processorTime(b *testing.B, child int) time.Duration {
	b.Helper()
	var self unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &self); err != nil {
		b.Fatal(err)
	}
	sum := time.Duration(self.Utime.Nano() + self.Stime.Nano())
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", child))
	if err != nil || len(tasks) == 0 {
		b.Skip("this kernel does not say what threads have computed")
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			b.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// BenchmarkPictures sends two frames of a sub-stream of 400 kbit/s and gets one
// picture of 320x180 back, with a codec that does nothing: what it costs that
// FFmpeg is not in this process. The paced one leaves time between the calls,
// as cameras do, so that both sides fall asleep.
func BenchmarkPictures(b *testing.B) {
	for _, c := range []struct {
		name string
		gap  time.Duration
	}{{"burst", 0}, {"paced", 2 * time.Millisecond}} {
		b.Run(c.name, func(b *testing.B) {
			w := newTestWorker(b, nil)
			fr := testFrames(testParams(), "nothing", "")
			fr[1].Data = bytes.Repeat([]byte{1}, 5000)
			work := func(n int) {
				for range n {
					time.Sleep(c.gap)
					if err := w.Pictures(b.Context(), fr, testOptions(), func(nvr.Grey) {}); err != nil {
						b.Fatal(err)
					}
				}
			}
			work(10)
			b.ReportAllocs()
			before := processorTime(b, pid(w))
			b.ResetTimer()
			work(b.N)
			b.StopTimer()
			b.ReportMetric(float64((processorTime(b, pid(w))-before).Microseconds())/float64(b.N), "cpu-us/picture")
		})
	}
}

// BenchmarkIdleMemory reports the memory of a worker of this test binary that
// has made one picture.
func BenchmarkIdleMemory(b *testing.B) {
	w := newTestWorker(b, nil)
	mustLook(b, w, testFrames(testParams(), ""), testOptions())
	b.ResetTimer()
	for b.Loop() {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid(w)))
		if err != nil {
			b.Skip(err)
		}
		kb := map[string]float64{}
		for line := range strings.Lines(string(rollup)) {
			if f := strings.Fields(line); len(f) == 3 {
				kb[f[0]], _ = strconv.ParseFloat(f[1], 64)
			}
		}
		b.ReportMetric(kb["Pss:"], "pss-kB")
		b.ReportMetric(kb["Private_Clean:"]+kb["Private_Dirty:"], "private-kB")
		b.ReportMetric(kb["Private_Dirty:"], "private-dirty-kB")
		b.ReportMetric(kb["Rss:"], "rss-kB")
	}
}

// BenchmarkStart is what it takes to replace a worker, up to its first picture.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		w := NewWorker(testConfig(b.Output()))
		mustLook(b, w, testFrames(testParams(), ""), testOptions())
		w.Close()
	}
}
