package ui_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"lares/nvr"
	"lares/nvr/auth"
	"lares/ui"
)

// sentences are the entries that a page of the record shows, newest first.
func sentences(t *testing.T, root *node) (list []string) {
	t.Helper()
	for _, ol := range all(root, class("log")) {
		for _, li := range all(ol, tag("li")) {
			list = append(list, words(li))
		}
	}
	return list
}

func TestR4RecordSaysWhoLookedInSentences(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	door, bedroom := h.fleet.add("Front door"), h.fleet.add("Bedroom")
	b := h.joinAs(invite(t, owner, url.Values{
		"name": {ben}, "role": {"member"}, "right": {door.ID.String() + " live", door.ID.String() + " replay"},
	}))
	media := func(c nvr.Camera) string {
		return "/api/v1/cameras/" + c.ID.String() + "/media?from=3600000&to=3900000&play=a"
	}
	wantStatus(t, b.get(media(door)), http.StatusOK)
	wantStatus(t, owner.get(media(bedroom)), http.StatusOK)

	seen := strings.Join(sentences(t, page(t, owner.get("/log"))), "\n")
	for _, want := range []string{
		"Ben watched recordings of Front door 1970-01-01 01:00 UTC to 1970-01-01 01:05 UTC from 192.0.2.1 (Unknown browser)",
		"Anna watched recordings of Bedroom", "Anna invited Ben", "Ben joined",
	} {
		if !strings.Contains(seen, want) {
			t.Errorf("the record lacks %q:\n%s", want, seen)
		}
	}
	if foreign := strings.Join(sentences(t, page(t, b.get("/log"))), "\n"); strings.Contains(foreign, "Bedroom") || !strings.Contains(foreign, "Front door") {
		t.Errorf("a member reads:\n%s", foreign)
	}
	wantStatus(t, b.get("/log?camera="+bedroom.ID.String()), http.StatusNotFound)
	for query, want := range map[string]int{
		"camera=" + bedroom.ID.String(): 1, "kind=looked": 2, "kind=logins": 1, "kind=looked&camera=" + door.ID.String(): 1,
		"kind=x&person=y&before=-1&camera=z": len(strings.Split(seen, "\n")),
	} {
		if list := sentences(t, page(t, owner.get("/log?"+query))); len(list) != want {
			t.Errorf("%s: %d entries, want %d: %q", query, len(list), want, list)
		}
	}
}

func TestRecordIsPagedWithoutLoss(t *testing.T) {
	h := newHouse(t)
	token := h.claim()
	b := h.browser(token)
	sess, err := h.auth.Resume(t.Context(), token, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	const made = 320
	for i := range made {
		action := auth.LogUnlock
		if i%2 == 0 {
			action = auth.LogPassword
		}
		if err := h.auth.Record(t.Context(), auth.Entry{Action: action, Session: sess}); err != nil {
			t.Fatal(err)
		}
	}
	seen, pages := make(map[string]bool), 0
	for next := "/log?kind=people"; next != "" && pages < 20; pages++ {
		root := page(t, b.get(next))
		next = ""
		for _, ol := range all(root, class("log")) {
			for _, li := range all(ol, tag("li")) {
				if seq := attr(li, "data-seq"); seen[seq] {
					t.Fatalf("entry %s twice", seq)
				} else {
					seen[seq] = true
				}
			}
		}
		for _, a := range all(root, tag("a")) {
			if strings.Contains(attr(a, "href"), "before=") {
				next = attr(a, "href")
			}
		}
	}
	if want := made/2 + 2; len(seen) != want || pages != 4 { // and the second factor that was waived, and what was read
		t.Errorf("%d entries on %d pages, want %d on 4", len(seen), pages, want)
	}
}

func TestRecordIsChecked(t *testing.T) {
	h := newHouse(t)
	b := h.browser(h.claim())
	w := b.post("/log/check")
	wantStatus(t, w, http.StatusOK)
	if len(all(page(t, w), class("notice"))) != 1 || len(all(page(t, w), class("alarm"))) != 0 {
		t.Errorf("a whole record: %s", words(page(t, w)))
	}
}

func TestCameraPageSaysWhoWatchedLast(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	path := "/cameras/" + camera.ID.String()
	if len(all(page(t, owner.get(path)), class("watched"))) != 0 {
		t.Error("somebody watched a camera that is new")
	}
	b := h.role(owner, "viewer", camera)
	wantStatus(t, b.get("/api/v1"+path+"/media?from=1000&to=2000"), http.StatusOK)
	if said := all(page(t, owner.get(path)), class("watched")); len(said) != 1 || !strings.HasPrefix(words(said[0]), "A viewer watched last, recordings,") {
		t.Errorf("the camera page says %v", said)
	}
}

func TestNoticesLeadToTheRecord(t *testing.T) {
	h := newHouse(t)
	owner := h.browser(h.claim())
	camera := h.fleet.add("Front door")
	b := h.role(owner, "member", camera)
	banner := func(b *browser) int { return len(all(page(t, b.get("/")), class("note"))) }
	if banner(owner) != 1 || banner(b) != 0 {
		t.Errorf("%d banners for the owner, %d for the member", banner(owner), banner(b))
	}
	if text := words(page(t, owner.get("/log"))); !strings.Contains(text, "A member used an invitation and joined.") {
		t.Errorf("the record does not tell: %s", text)
	}
	if banner(owner) != 0 {
		t.Error("the banner stays after a look")
	}
	owner.cookies["__Host-lares-seen"] = "nonsense"
	if banner(owner) != 1 {
		t.Error("a cookie that makes no sense hides notices")
	}
}

func FuzzLogQuery(f *testing.F) {
	f.Add("camera=1&person=2&kind=looked&before=7")
	f.Add("before=" + strconv.FormatUint(1<<63, 10))
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		again, err := url.ParseQuery(ui.LogQuery(q))
		if err != nil || ui.LogQuery(again) != ui.LogQuery(q) {
			t.Errorf("%q becomes %q, then %q (%v)", query, ui.LogQuery(q), ui.LogQuery(again), err)
		}
	})
}
