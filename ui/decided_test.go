package ui_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/nvr/vault"
)

// decided deletes and keeps as the recorder does, and hands over the keys of one
// segment that is sealed to the vault of its day.
type decided struct {
	mu       sync.Mutex // guards what follows
	plan     nvr.DeletionPlan
	busy     error
	deleted  []nvr.DeletionRequest
	open     []nvr.Deletion
	held     []nvr.KeptFootage
	finished int
	keys     []nvr.SealedKey
}

func (d *decided) PlanDeletion(_ context.Context, _ nvr.Opener, req nvr.DeletionRequest) (nvr.DeletionPlan, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if req.Camera.IsZero() {
		return nvr.DeletionPlan{}, nvr.ErrNotFound
	}
	return d.plan, nil
}

func (d *decided) Delete(_ context.Context, _ nvr.Opener, req nvr.DeletionRequest) (nvr.DeletionPlan, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.busy != nil {
		return nvr.DeletionPlan{}, d.busy
	}
	d.deleted = append(d.deleted, req)
	return d.plan, nil
}

func (d *decided) Unfinished(context.Context) ([]nvr.Deletion, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.open), nil
}

func (d *decided) FinishDeletions(context.Context, nvr.Opener) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.finished++
	d.open = nil
	return nil
}

func (d *decided) Held(context.Context) ([]nvr.KeptFootage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.held), nil
}

func (d *decided) Hold(_ context.Context, _ nvr.Opener, h nvr.Hold) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = append(d.held, nvr.KeptFootage{Hold: h, Bytes: 3e6})
	return nil
}

func (d *decided) Lift(_ context.Context, id nvr.ID[nvr.Hold]) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = slices.DeleteFunc(d.held, func(k nvr.KeptFootage) bool { return k.ID == id })
	return nil
}

func (d *decided) SegmentKeys(context.Context, nvr.CameraID, time.Time, time.Time) iter.Seq2[nvr.SealedKey, error] {
	return func(yield func(nvr.SealedKey, error) bool) {
		for _, k := range d.keys {
			if !yield(k, nil) {
				return
			}
		}
	}
}

// record gives the camera a segment that is sealed to its vault of today.
func (h *house) record(camera nvr.Camera) {
	h.t.Helper()
	to, err := h.auth.CurrentVault(h.t.Context(), camera.ID, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	info := append([]byte("segment"), to.Vault[:]...)
	sealed, err := vault.Seal(to.Public, info, make([]byte, 32))
	if err != nil {
		h.t.Fatal(err)
	}
	h.decided.keys = []nvr.SealedKey{{Vault: to.Vault, Info: info, Sealed: sealed}}
}

// marked is the query of a span of ten minutes that is past.
func marked() (query string, from, to time.Time) {
	from = time.Now().Add(-20 * time.Minute).UTC().Truncate(time.Second)
	to = from.Add(10 * time.Minute)
	return url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}.Encode(), from, to
}

func TestDeletionSaysWhatGoesAndAsksForProofBeforeItDoesIt(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	camera := h.fleet.add("Front door")
	query, from, to := marked()
	h.decided.plan = nvr.DeletionPlan{
		From: from.Add(-time.Minute), To: to.Add(time.Minute), Bytes: 123e6, Events: 7, Days: 1, Footage: 12 * time.Minute,
		Kept:   []nvr.Hold{{ID: nvr.NewID[nvr.Hold](), From: from, To: to, Why: "the broken fence"}},
		Beyond: []nvr.Span{{From: to.Add(5 * time.Minute), To: to.Add(6 * time.Minute)}},
	}
	place := "/cameras/" + camera.ID.String() + "/delete"
	text := words(page(t, b.get(place+"?"+query)))
	for _, want := range []string{"123 MB", "Events7", "12 min 0 s", "the broken fence", "cannot be undone", "about a minute", from.Add(-time.Minute).Format("2006-01-02 15:04")} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q: %s", want, text)
		}
	}
	fields := []string{"from", from.Format(time.RFC3339), "to", to.Format(time.RFC3339)}
	wantStatus(t, b.post(place, fields...), http.StatusUnprocessableEntity) // the box is not ticked
	fields = append(fields, "sure", "yes")

	h.restart() // sessions stay, keys and proofs do not
	wantRedirect(t, b.get(place+"?"+query), "/unlock?next="+url.QueryEscape(place+"?"+query))
	wantStatus(t, b.post(place, fields...), http.StatusForbidden)
	wantStatus(t, b.post(place, append(slices.Clone(fields), "proof-password", "wrong")...), http.StatusForbidden)
	if len(h.decided.deleted) > 0 {
		t.Fatal("deleted without a proof")
	}
	wantRedirect(t, b.post(place, append(slices.Clone(fields), "proof-password", password)...), "/cameras/"+camera.ID.String()+"?done=deleted")
	want := nvr.DeletionRequest{Camera: camera.ID, From: from, To: to}
	if len(h.decided.deleted) != 1 || h.decided.deleted[0].By.IsZero() {
		t.Fatalf("deleted %+v", h.decided.deleted)
	}
	if got := h.decided.deleted[0]; got.Camera != want.Camera || !got.From.Equal(want.From) || !got.To.Equal(want.To) {
		t.Errorf("deleted %+v, want %+v", got, want)
	}
	if n := h.entries(token, auth.LogDeleted); n != 1 {
		t.Errorf("%d receipts", n)
	}
	if text := words(page(t, b.get("/log"))); !strings.Contains(text, "Anna deleted recordings of Front door: 12 min 0 s, 123 MB, 7 events") {
		t.Errorf("the record: %s", text)
	}
}

func TestDeletionThatCannotBeDoneSaysSoAndIsInTheRecord(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	camera := h.fleet.add("Front door")
	query, from, to := marked()
	place := "/cameras/" + camera.ID.String() + "/delete"
	if text := words(page(t, b.get(place+"?"+query))); !strings.Contains(text, "nothing to delete") {
		t.Errorf("of nothing: %s", text)
	}
	h.decided.plan = nvr.DeletionPlan{From: from, To: to, Bytes: 1e6}
	h.decided.busy = nvr.ErrBusy
	w := b.post(place, "from", from.Format(time.RFC3339), "to", to.Format(time.RFC3339), "sure", "yes")
	wantStatus(t, w, http.StatusServiceUnavailable)
	if text := words(page(t, w)); !strings.Contains(text, "Try again in a minute") {
		t.Errorf("it says %s", text)
	}
	if n := h.entries(token, auth.LogDeleteStopped); n != 1 {
		t.Errorf("%d entries that it stopped", n)
	}
	h.decided.open = []nvr.Deletion{{Camera: camera.ID}}
	if text := words(page(t, b.get(place))); !strings.Contains(text, "is not finished") {
		t.Errorf("an interrupted one: %s", text)
	}
	wantRedirect(t, b.post(place, "finish", "yes"), place+"?done=deletion-finished")
	if h.decided.finished != 1 {
		t.Error("it was not finished")
	}
}

func TestDeletionOfTheWholeHouseAsksForEachCamera(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	for _, name := range []string{"Front door", "Garden"} {
		h.fleet.add(name)
	}
	h.decided.plan = nvr.DeletionPlan{From: time.Unix(0, 0), To: time.Now(), Bytes: 5e9, Footage: time.Hour, Events: 2}
	if text := words(page(t, b.get("/delete"))); !strings.Contains(text, "10 GB") || !strings.Contains(text, "2 h 0 min") {
		t.Errorf("the page: %s", text)
	}
	wantRedirect(t, b.post("/delete", "sure", "yes"), "/delete?done=deleted")
	if len(h.decided.deleted) != 2 {
		t.Errorf("deleted %+v", h.decided.deleted)
	}
}

func TestEvidenceIsKeptListedAndLetGoByItsOwnPersonOrAnOwner(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	owner := h.browser(token)
	camera := h.fleet.add("Front door")
	member := h.role(owner, "member", camera)
	query, from, to := marked()
	place := "/cameras/" + camera.ID.String() + "/keep"
	wantStatus(t, member.get(place+"?"+query), http.StatusOK)
	fields := []string{"from", from.Format(time.RFC3339), "to", to.Format(time.RFC3339)}
	if field, _ := complaint(t, page(t, member.post(place, append(slices.Clone(fields), "why", " ")...))); field != "why" {
		t.Errorf("without a reason: field %q", field)
	}
	for _, b := range []*browser{member, owner} {
		wantRedirect(t, b.post(place, append(slices.Clone(fields), "why", "the broken fence")...), "/keeps?done=kept")
	}
	text := words(page(t, member.get("/keeps")))
	for _, want := range []string{"Front door", "the broken fence", "Kept by A member, 3 MB", "Kept by Anna", "6 MB in all"} {
		if !strings.Contains(text, want) {
			t.Errorf("the list does not say %q: %s", want, text)
		}
	}
	mine, theirs := h.decided.held[0], h.decided.held[1]
	wantStatus(t, member.post("/keeps/"+theirs.ID.String()+"/lift"), http.StatusNotFound)
	wantStatus(t, member.post("/keeps/x/lift"), http.StatusNotFound)
	wantRedirect(t, owner.post("/keeps/"+mine.ID.String()+"/lift"), "/keeps?done=lifted")
	if len(h.decided.held) != 1 || h.entries(token, auth.LogKept) != 2 || h.entries(token, auth.LogLifted) != 1 {
		t.Errorf("left %+v; %d, %d entries", h.decided.held, h.entries(token, auth.LogKept), h.entries(token, auth.LogLifted))
	}
	viewer := h.role(owner, "viewer", h.fleet.add("Garden"))
	if text := words(page(t, viewer.get("/keeps"))); strings.Contains(text, "fence") {
		t.Errorf("somebody else's camera: %s", text)
	}
}

// visitor is somebody who has nothing but a link.
type visitor struct {
	*browser
	id, secret string
	shown      struct {
		Camera, Name, Label, By string
		From, To, Until         int64
		Sound                   bool
	}
}

// share makes a link on the page and opens it in another browser.
func (h *house) share(t *testing.T, owner *browser, camera nvr.Camera, from, to time.Time, more ...string) *visitor {
	t.Helper()
	h.record(camera)
	w := owner.post("/cameras/"+camera.ID.String()+"/share", append([]string{
		"from", from.Format(time.RFC3339), "to", to.Format(time.RFC3339), "label", "for the insurance", "days", "3",
	}, more...)...)
	wantStatus(t, w, http.StatusOK)
	address := ""
	for _, n := range all(page(t, w), tag("input")) {
		address += attr(n, "value")
	}
	_, token, ok := strings.Cut(address, "https://"+host+"/shared#")
	if !ok {
		t.Fatalf("no link: %q", address)
	}
	v := &visitor{browser: h.browser("")}
	v.id, v.secret, _ = strings.Cut(token, ".")
	w = v.post("/api/v1/shared?link", "link", v.id, "secret", v.secret)
	wantStatus(t, w, http.StatusOK)
	if err := json.Unmarshal(w.Body.Bytes(), &v.shown); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestLinkShowsItsSpanAndNothingElse(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	owner := h.browser(token)
	camera, other := h.fleet.add("Front door"), h.fleet.add("Garden")
	h.footage.media = []byte("media")
	_, from, to := marked()
	v := h.share(t, owner, camera, from, to)
	if v.shown.Camera != camera.ID.String() || v.shown.Name != "Front door" || v.shown.Label != "for the insurance" || v.shown.By != anna ||
		v.shown.From != from.UnixMilli() || v.shown.To != to.UnixMilli() || v.shown.Until < time.Now().Add(71*time.Hour).UnixMilli() {
		t.Errorf("the link says %+v", v.shown)
	}
	ms := func(c nvr.Camera, what string, from, to time.Time) string {
		q := url.Values{"from": {from.Format(time.RFC3339Nano)}, "to": {to.Format(time.RFC3339Nano)}, "link": {"1"}}
		return "/api/v1/cameras/" + c.ID.String() + "/" + what + "?" + q.Encode()
	}
	for _, what := range []string{"index", "media", "init/" + nvr.NewID[nvr.Segment]().String()} {
		wantStatus(t, v.get(ms(camera, what, from, to)), http.StatusOK)
		if w := v.get(ms(other, what, from, to)); w.Code == http.StatusOK {
			t.Errorf("%s of another camera", what)
		}
	}
	for _, span := range [][2]time.Time{{from.Add(-time.Millisecond), to}, {from, to.Add(2 * time.Millisecond)}, {time.Now().Add(-time.Minute), time.Now()}} {
		for _, what := range []string{"index", "media", "timeline"} {
			if w := v.get(ms(camera, what, span[0], span[1])); w.Code == http.StatusOK {
				t.Errorf("%s outside the span", what)
			}
		}
	}
	for _, path := range []string{
		ms(camera, "export.mp4", from, to), ms(camera, "still.jpg", from, to), "/api/v1/live/" + camera.ID.String() + "?link=1",
		"/api/v1/cameras?link=1", "/api/v1/events?link=1", "/api/v1/happenings?link=1", "/?link=1", "/log?link=1", "/account?link=1", "/links?link=1",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond) // some answers do not end
		if w := v.do(httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)); w.Code == http.StatusOK {
			t.Errorf("a link gets %s", path)
		}
		cancel()
	}
	if w := v.get(strings.ReplaceAll(ms(camera, "media", from, to), "link=1", "")); w.Code != http.StatusUnauthorized {
		t.Errorf("the session of a link counts as a login: %d", w.Code)
	}
	if n := h.entries(token, auth.LogLink) * h.entries(token, auth.LogLinkOpened); n != 1 {
		t.Error("making and opening it is not in the record")
	}
	for _, secret := range []string{"", "x", v.secret[1:] + "A"} {
		if w := h.browser("").post("/api/v1/shared", "link", v.id, "secret", secret); w.Code != http.StatusForbidden {
			t.Errorf("the link opens with %q: %d", secret, w.Code)
		}
	}
	shell := words(page(t, owner.get("/shared")))
	if strings.Contains(shell, anna) || strings.Contains(shell, "Who looked") || strings.Contains(shell, "Front door") {
		t.Errorf("the page of a link shows the house: %s", shell)
	}
}

func TestSoundOfALinkAndOfAPersonNeedsItsRight(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	camera.Audio = true
	if _, err := h.fleet.Update(t.Context(), camera); err != nil {
		t.Fatal(err)
	}
	_, from, to := marked()
	without := func(right string) *browser {
		form := url.Values{"name": {"Without " + right}, "role": {"member"}}
		for _, r := range []string{"live", "replay", "audio", "export"} {
			if r != right {
				form.Add("right", camera.ID.String()+" "+r)
			}
		}
		return h.joinAs(invite(t, owner, form))
	}
	for name, c := range map[string]struct {
		b     *browser
		query string
		hears bool
	}{
		"owner":          {owner, "", true},
		"member":         {h.role(owner, "member", camera), "", true},
		"without audio":  {without("audio"), "", false},
		"viewer":         {h.role(owner, "viewer", camera), "", false},
		"link":           {h.share(t, owner, camera, from, to).browser, "&link=1", false},
		"link and sound": {h.share(t, owner, camera, from, to, "sound", "yes").browser, "&link=1", true},
	} {
		query := "?" + url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}}.Encode() + c.query
		h.footage.asked = nil
		base := "/api/v1/cameras/" + camera.ID.String() + "/"
		paths := []string{"index", "media", "init/" + nvr.NewID[nvr.Segment]().String()}
		if name != "viewer" && c.query == "" {
			paths = append(paths, "export.mp4")
		}
		for _, path := range paths {
			wantStatus(t, c.b.get(base+path+query), http.StatusOK)
		}
		if len(h.footage.asked) != len(paths) {
			t.Fatalf("%s: %d requests", name, len(h.footage.asked))
		}
		for i, req := range h.footage.asked {
			if req.Sound != c.hears {
				t.Errorf("%s: %s with sound: %v", name, paths[i], req.Sound)
			}
		}
		if c.query != "" {
			continue
		}
		publish(h.fleet.Stream(camera.Streams[0].Stream))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		w := c.b.do(httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/v1/live/"+camera.ID.String()+"?sound=1", nil))
		cancel()
		if (w.Code == http.StatusOK) != c.hears {
			t.Errorf("%s: live with sound answers %d", name, w.Code)
		}
		hasMute := len(all(page(t, c.b.get("/cameras/"+camera.ID.String())), func(n *node) bool { return attr(n, "data-action") == "mute" })) > 0
		if hasMute != c.hears {
			t.Errorf("%s: the page offers sound: %v", name, hasMute)
		}
	}
}

func TestLinkEndsWhileItIsWatched(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	_, from, to := marked()
	v := h.share(t, owner, camera, from, to)
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	id, err := nvr.ParseID[nvr.Principal](v.id)
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := h.auth.OpenLink(t.Context(), id, v.secret, "127.0.0.1", "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/v1/cameras/"+camera.ID.String()+"/shared?link=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(&http.Cookie{Name: "__Host-lares-link", Value: token})
	resp, err := srv.Client().Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := resp.Body.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if text := words(page(t, owner.get("/links"))); !strings.Contains(text, "for the insurance") || !strings.Contains(text, "Without sound") {
		t.Errorf("the list: %s", text)
	}
	began := time.Now()
	wantRedirect(t, owner.post("/links/"+v.id+"/end"), "/links?done=link-ended")
	_, err = io.Copy(io.Discard, resp.Body)
	t.Logf("the answer ended after %v: %v", time.Since(began), err)
	w := v.get("/api/v1/cameras/" + camera.ID.String() + "/media?link=1&from=1&to=2")
	if got := decode[refusal](t, w); w.Code != http.StatusUnauthorized || got.Error.Code != "link" {
		t.Errorf("after its end: %d %+v", w.Code, got)
	}
	if _, _, err := h.auth.OpenLink(t.Context(), nvr.PrincipalID{}, v.secret, "", ""); !errors.Is(err, auth.ErrLink) {
		t.Errorf("an unknown link: %v", err)
	}
	wantStatus(t, owner.post("/links/"+v.id+"/end"), http.StatusNotFound)
}

func TestTimelineSaysWhoDeleted(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	owner := h.browser(token)
	camera := h.fleet.add("Front door")
	h.decided.plan = nvr.DeletionPlan{From: at(1), To: at(2), Bytes: 1}
	wantRedirect(t, owner.post("/cameras/"+camera.ID.String()+"/delete", "sure", "yes"), "/cameras/"+camera.ID.String()+"?done=deleted")
	h.footage.timeline = nvr.Timeline{Gaps: []nvr.Gap{{From: at(1), To: at(2), Cause: nvr.Deleted, Detail: h.decided.deleted[0].By.String()}}}
	type answer struct {
		Gaps []struct{ Cause, Detail string }
	}
	got := decode[answer](t, owner.get("/api/v1/cameras/"+camera.ID.String()+"/timeline?from=0&to=5000"))
	if len(got.Gaps) != 1 || got.Gaps[0].Cause != "deleted" || got.Gaps[0].Detail != anna {
		t.Errorf("the gap says %+v", got)
	}
}
