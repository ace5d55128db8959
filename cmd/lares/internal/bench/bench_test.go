package main

import (
	"os"
	"slices"
	"testing"
	"time"

	"lares/nvr/camera/camsim"
)

// sent makes pictures that were sent a second apart, with the number as the sum.
func sent(from time.Time, sums ...byte) []camsim.SentFrame {
	frames := make([]camsim.SentFrame, len(sums))
	for i, sum := range sums {
		frames[i] = camsim.SentFrame{Time: from.Add(time.Duration(i) * time.Second), Sum: [32]byte{sum}}
	}
	return frames
}

func TestLossesAreCountedInTheWindowsOnly(t *testing.T) {
	from := time.Unix(1000, 0)
	window := round{started: from, from: from.Add(2 * time.Second), to: from.Add(5 * time.Second)}
	frames := sent(from, 1, 2, 3, 4, 1, 2, 3, 4)
	for _, c := range []struct {
		name             string
		recorded         []byte
		missing, strange int
	}{
		{"all", []byte{1, 2, 3, 4, 1, 2, 3, 4}, 0, 0},
		{"begun late and ended early", []byte{3, 4, 1, 2}, 0, 0},
		{"one lost in the window", []byte{1, 2, 3, 1, 2, 3}, 1, 0},
		{"one twice", []byte{1, 2, 3, 4, 1, 2, 3, 4, 4}, 0, 1},
		{"nothing", nil, 4, 0},
	} {
		var sums [][32]byte
		for _, sum := range c.recorded {
			sums = append(sums, [32]byte{sum})
		}
		in, missing, strange := compare(frames, sums, []round{window})
		if in != 4 || missing != c.missing || strange != c.strange {
			t.Errorf("%s: %d in the window, %d missing, %d strange; want 4, %d, %d", c.name, in, missing, strange, c.missing, c.strange)
		}
	}
}

func TestStatFieldsAreThoseBehindTheName(t *testing.T) {
	got := statFields([]byte("12 (a b) c) S 1 2 3\n"))
	if want := []string{"S", "1", "2", "3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUsageOfThisProcessIsPlausible(t *testing.T) {
	u, err := treeUsage([]int{os.Getpid()})
	if err != nil {
		t.Skip("the proc file system does not say: ", err)
	}
	if u.procs < 1 || u.pss < 1<<20 || u.rss < u.pss/2 {
		t.Errorf("got %+v", u)
	}
}

func TestQuantiles(t *testing.T) {
	all := []float64{5, 1, 4, 2, 3}
	if got := median(all); got != 3 {
		t.Errorf("median %v, want 3", got)
	}
	if got := quantile(all, 0.95); got != 5 {
		t.Errorf("p95 %v, want 5", got)
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of none: %v, want 0", got)
	}
}
