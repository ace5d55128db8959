package camera

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"lares/nvr"
)

// aacFormat is AAC and how it is put into RTP (RFC 3640 section 4.1).
type aacFormat struct {
	config                            []byte // AudioSpecificConfig
	rate, channels                    int
	sizeLength, indexLength, indexDel int // bits
}

// heardFormat is sound that has to be converted; zero where it is AAC already.
type heardFormat struct {
	SoundFormat
	swapped bool // the low byte of a sample comes first
	name    string
}

// own returns a copy of samples with the high byte first.
func (f heardFormat) own(data []byte) []byte {
	out := bytes.Clone(data)
	if f.swapped {
		for i := 1; i < len(out); i += 2 {
			out[i-1], out[i] = out[i], out[i-1]
		}
	}
	return out
}

// converted reports whether the sound has to be converted.
func (m *medium) converted() bool { return m.heard.Codec != "" }

func unknownSound(name string) string { return "sound in " + name + " is not recorded yet" }

// sound returns the section as sound that can be recorded, AAC rather than any
// other, else the name of what it is.
func (s *section) sound() (m *medium, name string) {
	for _, payload := range s.payloads {
		number, err := strconv.ParseUint(payload, 10, 7)
		if err != nil {
			name = cmp.Or(name, clean(payload))
			continue
		}
		found, other := s.soundOf(payload)
		if found == nil {
			name = cmp.Or(name, other)
			continue
		}
		if m == nil || m.converted() && !found.converted() {
			m = found
			m.codec, m.payload = nvr.AAC, uint8(number)
			m.setTransport(s)
		}
	}
	return m, cmp.Or(name, "a format without a name")
}

// soundOf returns one format of the section, else the name of what it is.
func (s *section) soundOf(payload string) (m *medium, name string) {
	codec, rest := s.mapping(payload)
	if !strings.EqualFold(codec, "MPEG4-GENERIC") {
		name = soundName(payload, codec)
		heard, ok := readHeard(payload, codec, rest, s.parameters(payload))
		if !ok {
			return nil, name
		}
		heard.name = name
		return &medium{clock: heard.Rate, heard: heard}, ""
	}
	format, ok := readAAC(s.parameters(payload))
	if !ok {
		return nil, "AAC without its settings"
	}
	m = &medium{clock: format.rate, sound: format}
	if clock, err := strconv.Atoi(strings.Split(rest, "/")[0]); err == nil && clock >= 7350 && clock <= 96000 {
		m.clock = clock
	}
	return m, ""
}

// readHeard reads a format that can be converted, by its name or its static
// payload type (RFC 3551 section 6); rest is rate and channels as in rtpmap.
func readHeard(payload, codec, rest string, params map[string]string) (heardFormat, bool) {
	static := map[string]struct{ codec, rest string }{
		"0": {"PCMU", "8000/1"}, "8": {"PCMA", "8000/1"}, "10": {"L16", "44100/2"}, "11": {"L16", "44100/1"},
	}
	if codec == "" {
		codec, rest = static[payload].codec, static[payload].rest
	}
	f := heardFormat{SoundFormat: SoundFormat{Channels: 1}}
	switch strings.ToUpper(codec) {
	case "PCMA":
		f.Codec, f.Rate = aLawCodec, 8000
	case "PCMU":
		f.Codec, f.Rate = muLawCodec, 8000
	case "L16":
		f.Codec = linearCodec
	case "PCM": // cameras of Hikvision, which begin with the low byte
		f.Codec, f.swapped = linearCodec, true
	case "OPUS":
		// The description says 48000/2 of all of it (RFC 7587 section 4.1).
		f.Codec, f.Rate = opusCodec, 48000
		if params["sprop-stereo"] == "1" {
			f.Channels = 2
		}
		return f, true
	default:
		return heardFormat{}, false
	}
	rate, channels, _ := strings.Cut(rest, "/")
	if n, err := strconv.Atoi(strings.TrimSpace(rate)); err == nil {
		f.Rate = n
	}
	if n, err := strconv.Atoi(strings.TrimSpace(channels)); err == nil {
		f.Channels = n
	}
	return f, f.Rate >= 4000 && f.Rate <= 96000 && f.Channels >= 1 && f.Channels <= 2
}

func readAAC(params map[string]string) (aacFormat, bool) {
	raw, err := hex.DecodeString(params["config"])
	if err != nil {
		return aacFormat{}, false
	}
	f, ok := readConfig(raw)
	if !ok {
		return aacFormat{}, false
	}
	// AAC-hbr (RFC 3640 section 3.3.6) unless the description says otherwise.
	f.sizeLength, f.indexLength, f.indexDel = 13, 3, 3
	for key, target := range map[string]*int{
		"sizelength": &f.sizeLength, "indexlength": &f.indexLength, "indexdeltalength": &f.indexDel,
	} {
		if n, err := strconv.Atoi(params[key]); err == nil {
			*target = n
		}
	}
	ok = f.sizeLength > 0 && f.sizeLength <= 32 && f.indexLength >= 0 && f.indexLength <= 32 &&
		f.indexDel >= 0 && f.indexDel <= 32
	return f, ok
}

// readConfig reads an AudioSpecificConfig (ISO 14496-3, 1.6.2.1).
func readConfig(raw []byte) (aacFormat, bool) {
	var config mpeg4audio.AudioSpecificConfig
	if config.Unmarshal(raw) != nil || config.SampleRate <= 0 {
		return aacFormat{}, false
	}
	f := aacFormat{config: raw, rate: config.SampleRate, channels: channelsOf(config.ChannelConfig)}
	return f, f.channels > 0
}

// channelsOf counts the channels of a configuration (ISO 14496-3 table 1.19); 0
// if it is told elsewhere.
func channelsOf(config uint8) int {
	switch {
	case config == 7:
		return 8
	case config < 7:
		return int(config)
	}
	return 0
}

// soundName is what people call a sound format (static types: RFC 3551 section 6).
func soundName(payload, codec string) string {
	switch strings.ToUpper(codec) {
	case "PCMA", "PCMU":
		return "G.711"
	case "MP4A-LATM":
		return "AAC (LATM)"
	case "OPUS", "MULTIOPUS":
		return "Opus"
	case "PCM", "L8", "L16", "L24":
		return "PCM"
	case "":
	default:
		return clean(codec)
	}
	switch payload {
	case "0", "8":
		return "G.711"
	case "9":
		return "G.722"
	case "10", "11":
		return "PCM"
	case "14":
		return "MPEG audio"
	}
	return "a format without a name"
}
