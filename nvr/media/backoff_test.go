package media

import (
	"fmt"
	"testing"
	"time"

	"lares/nvr"
)

func TestPausesDoubleAndAreForgotten(t *testing.T) {
	g, now, a := grudges{}, time.Unix(1e9, 0), customer{askStill, nvr.NewID[nvr.Stream]()}
	var got []time.Duration
	for range 11 {
		pause := g.fail(a, now)
		got = append(got, pause)
		if _, ok := g.wait(a, now); !ok {
			t.Error("it need not wait")
		}
		now = now.Add(pause)
		if _, ok := g.wait(a, now); ok {
			t.Error("it waits too long")
		}
	}
	if want := "[1s 2s 4s 8s 16s 32s 1m4s 2m8s 4m16s 5m0s 5m0s]"; fmt.Sprint(got) != want {
		t.Errorf("pauses %v, want %v", got, want)
	}
	if pause := g.fail(a, now.Add(goodTime+time.Second)); pause != time.Second {
		t.Errorf("after a good minute: %v", pause)
	}
	for range 2 * maxGrudges {
		g.fail(customer{askStill, nvr.NewID[nvr.Stream]()}, now)
	}
	if len(g) > maxGrudges {
		t.Errorf("%d customers are remembered", len(g))
	}
}
