package camsim

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // what cameras ask for (RFC 7616)
	"crypto/sha1" //nolint:gosec // what cameras ask for (WS-UsernameToken 1.0)
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"lares/nvr"
)

// question is what the ONVIF side understands of a request.
type question struct {
	User    string `xml:"Header>Security>UsernameToken>Username"`
	Digest  string `xml:"Header>Security>UsernameToken>Password"`
	Nonce   string `xml:"Header>Security>UsernameToken>Nonce"`
	Created string `xml:"Header>Security>UsernameToken>Created"`
	Body    struct {
		Ask struct {
			XMLName xml.Name
			Profile string   `xml:"ProfileToken"`
			Token   string   `xml:"Token"`
			Mask    maskText `xml:"Mask"`
		} `xml:",any"`
	} `xml:"Body"`
}

// maskText is a mask in a request; places are from -1 to 1, y upwards.
type maskText struct {
	Token  string `xml:"token,attr"`
	Points []struct {
		X float64 `xml:"x,attr"`
		Y float64 `xml:"y,attr"`
	} `xml:"Polygon>Point"`
}

// ServeHTTP implements http.Handler.
func (o *ONVIF) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bad := o.misbehaviour()
	peer := hostOf(addrOf(r.RemoteAddr))
	raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var q question
	switch {
	case o.banned(peer):
		panic(http.ErrAbortHandler) // closes the connection
	case bad.Off || err != nil || xml.Unmarshal(raw, &q) != nil:
		http.NotFound(w, r)
		return
	case bad.Body != "":
		_, _ = io.WriteString(w, bad.Body) // a client that left is not our problem
		return
	}
	name := q.Body.Ask.XMLName.Local
	if name != "GetSystemDateAndTime" && name != "GetServices" && name != "GetCapabilities" && !o.login(w, r, q, peer) {
		return
	}
	if answer := o.answer(name, q); answer != "" {
		o.say(w, http.StatusOK, answer)
		return
	}
	o.say(w, http.StatusBadRequest, faultText("ter:ActionNotSupported", "Optional Action Not Implemented"))
}

// addrOf is a remote address as the ban list knows it.
func addrOf(s string) net.Addr {
	p, _ := netip.ParseAddrPort(s) // the server wrote it
	return net.TCPAddrFromAddrPort(p)
}

func (o *ONVIF) banned(peer string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bad.BanAfter > 0 && o.wrong[peer] >= o.bad.BanAfter
}

// login checks the login of a request, and answers where it does not fit.
func (o *ONVIF) login(w http.ResponseWriter, r *http.Request, q question, peer string) bool {
	if o.cfg.User == "" {
		return true
	}
	offered, right := q.User != "", o.tokenFits(q)
	if o.cfg.Digest {
		offered, right = r.Header.Get("Authorization") != "", o.digestFits(r)
	}
	o.mu.Lock()
	if offered {
		o.asked++
	}
	if offered && !right {
		o.wrong[peer]++
	}
	o.mu.Unlock()
	if right {
		return true
	}
	status := http.StatusBadRequest
	if o.cfg.Digest {
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Digest realm="camera", nonce="`+o.nonce+`", algorithm=MD5, qop="auth"`)
	}
	o.say(w, status, faultText("ter:NotAuthorized", "Sender not Authorized"))
	return false
}

func (o *ONVIF) tokenFits(q question) bool {
	const tolerance = 30 * time.Second
	nonce, err := base64.StdEncoding.DecodeString(q.Nonce)
	at, err2 := time.Parse(time.RFC3339Nano, q.Created)
	if err != nil || err2 != nil || at.Sub(o.now()).Abs() > tolerance {
		return false
	}
	h := sha1.New() //nolint:gosec // see above
	h.Write(nonce)
	h.Write([]byte(q.Created + o.cfg.Password.Reveal()))
	return q.User == o.cfg.User && q.Digest == base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// digestFits checks an RFC 7616 answer with MD5 and qop=auth.
func (o *ONVIF) digestFits(r *http.Request) bool {
	said := func(name string) string {
		_, rest, _ := strings.Cut(r.Header.Get("Authorization"), name+"=")
		rest, _, _ = strings.Cut(rest, ",")
		return strings.Trim(rest, `" `)
	}
	sum := func(s string) string {
		h := md5.Sum([]byte(s)) //nolint:gosec // see above
		return hex.EncodeToString(h[:])
	}
	ha1 := sum(o.cfg.User + ":camera:" + o.cfg.Password.Reveal())
	ha2 := sum(r.Method + ":" + r.URL.RequestURI())
	want := sum(strings.Join([]string{ha1, o.nonce, said("nc"), said("cnonce"), "auth", ha2}, ":"))
	return said("username") == o.cfg.User && said("response") == want
}

// now is the time of the camera's clock.
func (o *ONVIF) now() time.Time { return time.Now().Add(o.misbehaviour().ClockAhead).UTC() }

// answer returns the content of the body, empty for what it does not know.
func (o *ONVIF) answer(name string, q question) string {
	host := o.scheme() + "://" + o.host()
	switch name {
	case "GetSystemDateAndTime":
		t := o.now()
		return fmt.Sprintf(`<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType><tt:UTCDateTime>`+
			`<tt:Time><tt:Hour>%d</tt:Hour><tt:Minute>%d</tt:Minute><tt:Second>%d</tt:Second></tt:Time><tt:Date><tt:Year>%d</tt:Year><tt:Month>%d</tt:Month>`+
			`<tt:Day>%d</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>`,
			t.Hour(), t.Minute(), t.Second(), t.Year(), t.Month(), t.Day())
	case "GetDeviceInformation":
		return `<tds:GetDeviceInformationResponse><tds:Manufacturer>` + escapeText(o.cfg.Maker) + `</tds:Manufacturer><tds:Model>` + escapeText(o.cfg.Model) +
			`</tds:Model><tds:FirmwareVersion>1.0</tds:FirmwareVersion><tds:SerialNumber>` + escapeText(o.cfg.Serial) + `</tds:SerialNumber></tds:GetDeviceInformationResponse>`
	case "GetNetworkInterfaces":
		return `<tds:GetNetworkInterfacesResponse><tds:NetworkInterfaces token="eth0"><tt:Enabled>true</tt:Enabled><tt:Info><tt:HwAddress>` +
			o.cfg.MAC + `</tt:HwAddress></tt:Info></tds:NetworkInterfaces></tds:GetNetworkInterfacesResponse>`
	case "GetCapabilities":
		return `<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media><tt:XAddr>` + host + `/onvif/media</tt:XAddr></tt:Media></tds:Capabilities></tds:GetCapabilitiesResponse>`
	case "GetServices":
		if o.cfg.Old {
			return ""
		}
		var b strings.Builder
		for _, s := range []string{"ver10/device", "ver20/media", "ver10/events"} {
			b.WriteString(`<tds:Service><tds:Namespace>http://www.onvif.org/` + s + `/wsdl</tds:Namespace><tds:XAddr>` + host + `/onvif/` + s + `</tds:XAddr></tds:Service>`)
		}
		return `<tds:GetServicesResponse>` + b.String() + `</tds:GetServicesResponse>`
	case "GetProfiles":
		prefix := "tr2:"
		if o.cfg.Old {
			prefix = "trt:"
		}
		return `<` + prefix + `GetProfilesResponse>` + o.profile(nvr.Main) + o.profile(nvr.Sub) + `</` + prefix + `GetProfilesResponse>`
	case "GetStreamUri":
		quality := nvr.Main
		if q.Body.Ask.Profile == "p_sub" {
			quality = nvr.Sub
		}
		uri := escapeText(o.streamURL(quality))
		if o.cfg.Old {
			return `<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>` + uri + `</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>`
		}
		return `<tr2:GetStreamUriResponse><tr2:Uri>` + uri + `</tr2:Uri></tr2:GetStreamUriResponse>`
	}
	if events := o.eventAnswer(name, host); events != "" {
		return events
	}
	return o.maskAnswer(name, q)
}

// eventAnswer is the part of answer about what the camera notices.
func (o *ONVIF) eventAnswer(name, host string) string {
	switch name {
	case "GetEventProperties":
		set := `<tns1:RuleEngine xmlns:tns1="http://www.onvif.org/ver10/topics"><CellMotionDetector><Motion/></CellMotionDetector></tns1:RuleEngine>`
		if o.cfg.Bell {
			set = strings.Replace(set, `<Motion/>`, `<Motion/><Visitor/>`, 1)
		}
		return `<tev:GetEventPropertiesResponse><wstop:TopicSet xmlns:wstop="http://docs.oasis-open.org/wsn/t-1">` + set + `</wstop:TopicSet></tev:GetEventPropertiesResponse>`
	case "CreatePullPointSubscription":
		return `<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference><a:Address>` + host + `/onvif/pull?id=1</a:Address></tev:SubscriptionReference></tev:CreatePullPointSubscriptionResponse>`
	case "PullMessages":
		return `<tev:PullMessagesResponse>` + o.pull() + `</tev:PullMessagesResponse>`
	}
	return ""
}

// pull hands the events over that have happened since.
func (o *ONVIF) pull() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := strings.Join(o.events, "")
	o.events = nil
	return all
}

// maskAnswer keeps the privacy masks.
func (o *ONVIF) maskAnswer(name string, q question) string {
	if o.cfg.MaxMasks == 0 || o.cfg.Old {
		return ""
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	at := func(token string) int {
		return slices.IndexFunc(o.masks, func(m nvr.Mask) bool { return m.Token == token })
	}
	asked := nvr.Mask{Token: q.Body.Ask.Mask.Token}
	for _, p := range q.Body.Ask.Mask.Points {
		asked.Points = append(asked.Points, nvr.Point{X: (p.X + 1) / 2, Y: (1 - p.Y) / 2})
	}
	switch name {
	case "GetMaskOptions":
		return `<tr2:GetMaskOptionsResponse><tr2:Options RectangleOnly="false"><tr2:MaxMasks>` + strconv.Itoa(o.cfg.MaxMasks) +
			`</tr2:MaxMasks><tr2:MaxPoints>8</tr2:MaxPoints><tr2:Types>Color</tr2:Types></tr2:Options></tr2:GetMaskOptionsResponse>`
	case "GetMasks":
		return `<tr2:GetMasksResponse>` + masksText(o.masks) + `</tr2:GetMasksResponse>`
	case "CreateMask":
		if len(o.masks) >= o.cfg.MaxMasks {
			return ""
		}
		o.made++
		asked.Token = "mask" + strconv.Itoa(o.made)
		o.masks = append(o.masks, asked)
		return `<tr2:CreateMaskResponse><tr2:Token>` + asked.Token + `</tr2:Token></tr2:CreateMaskResponse>`
	case "SetMask":
		if i := at(asked.Token); i >= 0 {
			o.masks[i] = asked
			return `<tr2:SetMaskResponse/>`
		}
	case "DeleteMask":
		if i := at(q.Body.Ask.Token); i >= 0 {
			o.masks = slices.Delete(o.masks, i, i+1)
			return `<tr2:DeleteMaskResponse/>`
		}
	}
	return ""
}

func masksText(masks []nvr.Mask) string {
	var b strings.Builder
	for _, m := range masks {
		b.WriteString(`<tr2:Masks token="` + m.Token + `"><tr2:ConfigurationToken>vsc</tr2:ConfigurationToken><tr2:Polygon>`)
		for _, p := range m.Points {
			fmt.Fprintf(&b, `<tt:Point x="%.4f" y="%.4f"/>`, 2*p.X-1, 1-2*p.Y)
		}
		b.WriteString(`</tr2:Polygon><tr2:Type>Color</tr2:Type><tr2:Enabled>true</tr2:Enabled></tr2:Masks>`)
	}
	return b.String()
}

func faultText(subcode, reason string) string {
	return `<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>` + subcode + `</s:Value></s:Subcode></s:Code><s:Reason><s:Text>` + reason + `</s:Text></s:Reason></s:Fault>`
}

func (o *ONVIF) say(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/soap+xml; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="http://www.onvif.org/ver10/schema" `+
		`xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tr2="http://www.onvif.org/ver20/media/wsdl" `+
		`xmlns:tev="http://www.onvif.org/ver10/events/wsdl" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:a="http://www.w3.org/2005/08/addressing" `+
		`xmlns:ter="http://www.onvif.org/ver10/error"><s:Header/><s:Body>`+body+`</s:Body></s:Envelope>`) // a client that left is not our problem
}

func escapeText(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a Buffer takes everything
	return b.String()
}

// listenGroup opens what hears questions of WS-Discovery.
func (o *ONVIF) listenGroup() error {
	if o.cfg.Group == "" {
		return nil
	}
	addr, err := net.ResolveUDPAddr("udp4", o.cfg.Group)
	if err != nil {
		return fmt.Errorf("listen for discovery: %w", err)
	}
	if !addr.IP.IsMulticast() {
		conn, err := net.ListenUDP("udp4", addr)
		if err != nil {
			return fmt.Errorf("listen for discovery: %w", err)
		}
		o.group = []net.PacketConn{conn}
		return nil
	}
	links, err := net.Interfaces()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, link := range links {
		if conn, err := net.ListenMulticastUDP("udp4", &link, addr); err == nil { // else the link is down
			o.group = append(o.group, conn)
		}
	}
	return nil
}

// GroupAddr is where it hears questions: of use where Group named port 0.
func (o *ONVIF) GroupAddr() string { return o.group[0].LocalAddr().String() }

// hear answers questions until the connection is closed.
func (o *ONVIF) hear(conn net.PacketConn) {
	buf := make([]byte, 16<<10)
	for {
		n, peer, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if !bytes.Contains(buf[:n], []byte("discovery/Probe")) || o.misbehaviour().Off {
			continue
		}
		scope := func(kind, value string) string {
			return "onvif://www.onvif.org/" + kind + "/" + strings.ReplaceAll(escapeText(value), " ", "%20") + " "
		}
		answer := `<?xml version="1.0"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" ` +
			`xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><e:Body><d:ProbeMatches><d:ProbeMatch><w:EndpointReference><w:Address>` + o.cfg.Endpoint +
			`</w:Address></w:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>` +
			scope("name", o.cfg.Name) + scope("hardware", o.cfg.Model) + scope("manufacturer", o.cfg.Maker) +
			`</d:Scopes><d:XAddrs>` + o.scheme() + `://` + o.host() + `/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>`
		if body := o.misbehaviour().Body; body != "" {
			answer = body
		}
		_, _ = conn.WriteTo([]byte(answer), peer) // the questioner asks again
	}
}
