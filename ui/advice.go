package ui

import (
	"math"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
	"lares/ui/view"
)

// How a setting of a camera is judged.
const (
	good = "good"
	fair = "fair" // works, and could be better
	poor = "poor" // to be changed
)

// streamFacts is what is known of one stream: measured where it was, else as the
// camera's settings say.
type streamFacts struct {
	quality       nvr.Quality
	video         nvr.Codec
	width, height int
	rate          float64 // pictures a second
	bits          float64 // bit/s
	gop           time.Duration
	sound         string
}

// advise says what the camera sends and what to change in its settings.
func (s *Server) advise(next candidate) []view.AdviceTable {
	var tables []view.AdviceTable
	var all []streamFacts
	for _, p := range next.report.Streams {
		if p.Params != nil {
			all = append(all, factsOf(p, offerOf(next.said.Offers, p.Source.Quality)))
		}
	}
	for i, f := range all {
		rows := []view.Advice{s.adviseCodec(f, all), s.adviseSize(f), s.adviseRate(f)}
		if f.bits > 0 {
			rows = append(rows, s.adviseBits(f))
		}
		if f.gop > 0 {
			rows = append(rows, s.adviseGOP(f))
		}
		rows = append(rows, s.adviseSound(f))
		tables = append(tables, view.AdviceTable{Title: s.streamTitle(f.quality), Rows: rows, Notes: next.report.Streams[i].Notes})
	}
	var rows []view.Advice
	if len(all) == 1 {
		rows = append(rows, view.Advice{
			What: s.text.T("new.sub_title"), Value: s.text.T("advice.none"), Level: fair, Fix: s.text.T("advice.sub_fix"),
		})
	}
	if next.said.ClockKnown {
		rows = append(rows, s.adviseClock(next.said.ClockOff))
	}
	if len(rows) > 0 && len(all) > 0 {
		tables = append(tables, view.AdviceTable{Title: s.text.T("advice.camera"), Rows: rows})
	}
	return tables
}

func (s *Server) streamTitle(q nvr.Quality) string {
	if q == nvr.Sub {
		return s.text.T("new.sub_title")
	}
	return s.text.T("new.main")
}

func offerOf(offers []nvr.Offer, q nvr.Quality) nvr.Offer {
	for _, o := range offers {
		if o.Quality == q {
			return o
		}
	}
	return nvr.Offer{}
}

func factsOf(p nvr.ProbedStream, o nvr.Offer) streamFacts {
	f := streamFacts{
		quality: p.Source.Quality, video: p.Params.Video, width: p.Params.Width, height: p.Params.Height,
		rate: p.FrameRate, bits: p.BitRate, gop: p.GOP, sound: o.Sound,
	}
	if f.rate == 0 {
		f.rate = o.Rate
	}
	if o.Bits > 0 {
		f.bits = float64(o.Bits) // a second of pictures tells less than the setting
	}
	if o.GOP > 0 && f.rate > 0 {
		f.gop = max(f.gop, time.Duration(float64(o.GOP)/f.rate*float64(time.Second)))
	}
	if p.Params.Audio != nvr.NoCodec {
		f.sound = p.Params.Audio.String()
	}
	return f
}

// adviseCodec: H.264 is shown by every browser; H.265 is as good where the small
// picture is H.264.
func (s *Server) adviseCodec(f streamFacts, all []streamFacts) view.Advice {
	a := view.Advice{What: s.text.T("advice.codec"), Value: f.video.String(), Level: good}
	wall := all[len(all)-1]
	if f.video == nvr.H265 && (f.quality == nvr.Sub || wall.video == nvr.H265) {
		a.Level, a.Fix = fair, s.text.T("advice.codec_fix")
	}
	return a
}

func (s *Server) adviseSize(f streamFacts) view.Advice {
	const hd = 1280 * 720
	a := view.Advice{What: s.text.T("advice.size"), Level: good}
	a.Value = s.text.T("new.fact_size", "width", strconv.Itoa(f.width), "height", strconv.Itoa(f.height))
	switch n := f.width * f.height; {
	case f.quality == nvr.Main && n < hd:
		a.Level, a.Fix = fair, s.text.T("advice.size_small")
	case f.quality == nvr.Sub && n > hd:
		a.Level, a.Fix = fair, s.text.T("advice.size_large")
	}
	return a
}

func (s *Server) adviseRate(f streamFacts) view.Advice {
	const least, most = 8, 30
	a := view.Advice{What: s.text.T("advice.rate"), Level: good}
	n := int(math.Round(f.rate))
	if a.Value = s.text.T("new.fact_rate", "rate", strconv.Itoa(n)); n == 0 {
		a.Value = s.text.T("advice.unknown")
		return a
	}
	switch {
	case f.quality == nvr.Main && n < least:
		a.Level, a.Fix = fair, s.text.T("advice.rate_low")
	case n > most:
		a.Level, a.Fix = fair, s.text.T("advice.rate_high")
	}
	return a
}

func (s *Server) adviseBits(f streamFacts) view.Advice {
	const most, mostSub = 16e6, 2e6
	a := view.Advice{What: s.text.T("advice.bits"), Level: good}
	a.Value = s.text.T("new.fact_bits", "rate", strconv.FormatFloat(f.bits/1e6, 'f', 1, 64))
	if f.quality == nvr.Main && f.bits > most || f.quality == nvr.Sub && f.bits > mostSub {
		a.Level, a.Fix = fair, s.text.T("advice.bits_high")
	}
	return a
}

// adviseGOP: playback, scrubbing and live begin at key frames.
func (s *Server) adviseGOP(f streamFacts) view.Advice {
	const fine, bearable = 2500 * time.Millisecond, 5500 * time.Millisecond
	a := view.Advice{What: s.text.T("advice.gop"), Level: good}
	a.Value = s.text.T("advice.gop_each", "seconds", strconv.FormatFloat(math.Round(10*f.gop.Seconds())/10, 'f', -1, 64))
	if f.gop > fine {
		a.Level, a.Fix = fair, s.text.T("advice.gop_fix", "pictures", strconv.Itoa(int(math.Round(2*f.rate))))
	}
	if f.gop > bearable {
		a.Level = poor
	}
	return a
}

// adviseSound: everything that cameras send becomes AAC here.
func (s *Server) adviseSound(f streamFacts) view.Advice {
	a := view.Advice{What: s.text.T("advice.sound"), Value: f.sound, Level: good}
	switch {
	case f.sound == "":
		a.Value = s.text.T("advice.none")
	case !strings.Contains(strings.ToUpper(f.sound), "AAC"):
		a.Value = s.text.T("advice.sound_made", "codec", f.sound)
	}
	return a
}

func (s *Server) adviseClock(off time.Duration) view.Advice {
	const fine, bearable = 3 * time.Second, time.Minute
	a := view.Advice{What: s.text.T("advice.clock"), Value: s.text.T("advice.clock_right"), Level: good}
	by := off.Abs()
	if by <= fine {
		return a
	}
	id := "advice.clock_behind"
	if off > 0 {
		id = "advice.clock_ahead"
	}
	a.Value, a.Level, a.Fix = s.text.T(id, "by", s.about(by)), fair, s.text.T("advice.clock_fix")
	if by > bearable {
		a.Level = poor
	}
	return a
}

// about is a duration as people say it.
func (s *Server) about(d time.Duration) string {
	for _, unit := range []struct {
		id   string
		size time.Duration
	}{{"advice.days", 24 * time.Hour}, {"advice.hours", time.Hour}, {"advice.minutes", time.Minute}} {
		if d >= 2*unit.size {
			return s.text.T(unit.id, "n", strconv.Itoa(int(d.Round(unit.size)/unit.size)))
		}
	}
	return s.text.T("advice.seconds", "n", strconv.Itoa(int(d.Round(time.Second)/time.Second)))
}
