package camera

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/mikey"

	"lares/nvr"
)

const (
	maxDescription = 64 << 10 // bytes of a session description that are read
	maxMedia       = 32
)

// offer is what a camera offers, as far as Lares can use it.
type offer struct {
	control string  // of the whole session; empty: the address of the request
	keys    string  // key-mgmt of the whole session (RFC 4567), checked
	video   *medium // nil if no picture can be used
	sound   *medium
	notes   []string // what is left out, in words for the owner
	unfit   string   // the codec of the pictures that cannot be used, if video is nil
}

// medium is one RTP stream of an offer.
type medium struct {
	codec   nvr.Codec
	payload uint8
	clock   int // Hz
	control string
	keys    string
	secure  bool

	sets  paramSets // hint from the description, may be empty
	sound aacFormat // what is recorded
	heard heardFormat
}

// section is the part of a description that belongs to one medium, as written.
type section struct {
	kind      string // "video", "audio", anything
	protocol  string
	payloads  []string
	control   string
	keys      string
	backwards bool     // a channel to the camera
	rtpmap    []string // values
	fmtp      []string
}

// parseOffer reads a session description (RFC 8866) as cameras write it. It
// never fails: what makes no sense is skipped. It is deliberately not a parser
// of the grammar: the lines that matter are picked out, whatever stands around
// them, because no camera gets all of it right.
func parseOffer(text []byte) offer {
	session, media := splitSections(text)
	o := offer{control: sessionControl(session.control), keys: checkedKeys(session.keys)}
	var soundLeftOut, dataLeftOut []string
	for _, m := range media {
		switch {
		case m.kind == "video" && o.video == nil:
			var name string
			if o.video, name = m.video(media); o.video == nil {
				o.unfit = name
			}
		case m.kind == "video":
			dataLeftOut = append(dataLeftOut, "a second picture")
		case m.kind == "audio" && m.backwards:
		case m.kind == "audio":
			sound, name := m.sound()
			if sound == nil {
				soundLeftOut = append(soundLeftOut, name)
			} else if o.sound == nil || o.sound.converted() && !sound.converted() {
				o.sound = sound
			}
		default:
			dataLeftOut = append(dataLeftOut, m.name())
		}
	}
	if o.sound == nil && len(soundLeftOut) > 0 {
		o.notes = append(o.notes, unknownSound(soundLeftOut[0]))
	}
	if len(dataLeftOut) > 0 {
		slices.Sort(dataLeftOut)
		o.notes = append(o.notes, "not recorded: "+strings.Join(slices.Compact(dataLeftOut), ", "))
	}
	return o
}

func splitSections(text []byte) (session section, media []section) {
	if len(text) > maxDescription {
		text = text[:maxDescription]
	}
	current := &session
	for line := range strings.Lines(strings.ReplaceAll(string(text), "\r", "\n")) {
		line = strings.TrimSpace(strings.TrimRight(line, "\x00\n"))
		if value, ok := strings.CutPrefix(line, "m="); ok && len(media) < maxMedia {
			media = append(media, readMedia(value))
			current = &media[len(media)-1]
			continue
		}
		if value, ok := strings.CutPrefix(line, "a="); ok {
			current.attribute(value)
		}
	}
	return session, media
}

func readMedia(value string) section {
	fields := strings.Fields(value)
	s := section{kind: "unnamed data"}
	if len(fields) > 0 {
		s.kind = fields[0]
	}
	if len(fields) > 2 {
		s.protocol = fields[2]
	}
	if len(fields) > 3 {
		s.payloads = fields[3:]
	}
	return s
}

func (s *section) attribute(value string) {
	key, value, _ := strings.Cut(value, ":")
	value = strings.TrimSpace(value)
	switch key {
	case "control":
		s.control = cmp.Or(s.control, value)
	case "key-mgmt":
		s.keys = cmp.Or(s.keys, value)
	case "sendonly":
		s.backwards = true
	case "rtpmap":
		s.rtpmap = append(s.rtpmap, value)
	case "fmtp":
		s.fmtp = append(s.fmtp, value)
	}
}

// sessionControl returns the address of the whole session if it is a usable
// absolute one. Some cameras run the next line into it.
func sessionControl(value string) string {
	for _, tail := range []string{"a=recvonly", "a=sendrecv", "a=sendonly"} {
		value = strings.TrimSuffix(value, tail)
	}
	if u, err := base.ParseURL(value); err != nil || u.Host == "" {
		return ""
	}
	return value
}

// checkedKeys returns the value of a key-mgmt attribute if gortsplib will
// understand it, else nothing (RFC 4567 section 3.1, RFC 3830).
func checkedKeys(value string) string {
	enc, ok := strings.CutPrefix(value, "mikey ")
	if !ok {
		return ""
	}
	raw, err := base64.StdEncoding.DecodeString(enc)
	if err != nil {
		return ""
	}
	var message mikey.Message
	if message.Unmarshal(raw) != nil {
		return ""
	}
	return value
}

// name says in a word what a medium is that is left out.
func (s *section) name() string {
	for _, payload := range s.payloads {
		if codec, _ := s.mapping(payload); codec != "" {
			return clean(codec)
		}
	}
	return clean(s.kind)
}

// clean makes foreign text fit for a note: short, printable ASCII.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if len(text) > 40 {
		text = text[:40]
	}
	return cmp.Or(text, "unnamed")
}

// mapping returns the encoding name and what follows it for a payload type.
func (s *section) mapping(payload string) (codec, rest string) {
	for _, value := range s.rtpmap {
		if number, encoding, ok := strings.Cut(value, " "); ok && number == payload {
			codec, rest, _ = strings.Cut(strings.TrimSpace(encoding), "/")
			return strings.TrimSpace(codec), rest
		}
	}
	return "", ""
}

// parameters returns the format parameters for a payload type; if there are
// none, those of the section's only fmtp line, which then names a wrong type.
func (s *section) parameters(payload string) map[string]string {
	for _, value := range s.fmtp {
		if number, list, ok := strings.Cut(value, " "); ok && number == payload {
			return splitParameters(list)
		}
	}
	if len(s.fmtp) == 1 {
		_, list, _ := strings.Cut(s.fmtp[0], " ")
		return splitParameters(list)
	}
	return nil
}

func splitParameters(list string) map[string]string {
	out := make(map[string]string)
	for part := range strings.SplitSeq(list, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		out[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
	}
	return out
}

// video returns the first format of the section that can be recorded, else the
// name of the first one that cannot. Parameter sets may stand in the section of
// another medium.
func (s *section) video(all []section) (m *medium, name string) {
	for _, payload := range s.payloads {
		number, err := strconv.ParseUint(payload, 10, 7)
		if err != nil {
			name = cmp.Or(name, clean(payload))
			continue
		}
		params := s.parameters(payload)
		codec, _ := s.mapping(payload)
		m := &medium{payload: uint8(number), clock: nvr.ClockRate}
		switch strings.ToUpper(codec) {
		case "H264":
			m.codec = nvr.H264
		case "H265", "HEVC":
			m.codec = nvr.H265
		case "":
			m.codec = guessCodec(params)
		}
		if m.codec == nvr.NoCodec {
			name = cmp.Or(name, videoName(payload, codec))
			continue
		}
		for i := 0; i < len(all) && len(params) == 0; i++ {
			params = all[i].parameters(payload)
		}
		m.sets = hintedSets(m.codec, params)
		m.setTransport(s)
		return m, ""
	}
	return nil, cmp.Or(name, "a format without a name")
}

func (m *medium) setTransport(s *section) {
	m.control = usableControl(s.control)
	m.secure = strings.Contains(s.protocol, "SAVP")
	m.keys = checkedKeys(s.keys)
}

// usableControl returns the control attribute of a medium if it makes an
// address in whatever way it is joined to one, else nothing, which means the
// address of the session. gortsplib relies on that without a check.
func usableControl(value string) string {
	if strings.ContainsAny(value, "@#") {
		return ""
	}
	forms := []string{"rtsp://h/a", "rtsp://h/a/", "rtsp://u:p@h/a?b=c", "rtsp://u:p@h/a?b=c/"}
	if strings.HasPrefix(value, "rtsp://") || strings.HasPrefix(value, "rtsps://") {
		forms = []string{""}
	}
	for _, form := range forms {
		if _, err := base.ParseURL(form + value); err != nil {
			return ""
		}
	}
	return value
}

// guessCodec tells the codec from parameters that only it has (RFC 6184
// section 8.1, RFC 7798 section 7.1).
func guessCodec(params map[string]string) nvr.Codec {
	if params["sprop-vps"] != "" || params["sprop-sps"] != "" {
		return nvr.H265
	}
	if params["sprop-parameter-sets"] != "" || params["packetization-mode"] != "" {
		return nvr.H264
	}
	return nvr.NoCodec
}

// videoName is what people call a picture format (static types: RFC 3551 section 6).
func videoName(payload, codec string) string {
	switch strings.ToUpper(codec) {
	case "JPEG":
		return "Motion JPEG"
	case "MP4V-ES":
		return "MPEG-4"
	case "":
	default:
		return clean(codec)
	}
	switch payload {
	case "26":
		return "Motion JPEG"
	case "31":
		return "H.261"
	case "32":
		return "MPEG"
	case "33":
		return "MPEG-TS"
	case "34":
		return "H.263"
	}
	return "a format without a name"
}

// hintedSets reads parameter sets from a description: with start codes, with
// bytes behind them, with one missing, with broken base64. What is not valid is left out.
func hintedSets(codec nvr.Codec, params map[string]string) paramSets {
	var p paramSets
	list := params["sprop-parameter-sets"]
	if codec == nvr.H265 {
		list = params["sprop-vps"] + "," + params["sprop-sps"] + "," + params["sprop-pps"]
	}
	for enc := range strings.SplitSeq(list, ",") {
		raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimSpace(enc), "="))
		if err != nil {
			continue
		}
		for _, nalu := range splitStartCodes(raw) {
			p.take(codec, bytes.TrimRight(nalu, "\x00"))
		}
	}
	return p
}

// canonical writes a description that holds nothing but the media in use, in
// the order given, for gortsplib to read. The codecs are left out on purpose:
// gortsplib carries the packets, Lares unpacks them.
func (o *offer) canonical(secure bool, media ...*medium) []byte {
	var b bytes.Buffer
	b.WriteString("v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=camera\r\nt=0 0\r\n")
	if o.control != "" {
		fmt.Fprintf(&b, "a=control:%s\r\n", o.control)
	}
	for _, m := range media {
		kind, protocol, keys := "video", "RTP/AVP", cmp.Or(m.keys, o.keys)
		if m.codec == nvr.AAC {
			kind = "audio"
		}
		if secure && m.secure && keys != "" {
			protocol = "RTP/SAVP"
		}
		fmt.Fprintf(&b, "m=%s 0 %s %d\r\n", kind, protocol, m.payload)
		if protocol == "RTP/SAVP" {
			fmt.Fprintf(&b, "a=key-mgmt:%s\r\n", keys)
		}
		fmt.Fprintf(&b, "a=rtpmap:%d x/%d\r\n", m.payload, m.clock)
		if m.control != "" {
			fmt.Fprintf(&b, "a=control:%s\r\n", m.control)
		}
	}
	return b.Bytes()
}
