package camera

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/pion/rtp"

	"lares/nvr"
	"lares/nvr/camera/camsim"
)

// script is a camera that answers with the words of a real one, byte for byte
// except for CSeq and Content-Length, and then sends pictures.
type script struct {
	// answers by method; {channels} is replaced by what the client asked for.
	answers map[base.Method]string
	codec   nvr.Codec
	payload uint8
	// before is written in front of the answer to PLAY.
	before []byte

	ln net.Listener
	mu sync.Mutex
	// asked are the requests that came.
	asked []*base.Request
}

const (
	plainOptions = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n"
	plainSetup   = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 12345678\r\nTransport: RTP/AVP/TCP;unicast;{channels}\r\n\r\n"
	plainPlay    = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: 12345678\r\n\r\n"
)

func (s *script) start(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ln = ln
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			stop := closeWithTest(t, conn)
			wg.Go(func() { defer stop(); s.serve(t, conn) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return "rtsp://" + ln.Addr().String() + "/cam/realmonitor?channel=1&subtype=1"
}

// closeWithTest closes the connection at the end of the test.
func closeWithTest(t *testing.T, conn net.Conn) func() {
	closing := sync.OnceFunc(func() { conn.Close() })
	t.Cleanup(closing)
	return closing
}

var (
	cseqLine   = regexp.MustCompile(`(?i)cseq: *\d+ *\r\n`)
	lengthLine = regexp.MustCompile(`(?i)content-length: *\d+\r\n`)
)

func (s *script) serve(t *testing.T, conn net.Conn) {
	br := bufio.NewReader(conn)
	for {
		var req base.Request
		if req.Unmarshal(br) != nil {
			return
		}
		s.mu.Lock()
		s.asked = append(s.asked, &req)
		s.mu.Unlock()
		text, ok := s.answers[req.Method]
		if !ok {
			text = "RTSP/1.0 501 Not Implemented\r\nCSeq: 1\r\n\r\n"
		}
		text = cseqLine.ReplaceAllString(text, "CSeq: "+req.Header["CSeq"][0]+"\r\n")
		if head, body, ok := strings.Cut(text, "\r\n\r\n"); ok && body != "" {
			head = lengthLine.ReplaceAllString(head+"\r\n", "")
			text = fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
		}
		if m := regexp.MustCompile(`interleaved=\d+-\d+`).FindString(strings.Join(req.Header["Transport"], "")); m != "" {
			text = strings.ReplaceAll(text, "{channels}", m)
		}
		if req.Method == base.Play {
			text = string(s.before) + text
		}
		if _, err := conn.Write([]byte(text)); err != nil {
			return
		}
		if req.Method == base.Play {
			go s.stream(t, conn)
		}
	}
}

// stream sends the clip over channel 0 until the connection is closed.
func (s *script) stream(t *testing.T, conn net.Conn) {
	for stamp := uint32(0); ; stamp += 3600 {
		for _, p := range keyFrame(t, s.codec, s.payload) {
			p.Timestamp = stamp
			raw, err := p.Marshal()
			if err != nil {
				return
			}
			frame := append([]byte{'$', 0, byte(len(raw) >> 8), byte(len(raw))}, raw...)
			if _, err := conn.Write(frame); err != nil {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// keyFrame packetizes the first picture of a test clip.
func keyFrame(t *testing.T, codec nvr.Codec, payload uint8) []*rtp.Packet {
	name := "plain.h264"
	if codec == nvr.H265 {
		name = "plain.h265"
	}
	raw, err := os.ReadFile(filepath.Join("camsim", "testdata", name))
	if err != nil {
		t.Error(err)
		return nil
	}
	var au [][]byte
	for _, nalu := range splitStartCodes(raw) {
		au = append(au, nalu)
		if roleOf(codec, nalu).slice() {
			break
		}
	}
	seq, ssrc := uint16(1), uint32(7)
	if codec == nvr.H265 {
		e := &rtph265.Encoder{PayloadType: payload, InitialSequenceNumber: &seq, SSRC: &ssrc}
		err = e.Init()
		if err == nil {
			pkts, err := e.Encode(au)
			if err == nil {
				return pkts
			}
		}
	} else {
		e := &rtph264.Encoder{PayloadType: payload, InitialSequenceNumber: &seq, SSRC: &ssrc, PacketizationMode: 1}
		err = e.Init()
		if err == nil {
			pkts, err := e.Encode(au)
			if err == nil {
				return pkts
			}
		}
	}
	t.Errorf("packetize: %v", err)
	return nil
}

// recorded returns an answer of a real camera from the shared material.
func recorded(t *testing.T, parts ...string) string {
	t.Helper()
	raw, err := os.ReadFile(shared(t, append([]string{"protocol"}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestAnswersOfRealCamerasLeadToPictures(t *testing.T) {
	t.Parallel()
	h264, h265 := nvr.H264, nvr.H265
	for name, c := range map[string]struct {
		dir, describe, setup, play string
		codec                      nvr.Codec
		payload                    uint8
	}{
		"bunny":                {"retina", "bunny_describe.txt", "bunny_setup.txt", "bunny_play.txt", h264, 97},
		"rtptime -1":           {"retina", "bunny_describe.txt", "bunny_setup.txt", "bad_rtptime.txt", h264, 97},
		"dahua":                {"retina", "dahua_describe_h264_aac_onvif.txt", "dahua_setup.txt", "dahua_play.txt", h264, 96},
		"dahua decimal ssrc":   {"retina", "dahua_describe_h265_pcma.txt", "dahua_setup.txt", "dahua_play_decimal_ssrc.txt", h265, 98},
		"reolink":              {"retina", "reolink_describe.txt", "reolink_setup.txt", "reolink_play.txt", h264, 96},
		"reolink order":        {"retina", "reolink_describe_control_first.txt", "reolink_setup.txt", "reolink_play.txt", h264, 96},
		"foscam":               {"retina", "foscam_describe.txt", "", "", h264, 96},
		"h264dvr":              {"retina", "h264dvr_describe.txt", "", "h264dvr_play.txt", h264, 96},
		"ipcam":                {"retina", "ipcam_describe.txt", "", "", h264, 96},
		"macrovideo":           {"retina", "macrovideo_describe.txt", "", "", h264, 96},
		"missing content type": {"retina", "missing_content_type_describe.txt", "", "", h264, 96},
		"aiphone":              {"issues", "cameradar199_aiphone_describe.txt", "", "", h264, 96},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &script{codec: c.codec, payload: c.payload, answers: map[base.Method]string{
				base.Options: recorded(t, "retina", "dahua_options.txt"), base.Describe: recorded(t, c.dir, c.describe),
				base.Setup: plainSetup, base.Play: plainPlay, base.Teardown: recorded(t, "retina", "reolink_teardown.txt"),
			}}
			if c.setup != "" {
				s.answers[base.Setup] = recorded(t, "retina", c.setup)
			}
			if c.play != "" {
				s.answers[base.Play] = recorded(t, "retina", c.play)
			}
			camera := nvr.Camera{ID: nvr.NewID[nvr.Camera](), Streams: []nvr.Source{{URL: s.start(t)}}}
			r := supervise(t, camera)
			reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
			defer reader.Close()
			got, _ := pictures(t, reader, 3)
			if got[0].Params.Video != c.codec || !got[0].Key {
				t.Errorf("first frame is %v, key %v", got[0].Params.Video, got[0].Key)
			}
		})
	}
}

func TestSetupAnswersOfRealCamerasAreUnderstood(t *testing.T) {
	for name, want := range map[string]string{
		"bunny_setup.txt":         "RTP/AVP/TCP;unicast;interleaved=0-1",
		"dahua_setup.txt":         "RTP/AVP/TCP;unicast;interleaved=0-1",
		"reolink_setup.txt":       "RTP/AVP/TCP;unicast;interleaved=0-1",
		"h264dvr_setup_video.txt": "RTP/AVP;unicast;client_port=18714-18715;server_port=40004-40005",
		"h264dvr_setup_audio.txt": "RTP/AVP;unicast;client_port=18716-18717;server_port=40006-40007",
	} {
		var res base.Response
		if err := res.Unmarshal(bufio.NewReader(strings.NewReader(recorded(t, "retina", name)))); err != nil {
			t.Fatal(err)
		}
		a := answers{asked: base.Setup}
		a.response(&res)
		if got := res.Header["Transport"][0]; got != want {
			t.Errorf("%s: Transport %q, want %q", name, got, want)
		}
		if a.id == "" || a.timeout != time.Minute {
			t.Errorf("%s: session %q with %v", name, a.id, a.timeout)
		}
	}
}

func TestSessionStaysTheFirstOne(t *testing.T) {
	t.Parallel()
	a := answers{asked: base.Setup}
	for _, id := range []string{"  231970 ;timeout=60", "231980;timeout=60", "231970"} {
		res := base.Response{StatusCode: 200, Header: base.Header{"Session": {id}, "Transport": {"RTP/AVP/TCP;interleaved=0-1"}}}
		a.response(&res)
		if got := res.Header["Session"][0]; got != "231970;timeout=60" {
			t.Errorf("after %q: %q", id, got)
		}
	}
}

// corpus is what the shared session descriptions offer: the codec of the
// pictures or the name of what they are, whether the sound can be recorded, and
// what is left out.
var corpus = map[string]struct {
	video string
	sound bool
	notes string
}{
	"retina/tplink_sdp.txt":         {"H.265", true, "application/TP-LINK"},
	"go2rtc/TestBugSDP1.sdp":        {"H.264", true, ""},
	"go2rtc/TestBugSDP2.sdp":        {"H.264", true, ""},
	"go2rtc/TestBugSDP3.sdp":        {"H.264", true, ""},
	"go2rtc/TestBugSDP4.sdp":        {"H.264", true, "application/MERCURY"},
	"go2rtc/TestBugSDP5.sdp":        {"H.264", true, ""},
	"go2rtc/TestBugSDP6.sdp":        {"Motion JPEG", true, "video.analysis vnd.onvif.metadata"},
	"go2rtc/TestBugSDP7.sdp":        {"H.264", true, "vnd.onvif.metadata"},
	"go2rtc/TestHikvisionPCM.sdp":   {"H.264", true, ""},
	"gortsplib/sdp_base.sdp":        {"no pictures", false, ""},
	"gortsplib/sdp_empty_lines.sdp": {"no pictures", false, ""},
	"gortsplib/sdp_full.sdp":        {"h263-1998", true, ""},
	"gortsplib/sdp_issue_gortsplib_1025_undisclosed_cameras_ipv4_.sdp":                 {"a format without a name", false, ""},
	"gortsplib/sdp_issue_gortsplib_1025_undisclosed_cameras_ipv6_.sdp":                 {"a format without a name", false, ""},
	"gortsplib/sdp_issue_gortsplib_112_a_Hex_session_.sdp":                             {"no pictures", false, ""},
	"gortsplib/sdp_issue_gortsplib_112_b_Hex_session_.sdp":                             {"no pictures", false, ""},
	"gortsplib/sdp_issue_gortsplib_116_IOI_trk_101_.sdp":                               {"MPEG-4", false, ""},
	"gortsplib/sdp_issue_gortsplib_201_invalid_origin_.sdp":                            {"H.264", true, ""},
	"gortsplib/sdp_issue_gortsplib_271_Mercury_cameras_.sdp":                           {"H.264", true, "application/MERCURY"},
	"gortsplib/sdp_issue_gortsplib_501_Avigilon_cameras_.sdp":                          {"a format without a name", true, ""},
	"gortsplib/sdp_issue_gortsplib_60_Hex_session_.sdp":                                {"no pictures", false, ""},
	"gortsplib/sdp_issue_gortsplib_85_FLIR_timing_.sdp":                                {"H.264", false, ""},
	"gortsplib/sdp_issue_gortsplib_879_AJA_encoder_.sdp":                               {"a format without a name", false, ""},
	"gortsplib/sdp_issue_mediamtx_1119_fritzbox_6660_Cable_.sdp":                       {"MPEG-TS", false, ""},
	"gortsplib/sdp_issue_mediamtx_115_RR_bitrate_.sdp":                                 {"H.264", true, ""},
	"gortsplib/sdp_issue_mediamtx_120_MP2T_in_protocol_.sdp":                           {"MPEG-TS", false, ""},
	"gortsplib/sdp_issue_mediamtx_121_empty_unicast_address_.sdp":                      {"H.264", true, ""},
	"gortsplib/sdp_issue_mediamtx_127_Amcrest_cameras_.sdp":                            {"no pictures", false, ""},
	"gortsplib/sdp_issue_mediamtx_136_RS_bandwidth_.sdp":                               {"x-asf-pf", false, "x-wms-rtx"},
	"gortsplib/sdp_issue_mediamtx_2128_Vurix_NVR_.sdp":                                 {"H.264", false, ""},
	"gortsplib/sdp_issue_mediamtx_227_Hik_Media_Server_.sdp":                           {"H.264", false, ""},
	"gortsplib/sdp_issue_mediamtx_2473_no_session_name_.sdp":                           {"H.265", true, ""},
	"gortsplib/sdp_issue_mediamtx_2558_decimal_numbers_in_origin_.sdp":                 {"H.264", false, ""},
	"gortsplib/sdp_issue_mediamtx_2708_Y_CAM_Bullet_HD_.sdp":                           {"MPEG-4", false, ""},
	"gortsplib/sdp_issue_mediamtx_2762_Altasec_NVR_.sdp":                               {"H.264", true, "METADATA"},
	"gortsplib/sdp_issue_mediamtx_3583_Wisenet_NVR_.sdp":                               {"H.264", false, "MPEG audio object-detection"},
	"gortsplib/sdp_issue_mediamtx_5008_Uniview_IPC2122LB_SF28K_A_.sdp":                 {"H.264", false, "vnd.onvif.metadata"},
	"gortsplib/sdp_issue_mediamtx_5292_Verint_cameras_IP_instead_of_IN_in_origin_.sdp": {"H.264", false, ""},
	"gortsplib/sdp_issue_mediamtx_75_LiveReporter_App_.sdp":                            {"H.264", true, ""},
	"gortsplib/sdp_issue_mediamtx_85_SONY_SNC_WR630_.sdp":                              {"H.264", false, ""},
	"gortsplib/sdp_issue_mediamtx_948_TIAS_bitrate_.sdp":                               {"H.264", false, ""},
	"gortsplib/sdp_issue_mediamtx_990_TP_Link_.sdp":                                    {"H.265", true, "application/TP-LINK"},
	"gortsplib/sdp_no_origin.sdp":                                                      {"H.265", true, ""},
	"gortsplib/sdp_no_timing.sdp":                                                      {"H.265", true, ""},
	"gortsplib/sdp_onvif_specification.sdp":                                            {"Motion JPEG", true, ""},
	"gortsplib/sdp_unix_newlines.sdp":                                                  {"no pictures", false, ""},
	"gortsplib/sdp_unordered_global_attributes.sdp":                                    {"H.264", false, "vnd.onvif.metadata"},
	"gortsplib/session_issue_mediamtx_5074_fake_back_channel_.sdp":                     {"H.264", false, ""},
	"gortsplib/session_issue_mediamtx_5074_real_back_channel_.sdp":                     {"H.264", true, "vnd.onvif.metadata"},
	"gortsplib/session_key_mgmt_in_media.sdp":                                          {"H.264", false, ""},
	"gortsplib/session_key_mgmt_in_session.sdp":                                        {"H.264", false, ""},
	"gortsplib/session_multiple_formats_for_each_media.sdp":                            {"H.264", false, ""},
	"gortsplib/session_multiple_formats_for_each_media_2.sdp":                          {"H.264", false, ""},
	"gortsplib/session_one_format_for_each_media_absolute.sdp":                         {"H.264", true, "application"},
	"gortsplib/session_one_format_for_each_media_relative.sdp":                         {"H.264", true, "application"},
	"gortsplib/session_onvif_back_channel.sdp":                                         {"Motion JPEG", true, ""},
	"gortsplib/session_ulpfec_rfc5109.sdp":                                             {"H.261", true, "ulpfec"},
	"issues/axis_msl417_hikvision_playback_no_sprop.sdp":                               {"H.264", true, ""},
	"issues/gortsplib479_dahua_onvif_backchannel_TRUNCATED.sdp":                        {"H.264", true, "vnd.onvif.metadata"},
	"issues/mediamtx95_range_clock_and_joined_line.sdp":                                {"H.264", false, ""},
	"issues/moonfire213_cam1_rtpmap_trailing_space.sdp":                                {"H.264", false, ""},
	"issues/moonfire213_cam4_sprop_with_start_codes.sdp":                               {"H.264", false, ""},
}

func TestDescriptionsOfRealCamerasPlayOrSayWhyNot(t *testing.T) {
	root := shared(t, "protocol")
	files, err := filepath.Glob(filepath.Join(root, "*", "*.sdp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, filepath.Join(root, "retina", "tplink_sdp.txt")) {
		name := filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)
		want, known := corpus[name]
		if !known {
			t.Errorf("%s is not in the table of this test", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			o := parseOffer(text)
			for part := range strings.SplitSeq(want.notes, " ") {
				if !strings.Contains(strings.Join(o.notes, "\n"), part) {
					t.Errorf("notes %q do not name %s", o.notes, part)
				}
			}
			if want.notes == "" && len(o.notes) > 0 {
				t.Errorf("notes %q, want none", o.notes)
			}
			cfg := camsim.Config{Main: clip(t, "bframes_aac.mp4")}
			if want.video == "H.265" {
				cfg.Main = clip(t, "h265.mp4")
			}
			if !want.sound {
				cfg.Speed = 16
			}
			if o.video != nil {
				cfg.PayloadType = o.video.payload
			}
			sim := simulate(t, cfg)
			sim.Misbehave(camsim.Misbehaviour{Description: string(text)})
			c := describe(sim, nvr.Main)
			c.Audio = true
			r := superviseSound(t, c, (&transcoder{}).each)
			if o.video == nil {
				wait(t, "the reason", func() bool { return r.feeds[0].Stream().State().Down.Cause == nvr.CameraUnfit })
				if got := r.feeds[0].Stream().State().Down.Detail; !strings.Contains(got, want.video) {
					t.Errorf("%q does not name %s", got, want.video)
				}
				return
			}
			reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
			defer reader.Close()
			got, _ := pictures(t, reader, 5)
			p := got[0].Params
			if p.Video.String() != want.video {
				t.Errorf("plays %v, want %s", p.Video, want.video)
			}
			if sound := p.Audio == nvr.AAC; sound != (want.sound && want.video == "H.264") {
				t.Errorf("sound %v, want %v", sound, want.sound)
			}
		})
	}
}

func TestRedirectToAnotherDeviceIsNotFollowed(t *testing.T) {
	t.Parallel()
	other := &script{}
	s := &script{answers: map[base.Method]string{
		base.Options:  plainOptions,
		base.Describe: "RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://localhost:" + port(other.start(t)) + "/\r\n\r\n",
	}}
	camera := nvr.Camera{Streams: []nvr.Source{{URL: s.start(t)}}, User: "u", Password: "p"}
	r := supervise(t, camera)
	wait(t, "refusal", func() bool { return r.feeds[0].Stream().State().Down.Cause == nvr.CameraRefused })
	other.mu.Lock()
	defer other.mu.Unlock()
	if len(other.asked) > 0 {
		t.Error("the other device was asked")
	}
}

func port(address string) string {
	_, rest, _ := strings.Cut(strings.TrimPrefix(address, "rtsp://"), ":")
	p, _, _ := strings.Cut(rest, "/")
	return p
}

func TestRedirectOnTheCameraItselfIsFollowed(t *testing.T) {
	t.Parallel()
	target := &script{codec: nvr.H264, payload: 96, answers: map[base.Method]string{
		base.Options: plainOptions, base.Setup: plainSetup, base.Play: plainPlay,
		base.Describe: "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\nv=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
	}}
	s := &script{answers: map[base.Method]string{
		base.Options:  plainOptions,
		base.Describe: "RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: " + target.start(t) + "\r\n\r\n",
	}}
	r := supervise(t, nvr.Camera{Streams: []nvr.Source{{URL: s.start(t)}}})
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	pictures(t, reader, 1)
}

func TestPacketsOfAnOldSessionBeforePlayAreWaitedOut(t *testing.T) {
	t.Parallel()
	s := &script{answers: map[base.Method]string{
		base.Options:  "$\x00\x00\x04abcd" + plainOptions,
		base.Describe: "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\nv=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
	}}
	c := &session{
		source: nvr.Source{URL: s.start(t)}, feed: NewFeed(nvr.NewStream(nvr.StreamID{}, nvr.StreamConfig{})), clock: systemClock(),
	}
	f := explain(c.run(t.Context()), c.circumstances())
	if f.cause != nvr.CameraOffline || f.wait < time.Minute || f.final {
		t.Errorf("%+v", f)
	}
}

func TestCredentialsGoOnlyToServersThatAsk(t *testing.T) {
	t.Parallel()
	s := &script{codec: nvr.H264, payload: 96, answers: map[base.Method]string{
		base.Options: plainOptions, base.Setup: plainSetup, base.Play: plainPlay,
		base.Describe: "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\nv=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
	}}
	camera := nvr.Camera{Streams: []nvr.Source{{URL: s.start(t)}}, User: "somebody", Password: "topsecret"}
	r := supervise(t, camera)
	reader := r.feeds[0].Stream().NewReader(nvr.ReaderOptions{Hold: true})
	defer reader.Close()
	pictures(t, reader, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, req := range s.asked {
		raw, err := req.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("somebody")) || req.Header["Authorization"] != nil {
			t.Errorf("credentials in %s", req.Method)
		}
	}
}

func TestQuotedSHA256ChallengeIsAnswered(t *testing.T) {
	t.Parallel()
	s := &script{answers: map[base.Method]string{
		base.Options: recorded(t, "issues", "go2rtc2344_sha256_only_401.txt") + "\r\n", // the file ends before the blank line
	}}
	camera := nvr.Camera{Streams: []nvr.Source{{URL: s.start(t)}}, User: "u", Password: "p"}
	r := supervise(t, camera)
	wait(t, "refusal", func() bool { return r.feeds[0].Stream().State().Down.Cause == nvr.CameraRefused })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asked) != 2 {
		t.Fatalf("%d requests, want one without and one with credentials", len(s.asked))
	}
	if got := strings.Join(s.asked[1].Header["Authorization"], ""); !strings.HasPrefix(got, "Digest ") || !strings.Contains(got, "SHA-256") {
		t.Errorf("answered with %q", got)
	}
}
