package ui

import (
	"net/http"
	"strconv"
	"strings"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui/view"
)

// protect says how this box protects the household: what holds at this moment,
// and what each attacker gets and does not get, with the tests that hold it.
func (s *Server) protect(c *call) error {
	m := view.Protect{}
	if s.cfg.Protection != nil {
		m.Facts = s.protectionFacts(s.cfg.Protection())
	}
	decoding, reduced := 0, 0
	for _, st := range s.camerasFor(c, auth.ActStatus) {
		n, err := s.cfg.Auth.Openers(c.r.Context(), c.sess, st.Camera.ID)
		if err != nil {
			return err
		}
		m.Opens = append(m.Opens, s.text.T("protect.opens", "camera", st.Camera.Name, "n", strconv.Itoa(n)))
		d := s.cfg.Detection.Detection(st.Camera.ID)
		if d.Works {
			decoding++
		}
		if d.Fence != "" {
			reduced++
			m.Facts = append(m.Facts, view.Fact{Text: s.text.T("protect.fence_reduced", "camera", st.Camera.Name, "why", d.Fence), Bad: true})
		}
	}
	if decoding > 0 && reduced == 0 {
		m.Facts = append(m.Facts, view.Fact{Text: s.text.T("protect.fence")})
	}
	for _, a := range attackers() {
		id := "protect." + strings.ReplaceAll(a.word, "-", "_")
		m.Attackers = append(m.Attackers, view.Attacker{
			Who: s.text.T(id), Gets: s.text.T(id + "_gets"), Not: s.text.T(id + "_not"), Tests: a.tests,
		})
	}
	return c.render(http.StatusOK, view.ProtectPage(s.page(c, s.text.T("protect.title"), "help"), m))
}

// protectionFacts puts what the kernel says into words.
func (s *Server) protectionFacts(p nvr.Protection) []view.Fact {
	key := map[nvr.KeyPlace]string{nvr.KeyInFile: "key_file", nvr.KeyFromSystem: "key_system", nvr.KeyInTPM: "key_tpm"}
	swap := map[nvr.SwapState]string{
		nvr.SwapOpen: "swap_open", nvr.SwapOff: "swap_off", nvr.SwapForbidden: "swap_forbidden", nvr.SwapLocked: "swap_locked",
	}
	facts := []view.Fact{
		{Text: s.text.T("protect.suite", "suite", p.Suite)},
		{Text: s.text.T("protect." + key[p.MachineKey])},
		{Text: s.text.T("protect." + swap[p.Swap]), Bad: p.Swap == nvr.SwapOpen},
	}
	private := view.Fact{Text: s.text.T("protect.private")}
	if !p.Private {
		private = view.Fact{Text: s.text.T("protect.not_private"), Bad: true}
	}
	facts = append(facts, private)
	egress := map[string]string{"refused": "egress_refused", "no-way": "egress_no_way", "let-out": "egress_let_out", "untested": "egress_untested"}
	if word := egress[p.Egress]; word != "" {
		open := p.Egress == "let-out" || p.Egress == "untested"
		facts = append(facts, view.Fact{Text: s.text.T("protect." + word), Bad: open})
	}
	if p.Erases {
		facts = append(facts, view.Fact{Text: s.text.T("protect.erases")})
	}
	return facts
}
