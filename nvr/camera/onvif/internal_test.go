package onvif

import (
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shared is the folder with what real cameras answered; the test is skipped
// without it.
func shared(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LARES_SHARED")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared")
	}
	dir = filepath.Join(dir, "protocol", "onvif")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("without the answers of real cameras (LARES_SHARED)")
	}
	return dir
}

func TestAnswersOfRealCamerasAreRead(t *testing.T) {
	dir := shared(t)
	base, err := url.Parse("http://10.0.0.9:8000/onvif/device_service")
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{base: base}
	files, err := filepath.Glob(filepath.Join(dir, "*.xml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no answers: %v", err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		// Dots stand for what was left out of the opening tag.
		text := []byte(strings.Replace(string(raw), "<SOAP-ENV:Envelope ...>", "<SOAP-ENV:Envelope>", 1))
		switch short := filepath.Base(name); {
		case strings.Contains(short, "Capabilities"):
			var r capabilities
			if err := parse(text, &r); err != nil || c.at(r.Media) != "http://10.0.0.9:8000/onvif/media_service" || r.Events == "" {
				t.Errorf("%s: %+v, %v", short, r, err)
			}
		case strings.Contains(short, "snapshot"):
			var r streamURI
			if err := parse(text, &r); err != nil || r.New+r.Old != "" {
				t.Errorf("%s: %+v, %v", short, r, err)
			}
		default:
			var r streamURI
			err := parse(text, &r)
			at, err2 := c.stream(r.New + r.Old)
			if err != nil || err2 != nil || !strings.HasPrefix(at, "rtsp://10.0.0.9:") {
				t.Errorf("%s: %q, %v, %v", short, at, err, err2)
			}
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`<e:Envelope xmlns:e="x"><e:Body><e:Fault><e:Code><e:Value>a</e:Value></e:Code></e:Fault></e:Body></e:Envelope>`))
	f.Add([]byte(`<Envelope><Body><GetProfilesResponse><Profiles token="a"><VideoEncoderConfiguration><Resolution><Width>1</Width></Resolution></VideoEncoderConfiguration></Profiles></GetProfilesResponse></Body></Envelope>`))
	f.Add([]byte(`<E><Body><ProbeMatches><ProbeMatch><EndpointReference><Address>urn:uuid:1</Address></EndpointReference><Scopes>onvif://www.onvif.org/name/a%20b</Scopes><XAddrs>http://0.0.0.0:80/x https://[::1]/y</XAddrs></ProbeMatch></ProbeMatches></Body></E>`))
	from := netip.MustParseAddr("192.168.1.7")
	f.Fuzz(func(t *testing.T, raw []byte) {
		var flt fault
		if parse(raw, &flt) == nil {
			_ = flt.err()
		}
		var all topics
		_ = parse(raw, &all)
		var profiles struct {
			List []profile2 `xml:"Body>GetProfilesResponse>Profiles"`
		}
		_ = parse(raw, &profiles)
		for _, d := range matches(raw, from) {
			u, err := url.Parse(d.Service)
			if err != nil || u.Hostname() != from.String() || u.User != nil {
				t.Errorf("service %q", d.Service)
			}
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="a, b", nonce="n", qop="auth,auth-int", algorithm=SHA-256, stale=TRUE`)
	f.Add(`Basic realm="x"`)
	f.Fuzz(func(t *testing.T, line string) {
		c := parseChallenge(line)
		if c == nil {
			return
		}
		if answer := c.answer("u", "secret", "/x", 1); strings.Contains(answer, "secret") && !strings.Contains(line, "secret") {
			t.Error("the answer holds the password")
		}
	})
}

func FuzzStreamURL(f *testing.F) {
	f.Add("rtsp://admin:pw@0.0.0.0:554/a?b=c#d")
	base, _ := url.Parse("https://192.168.1.7:8443/onvif/device_service")
	c := &Client{base: base}
	f.Fuzz(func(t *testing.T, named string) {
		at, err := c.stream(named)
		if err != nil {
			return
		}
		u, err := url.Parse(at)
		if err != nil || u.Hostname() != "192.168.1.7" || u.User != nil {
			t.Errorf("%q became %q (%v)", named, at, err)
		}
	})
}
