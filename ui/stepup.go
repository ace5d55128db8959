package ui

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"lares/nvr/auth"
	"lares/ui/view"
)

// The fields in which somebody proves once more to be there. They may come with
// any form: what was asked for then goes on.
const (
	proofPassword = "proof-password"
	proofCode     = "proof-code"
)

// checkProof asks whether what the route does needs a password that was typed a
// moment ago. Looking at a page does not.
func (s *Server) checkProof(c *call) error {
	if c.route.kind == page && c.r.Method != http.MethodPost {
		return nil
	}
	if c.route.kind == page {
		if err := s.stepUp(c); err != nil {
			return err
		}
	}
	return s.cfg.Auth.CheckProof(c.sess, c.route.action)
}

// stepUp takes the proof that came with a form, if one did.
func (s *Server) stepUp(c *call) error {
	password, code := c.r.PostFormValue(proofPassword), digits(c.r.PostFormValue(proofCode))
	if password == "" && code == "" {
		return nil
	}
	return s.notProved(s.cfg.Auth.StepUp(c.r.Context(), c.sess, password, code))
}

// notProved is err with what to say where somebody has to prove to be there;
// other errors stay what they are.
func (s *Server) notProved(err error) error {
	var throttled auth.ErrThrottled
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrWrong):
		return &unproved{text: s.text.T("proof.wrong"), err: err}
	case errors.As(err, &throttled):
		p := describe(err)
		return &unproved{text: s.text.T(p.text, p.args...), err: err}
	}
	return err
}

// unproved is a proof that failed, with the sentence above the form.
type unproved struct {
	text string
	err  error
}

// Error is for the log.
func (u *unproved) Error() string { return "prove: " + u.err.Error() }

// Unwrap returns the cause.
func (u *unproved) Unwrap() error { return u.err }

// askProof answers a page that needs a proof with the form for it, which sends
// what was typed before once more. It reports false for all other errors.
func (s *Server) askProof(c *call, err error) (bool, error) {
	var failed *unproved
	if c.sess == nil || c.route.kind != page || !errors.As(err, &failed) && !errors.Is(err, auth.ErrStepUp) {
		return false, nil
	}
	if c.r.Method != http.MethodPost {
		return true, redirect("/prove" + nextQuery(c.r))
	}
	m := view.Proof{Action: c.r.URL.Path, Back: "/", Fields: resend(c.r.PostForm)}
	if failed != nil {
		m.Form = view.Form{Error: failed.text, Field: proofPassword}
	}
	return true, c.render(http.StatusForbidden, view.ProofPage(s.page(c, s.text.T("proof.title"), ""), m))
}

// resend lists what a form brought, without secrets.
func resend(form url.Values) (fields [][2]string) {
	for name, values := range form {
		if slices.Contains([]string{proofPassword, proofCode, "password", "again", "old", "code"}, name) {
			continue
		}
		for _, v := range values {
			fields = append(fields, [2]string{name, v})
		}
	}
	return fields
}

// proofForm asks for the password before something that a script asks for.
func (s *Server) proofForm(c *call) error {
	next := localPath(c.r.URL.Query().Get("next"))
	back, err := url.Parse(next)
	if err != nil {
		return err
	}
	m := view.Proof{Action: "/prove", Back: back.Path, Fields: [][2]string{{"next", next}}}
	return c.render(http.StatusOK, view.ProofPage(s.page(c, s.text.T("proof.title"), ""), m))
}

// proved goes on after the proof, which came with the form.
func (s *Server) proved(c *call) error {
	if err := s.cfg.Auth.CheckProof(c.sess, auth.ActPeople); err != nil { // as strict as any
		return err
	}
	return redirect(localPath(c.r.PostFormValue("next")))
}
