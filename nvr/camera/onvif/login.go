package onvif

import (
	"crypto/md5" //nolint:gosec // the digest that cameras ask for (RFC 7616)
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the digest of WS-UsernameToken 1.0
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strings"
	"time"

	"lares/nvr"
)

// token is the WS-Security header of a request (WS-UsernameToken Profile 1.0,
// section 3.1): base64(SHA-1(nonce + created + password)), with the time of the
// camera's clock.
func token(user string, password nvr.Secret, at time.Time) string {
	const (
		base   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
		digest = base + "username-token-profile-1.0#PasswordDigest"
		nonced = base + "soap-message-security-1.0#Base64Binary"
	)
	nonce := make([]byte, 16)
	rand.Read(nonce) // never fails: crypto/rand, Go 1.24
	created := at.UTC().Format("2006-01-02T15:04:05.000Z")
	h := sha1.New() //nolint:gosec // see above
	h.Write(nonce)
	h.Write([]byte(created + password.Reveal()))
	return `<wsse:Security s:mustUnderstand="1" xmlns:wsse="` + base + `wssecurity-secext-1.0.xsd" xmlns:wsu="` + base +
		`wssecurity-utility-1.0.xsd"><wsse:UsernameToken><wsse:Username>` + escape(user) +
		`</wsse:Username><wsse:Password Type="` + digest + `">` + base64.StdEncoding.EncodeToString(h.Sum(nil)) +
		`</wsse:Password><wsse:Nonce EncodingType="` + nonced + `">` + base64.StdEncoding.EncodeToString(nonce) +
		`</wsse:Nonce><wsu:Created>` + created + `</wsu:Created></wsse:UsernameToken></wsse:Security>`
}

// challenge is what HTTP Digest asks for (RFC 7616 section 3.3).
type challenge struct {
	realm, nonce, opaque, algorithm string
	qop                             bool // "auth" is offered
	stale                           bool
	sum                             func() hash.Hash
}

// challengeOf returns the strongest Digest challenge of an answer; nil if it
// has none that can be met.
func challengeOf(h http.Header) *challenge {
	var best *challenge
	for _, line := range h.Values("WWW-Authenticate") {
		c := parseChallenge(line)
		if c != nil && (best == nil || best.algorithm == "" || strings.EqualFold(best.algorithm, "MD5")) {
			best = c
		}
	}
	return best
}

func parseChallenge(line string) *challenge {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if !strings.EqualFold(scheme, "Digest") {
		return nil
	}
	c := &challenge{sum: md5.New}
	qop, hasQOP := "", false
	for rest != "" {
		var name, value string
		name, rest, _ = strings.Cut(rest, "=")
		name = strings.ToLower(strings.Trim(name, " ,\t"))
		if strings.HasPrefix(rest, `"`) {
			value, rest, _ = strings.Cut(rest[1:], `"`)
		} else {
			value, rest, _ = strings.Cut(rest, ",")
		}
		value = strings.TrimSpace(value)
		switch name {
		case "realm":
			c.realm = value
		case "nonce":
			c.nonce = value
		case "opaque":
			c.opaque = value
		case "algorithm":
			c.algorithm = value
		case "qop":
			qop, hasQOP = value, true
		case "stale":
			c.stale = strings.EqualFold(value, "true")
		}
	}
	for word := range strings.SplitSeq(qop, ",") {
		c.qop = c.qop || strings.EqualFold(strings.TrimSpace(word), "auth")
	}
	switch strings.ToUpper(c.algorithm) {
	case "", "MD5":
	case "SHA-256":
		c.sum = sha256.New
	default:
		return nil
	}
	if c.nonce == "" || hasQOP && !c.qop {
		return nil
	}
	return c
}

// answer is the Authorization header for a request of uri, the count-th with
// this nonce.
func (c *challenge) answer(user string, password nvr.Secret, uri string, count int) string {
	sum := func(s string) string {
		h := c.sum()
		h.Write([]byte(s))
		return hex.EncodeToString(h.Sum(nil))
	}
	quote := func(s string) string {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	ha1 := sum(user + ":" + c.realm + ":" + password.Reveal())
	ha2 := sum(http.MethodPost + ":" + uri)
	head := "Digest username=" + quote(user) + ", realm=" + quote(c.realm) + ", nonce=" + quote(c.nonce) + ", uri=" + quote(uri)
	if c.algorithm != "" {
		head += ", algorithm=" + c.algorithm
	}
	if c.opaque != "" {
		head += ", opaque=" + quote(c.opaque)
	}
	if !c.qop {
		return head + ", response=" + quote(sum(ha1+":"+c.nonce+":"+ha2))
	}
	nc, mine := fmt.Sprintf("%08x", count), rand.Text()
	response := sum(strings.Join([]string{ha1, c.nonce, nc, mine, "auth", ha2}, ":"))
	return head + ", qop=auth, nc=" + nc + ", cnonce=" + quote(mine) + ", response=" + quote(response)
}
