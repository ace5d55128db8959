package motion

import (
	"testing"

	"lares/nvr"
)

// BenchmarkObserve is the cost of a picture of 320x180 where nothing moves, where
// somebody walks, and where all is in motion.
func BenchmarkObserve(b *testing.B) {
	walker := func(t float64) (float64, float64, bool) { return 160 + 100*float64(int(t*5)%40-20)/20, 140, true }
	for name, layers := range map[string][]layer{
		"quiet":  nil,
		"person": {box(picWidth, 18, 48, 1, 1, walker)},
		"rain":   {streaks(picWidth, 150, 18, 30, 1)},
		"storm":  {sway(picWidth, 40, 0, 280, 150, 9, 3, 6), streaks(picWidth, 150, 18, 30, 1)},
	} {
		b.Run(name, func(b *testing.B) {
			s := newScene(50, 2, layers...)
			pictures := make([]nvr.Grey, 200)
			for i := range pictures {
				pictures[i] = s.picture(float64(i)*s.every, make([]byte, s.w*s.h))
			}
			d := NewDetector(nvr.MotionSettings{})
			pts := int64(epoch)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p := pictures[i%len(pictures)]
				p.PTS = pts
				pts += ticks / 5
				d.Observe(p)
			}
		})
	}
}
