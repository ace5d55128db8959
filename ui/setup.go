package ui

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strconv"
	"strings"

	"rsc.io/qr"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// setupStep is a step of the first run that happens before there is an owner.
type setupStep int

const (
	stepCode setupStep = iota + 1
	stepOwner
	stepRecovery
	stepFactor
)

// setupDraft is a first run so far.
type setupDraft struct {
	step  setupStep
	claim auth.ClaimRequest
	ask   [2]int // which groups of the recovery key are typed back, from 1
	// Of the second factor.
	secret, authURL string
}

// setup returns the first run of this browser, a new one if there is none.
func (s *Server) setup(c *call) (token string, d setupDraft) {
	if cookie, err := c.r.Cookie(setupCookieName); err == nil {
		if d, ok := s.setups.get(cookie.Value); ok {
			return cookie.Value, d
		}
	}
	return "", setupDraft{step: stepCode}
}

func (s *Server) setupForm(c *call) error {
	_, d := s.setup(c)
	return s.showSetup(c, http.StatusOK, d, view.Form{})
}

// showSetup draws the step at which a first run is.
func (s *Server) showSetup(c *call, status int, d setupDraft, form view.Form) error {
	m := view.Setup{Form: form, Step: int(d.step), Ask: d.ask, Secret: d.secret, AuthURL: d.authURL}
	switch d.step {
	case stepRecovery:
		m.Groups = recoveryGroups(d)
	case stepFactor:
		code, err := drawQR(d.authURL)
		if err != nil {
			return err
		}
		m.QR = code
	}
	return c.render(status, view.SetupPage(s.page(c, s.text.T("setup.title"), ""), m))
}

// again shows the step once more with what is wrong.
func (s *Server) again(c *call, d setupDraft, field, message string) error {
	form := view.Form{Error: message, Field: field, Values: map[string]string{"name": d.claim.Name}}
	return s.showSetup(c, http.StatusUnprocessableEntity, d, form)
}

// at returns the first run if it is at the step; else the browser is sent to
// the step where it is.
func (s *Server) at(c *call, step setupStep) (token string, d setupDraft, err error) {
	token, d = s.setup(c)
	if d.step != step {
		return "", d, redirect("/setup")
	}
	return token, d, nil
}

func (s *Server) setupCode(c *call) error {
	code := strings.ToUpper(strings.TrimSpace(c.r.PostFormValue("setup-code")))
	d := setupDraft{step: stepCode}
	err := s.cfg.Auth.CheckSetupCode(c.r.Context(), code, c.addr())
	var throttled auth.ErrThrottled
	switch {
	case errors.Is(err, auth.ErrSetupCode):
		return s.again(c, d, "setup-code", s.text.T("setup.code_wrong"))
	case errors.As(err, &throttled):
		p := describe(err)
		return s.again(c, d, "setup-code", s.text.T(p.text, p.args...))
	case err != nil:
		return err
	}
	d.step, d.claim.Code = stepOwner, code
	setCookie(c.w, setupCookieName, s.setups.add(d), draftLife)
	return redirect("/setup")
}

func (s *Server) setupOwner(c *call) error {
	token, d, err := s.at(c, stepOwner)
	if err != nil {
		return err
	}
	d.claim.Name = strings.TrimSpace(c.r.PostFormValue("name"))
	d.claim.Password = c.r.PostFormValue("password")
	if auth.CheckName(d.claim.Name) != nil {
		return s.again(c, d, "name", s.text.T("setup.name_bad"))
	}
	if field, message := s.checkPassword(c, d.claim.Name); message != "" {
		return s.again(c, d, field, message)
	}
	d.claim.Recovery = auth.NewRecoveryKey()
	if d.ask, err = twoGroups(len(recoveryGroups(d))); err != nil {
		return err
	}
	d.step = stepRecovery
	s.setups.set(token, d)
	return redirect("/setup")
}

// checkPassword looks at a new password and its repetition; an empty message
// means that both are good.
func (s *Server) checkPassword(c *call, name string) (field, message string) {
	password := c.r.PostFormValue("password")
	switch {
	case len([]rune(password)) < 12:
		return "password", s.text.T("password.short")
	case auth.CheckPassword(password, name) != nil:
		return "password", s.text.T("password.bad")
	case password != c.r.PostFormValue("again"):
		return "again", s.text.T("form.differ")
	}
	return "", ""
}

func (s *Server) setupRecovery(c *call) error {
	token, d, err := s.at(c, stepRecovery)
	if err != nil {
		return err
	}
	groups := recoveryGroups(d)
	for i, field := range []string{"group-a", "group-b"} {
		if typed(c.r.PostFormValue(field)) != groups[d.ask[i]-1] {
			return s.again(c, d, field, s.text.T("setup.group_wrong", "n", strconv.Itoa(d.ask[i])))
		}
	}
	if d.secret, d.authURL, err = auth.NewTOTP(d.claim.Name); err != nil {
		return fmt.Errorf("make second factor: %w", err)
	}
	d.step = stepFactor
	s.setups.set(token, d)
	return redirect("/setup")
}

// setupFactor is the last step before the household exists.
func (s *Server) setupFactor(c *call) error {
	token, d, err := s.at(c, stepFactor)
	if err != nil {
		return err
	}
	claim := d.claim
	claim.Addr, claim.Device = c.addr(), device(s.text, c.r)
	if c.r.PostFormValue("waive") == "yes" {
		claim.WaiveSecondFactor = true
	} else {
		claim.TOTP = &auth.TOTPEnrolment{Secret: d.secret, Code: digits(c.r.PostFormValue("code"))}
	}
	_, session, err := s.cfg.Auth.Claim(c.r.Context(), claim)
	switch {
	case errors.Is(err, auth.ErrTOTP):
		return s.again(c, d, "code", s.text.T("setup.factor_wrong"))
	case errors.Is(err, auth.ErrSetupCode):
		s.setups.drop(token)
		return s.again(c, setupDraft{step: stepCode}, "setup-code", s.text.T("setup.lost"))
	case errors.Is(err, auth.ErrClaimed):
		return redirect("/login")
	case err != nil:
		return err
	}
	s.setups.drop(token)
	setCookie(c.w, setupCookieName, "", 0)
	setCookie(c.w, cookieName, session, cookieLife)
	return redirect("/welcome")
}

// welcome says what is kept, where and how long.
func (s *Server) welcome(c *call) error {
	disks, err := s.cfg.Status.Disks(c.r.Context())
	if err != nil {
		return err
	}
	m := view.Welcome{Days: s.cfg.RetentionDays}
	for _, d := range disks {
		m.Disks = append(m.Disks, s.disk(d))
	}
	return c.render(http.StatusOK, view.WelcomePage(s.page(c, s.text.T("welcome.page"), ""), m))
}

func (s *Server) disk(d nvr.DiskStatus) view.Disk {
	v := view.Disk{Path: d.Disk.Path, Used: bytesText(d.Used), Free: bytesText(d.Free), Total: bytesText(d.Total)}
	if d.Total > 0 {
		v.Percent = int(100 * (d.Total - d.Free) / d.Total)
	}
	switch d.State {
	case nvr.DiskLost:
		v.Problem = s.text.T("disk.lost")
	case nvr.DiskForeign:
		v.Problem = s.text.T("disk.foreign")
	case nvr.DiskReadOnly:
		v.Problem = s.text.T("disk.readonly")
	case nvr.DiskNoRoom:
		v.Problem = s.text.T("disk.full")
	}
	return v
}

// bytesText is a number of bytes for people, in decimal units as on the box of a disk.
func bytesText(n int64) string {
	switch {
	case n >= 1e12:
		return strconv.FormatFloat(float64(n)/1e12, 'f', 1, 64) + " TB"
	case n >= 1e9:
		return strconv.FormatFloat(float64(n)/1e9, 'f', 0, 64) + " GB"
	}
	return strconv.FormatFloat(float64(n)/1e6, 'f', 0, 64) + " MB"
}

func recoveryGroups(d setupDraft) []string { return strings.Split(d.claim.Recovery.String(), "-") }

// typed brings a group of the recovery key into the spelling of the sheet.
func typed(group string) string {
	group = strings.ToUpper(strings.TrimSpace(group))
	return strings.NewReplacer("O", "0", "I", "1", "L", "1", " ", "", "-", "").Replace(group)
}

// twoGroups chooses two different groups of n, in order, from 1.
func twoGroups(n int) (ask [2]int, err error) {
	a, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return ask, fmt.Errorf("choose groups: %w", err)
	}
	b, err := rand.Int(rand.Reader, big.NewInt(int64(n-1)))
	if err != nil {
		return ask, fmt.Errorf("choose groups: %w", err)
	}
	first, second := int(a.Int64()), int(b.Int64())
	if second >= first {
		second++
	}
	return [2]int{min(first, second) + 1, max(first, second) + 1}, nil
}

// drawQR makes one path of the dark squares.
func drawQR(text string) (view.QR, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return view.QR{}, fmt.Errorf("draw QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				path.WriteString("M" + strconv.Itoa(x) + " " + strconv.Itoa(y) + "h1v1h-1z")
			}
		}
	}
	return view.QR{Size: code.Size, Path: path.String()}, nil
}
