package camera

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/base"
)

// defaultSessionTimeout is RFC 2326 section 12.37's.
const defaultSessionTimeout = 60 * time.Second

const maxRedirects = 3

// answers repairs the answers of a camera before gortsplib reads them, and
// notes what only the answers say. It is used under the session's lock, from
// the goroutine of the client.
type answers struct {
	host      string // of the camera, without port
	secure    bool   // rtsps
	wantSound bool
	converts  bool // sound that is not AAC is of use

	asked     base.Method // of the request that is being answered
	transport string      // of that request
	offered   bool        // credentials went along with it
	accepted  bool        // an answer to credentials was not 401
	answered  bool
	redirects int
	described bool
	offer     offer
	id        string // of the session
	timeout   time.Duration
	refusal   error // why the answer was not let through
}

// request notes what is asked.
func (a *answers) request(req *base.Request) {
	a.asked = req.Method
	a.transport = strings.Join(req.Header["Transport"], "")
	_, a.offered = req.Header["Authorization"]
}

// response repairs one answer in place.
func (a *answers) response(res *base.Response) {
	if res.Header == nil {
		res.Header = make(base.Header)
	}
	switch {
	case res.StatusCode == base.StatusUnauthorized:
		a.challenge(res)
	case a.offered:
		a.accepted = true
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		a.redirect(res)
	}
	a.session(res)
	switch {
	case a.asked == base.Options && res.StatusCode >= 400 && res.StatusCode != base.StatusUnauthorized:
		// A camera may lack OPTIONS; gortsplib goes on after 'not found'.
		res.StatusCode = base.StatusNotFound
	case a.asked == base.Describe && res.StatusCode == base.StatusOK:
		a.describe(res)
	case a.asked == base.Setup && res.StatusCode == base.StatusOK:
		a.setup(res)
	}
}

// redirect lets a camera send us to another address of its own, not to another
// device: the password would go along.
func (a *answers) redirect(res *base.Response) {
	a.redirects++
	target, err := base.ParseURL(strings.Join(res.Header["Location"], ""))
	if err == nil && strings.EqualFold(target.Hostname(), a.host) && a.redirects <= maxRedirects {
		return
	}
	a.refusal = errRedirected
	res.StatusCode = base.StatusForbidden
	delete(res.Header, "Location")
}

var (
	shaName      = regexp.MustCompile(`(?i)algorithm\s*=\s*"?SHA_?256"?`)
	quotedBlanks = regexp.MustCompile(`\s*=\s*"`)
)

// challenge brings WWW-Authenticate into the spelling that gortsplib knows.
func (a *answers) challenge(res *base.Response) {
	for i, value := range res.Header["WWW-Authenticate"] {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
		switch strings.ToLower(scheme) {
		case "basic":
			scheme = "Basic"
		case "digest":
			scheme = "Digest"
		}
		rest = quotedBlanks.ReplaceAllString(rest, `="`)
		rest = shaName.ReplaceAllString(rest, `algorithm="SHA-256"`)
		res.Header["WWW-Authenticate"][i] = scheme + " " + strings.TrimSpace(rest)
	}
}

// session keeps the id that the camera gave first: some give another one with
// each SETUP and then know the first one only.
func (a *answers) session(res *base.Response) {
	values, ok := res.Header["Session"]
	if !ok {
		return
	}
	delete(res.Header, "Session")
	if a.asked != base.Setup {
		return // a session begins with SETUP (RFC 2326 section 12.37)
	}
	id, options, _ := strings.Cut(values[0], ";")
	if id = strings.TrimSpace(id); id == "" {
		return
	}
	if a.id == "" {
		a.id = id
		a.timeout = sessionTimeout(options)
	}
	res.Header["Session"] = base.HeaderValue{
		fmt.Sprintf("%s;timeout=%d", a.id, int(a.timeout/time.Second)),
	}
}

func sessionTimeout(options string) time.Duration {
	for part := range strings.SplitSeq(options, ";") {
		key, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if strings.EqualFold(strings.TrimSpace(key), "timeout") && err == nil && n >= 5 && n <= 3600 {
			return time.Duration(n) * time.Second
		}
	}
	return defaultSessionTimeout
}

// describe replaces the description by one that holds the usable media only.
func (a *answers) describe(res *base.Response) {
	a.described = true
	a.offer = parseOffer(res.Body)
	var media []*medium
	if a.offer.video != nil {
		media = append(media, a.offer.video)
	}
	if sound := a.offer.sound; sound != nil && a.wantSound && a.offer.video != nil {
		if sound.converted() && !a.converts {
			a.offer.notes = append([]string{unknownSound(sound.heard.name)}, a.offer.notes...)
		} else {
			media = append(media, sound)
		}
	}
	if len(media) == 0 {
		a.refusal = unfitError{a.offer.unfit}
		res.StatusCode = base.StatusForbidden
		return
	}
	res.Body = a.offer.canonical(a.secure, media...)
	res.Header["Content-Type"] = base.HeaderValue{"application/sdp"}
	contentBase := res.Header["Content-Base"]
	if len(contentBase) == 0 {
		return
	}
	if value := strings.TrimSpace(contentBase[0]); !strings.HasPrefix(value, "/") {
		if u, err := base.ParseURL(value); err != nil || u.Host == "" {
			delete(res.Header, "Content-Base")
			return
		}
	}
	res.Header["Content-Base"] = contentBase[:1]
}

var (
	interleaved = regexp.MustCompile(`(?i)interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?`)
	clientPorts = regexp.MustCompile(`(?i)client_port\s*=\s*\d{1,5}(?:-\d{1,5})?`)
	serverPorts = regexp.MustCompile(`(?i)server_port\s*=\s*\d{1,5}(?:-\d{1,5})?`)
)

// setup keeps of the Transport header (RFC 2326 section 12.39) what gortsplib
// needs. The source that a camera names is dropped: it is often wrong, and
// packets belong to the address that we talk to.
func (a *answers) setup(res *base.Response) {
	value := strings.Join(res.Header["Transport"], ",")
	if value == "" {
		value = a.transport // the camera takes what was asked for
	}
	profile := "RTP/AVP"
	if strings.Contains(strings.ToUpper(value), "SAVP") {
		profile = "RTP/SAVP"
	}
	if m := interleaved.FindStringSubmatch(value); m != nil {
		first, err := strconv.Atoi(m[1])
		if err != nil || first > 254 {
			return
		}
		value = fmt.Sprintf("%s/TCP;unicast;interleaved=%d-%d", profile, first, first+1)
		res.Header["Transport"] = base.HeaderValue{value}
		return
	}
	parts := []string{profile, "unicast"}
	for _, known := range []*regexp.Regexp{clientPorts, serverPorts} {
		if part := known.FindString(value); part != "" {
			parts = append(parts, strings.ToLower(strings.ReplaceAll(part, " ", "")))
		}
	}
	res.Header["Transport"] = base.HeaderValue{strings.Join(parts, ";")}
}
