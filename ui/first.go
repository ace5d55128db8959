package ui

import (
	"log/slog"
	"net/http"
	"strconv"

	"lares/ui/view"
)

// askFirst sends somebody who has not confirmed to know what is kept of this
// house to the page that says so, before any other page.
func (s *Server) askFirst(c *call) error {
	if c.route.kind != page || c.r.Method != http.MethodGet || c.route.early {
		return nil
	}
	told, err := s.cfg.Auth.Told(c.r.Context(), c.sess)
	if err != nil {
		s.cfg.Log.WarnContext(c.r.Context(), "cannot ask whether somebody knows what is kept", slog.Any("error", err))
		return nil
	}
	if told {
		return nil
	}
	return redirect("/first" + nextQuery(c.r))
}

// firstPage says what is stored, how long, and who can see it.
func (s *Server) firstPage(c *call) error {
	m := view.First{Days: strconv.Itoa(s.cfg.RetentionDays), Next: localPath(c.r.URL.Query().Get("next"))}
	return c.render(http.StatusOK, view.FirstPage(s.page(c, s.text.T("first.title"), ""), m))
}

func (s *Server) confirmFirst(c *call) error {
	s.cfg.Auth.ConfirmTold(c.r.Context(), c.sess)
	return redirect(localPath(c.r.PostFormValue("next")))
}
