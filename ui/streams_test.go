package ui_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"lares/nvr"
)

// running is a stream over a real connection.
type running struct {
	what  string
	ended chan error
}

// run begins a stream and returns when its first bytes are there.
func run(t *testing.T, srv *httptest.Server, token, path string) running {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "__Host-lares", Value: token})
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(resp.Body)
	if _, err := body.ReadByte(); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", path, resp.StatusCode, err)
	}
	s := running{path, make(chan error, 1)}
	go func() {
		_, err := io.Copy(io.Discard, body)
		s.ended <- err
		_ = resp.Body.Close() // it has ended
	}()
	return s
}

// TestR9R10RunningStreamsEndWithWhatTheyWereBegunWith: live pictures and news,
// over real connections, end in under two seconds.
func TestR9R10RunningStreamsEndWithWhatTheyWereBegunWith(t *testing.T) {
	const bound = 2 * time.Second
	for name, end := range map[string]func(h *house, owner, b *browser, camera nvr.Camera, place string){
		"the person is removed": func(_ *house, owner, _ *browser, _ nvr.Camera, place string) {
			owner.post(place+"/remove", "sure", "yes")
		},
		"the account is switched off": func(_ *house, owner, _ *browser, _ nvr.Camera, place string) {
			owner.post(place+"/suspend", "off", "yes")
		},
		"the password is taken away": func(_ *house, owner, _ *browser, _ nvr.Camera, place string) {
			owner.post(place+"/reset", "sure", "yes")
		},
		"a right is taken": func(_ *house, owner, _ *browser, camera nvr.Camera, place string) {
			owner.send(place, url.Values{"name": {ben}, "role": {"member"}, "right": {camera.ID.String() + " replay"}})
		},
		"the role is taken": func(_ *house, owner, _ *browser, camera nvr.Camera, place string) {
			owner.send(place, url.Values{"name": {ben}, "role": {"viewer"}, "right": {camera.ID.String() + " live"}})
		},
		"the login is ended on another device": func(h *house, _, b *browser, _ nvr.Camera, _ string) {
			sess, err := h.auth.Resume(h.t.Context(), b.cookies["__Host-lares"], "")
			if err != nil {
				h.t.Fatal(err)
			}
			if err := h.auth.Revoke(h.t.Context(), sess.ID()); err != nil {
				h.t.Fatal(err)
			}
		},
		"the password is changed on another device": func(h *house, _, _ *browser, _ nvr.Camera, _ string) {
			other := h.browser("")
			other.post("/login", "name", ben, "password", benPassword)
			other.post("/account/password", "old", benPassword, "password", "nine grey geese march", "again", "nine grey geese march")
		},
		"the person logs out": func(_ *house, _, b *browser, _ nvr.Camera, _ string) { b.post("/logout") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			owner := h.browser(h.claim())
			camera := h.fleet.add("Front door")
			publish(h.fleet.Stream(camera.Streams[1].Stream))
			b := h.joinAs(invite(t, owner, url.Values{
				"name": {ben}, "role": {"member"}, "right": {camera.ID.String() + " live", camera.ID.String() + " replay", camera.ID.String() + " audio"},
			}))
			place := "/people/" + personID(t, owner, ben)
			srv := httptest.NewUnstartedServer(h)
			srv.EnableHTTP2 = true
			srv.StartTLS()
			t.Cleanup(srv.Close) // after the streams: they end with the test at the latest
			token := b.cookies["__Host-lares"]
			sess, err := h.auth.Resume(t.Context(), token, "")
			if err != nil {
				t.Fatal(err)
			}
			sess.Admit("127.0.0.1") // where the streams come from
			streams := []running{
				run(t, srv, token, "/api/v1/live/"+camera.ID.String()+"?quality=sub"),
				run(t, srv, token, "/api/v1/happenings"),
			}
			began := time.Now()
			end(h, owner, b, camera, place)
			for _, s := range streams {
				select {
				case <-s.ended:
				case <-time.After(bound - time.Since(began)):
					t.Errorf("%s goes on after %v", s.what, bound)
				}
			}
			wantRedirect(t, b.get("/events"), "/login?next=%2Fevents")
		})
	}
}
