package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"lares/cmd/lares/internal/console"
	"lares/nvr"
	"lares/nvr/auth"
)

// owner logs the owner of an opened box in.
func owner(t *testing.T, h *house, boxCode string) *auth.Session {
	t.Helper()
	sess, _, err := h.auth.Login(t.Context(), auth.LoginRequest{
		Name: ownerName, Password: ownerPassword, BoxCode: boxCode, Addr: "203.0.113.7", Device: "a borrowed laptop",
	})
	if err != nil {
		t.Fatal(err)
	}
	return sess
}

func TestCodeOfTheBoxLetsAnOwnerInOnceAndIsLogged(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	b.serve()
	output := b.must("login-code") // through the socket of the box that runs
	b.mustStop()
	code := regexp.MustCompile(`([0-9A-Z]{4}-){3}[0-9A-Z]{4}`).FindString(output)
	b.opened(func(h *house) {
		sess := owner(t, h, code)
		_, _, err := h.auth.Login(t.Context(), auth.LoginRequest{Name: ownerName, Password: ownerPassword, BoxCode: code})
		if err == nil {
			t.Error("the code works twice")
		}
		lines, _, err := h.auth.ReadLog(t.Context(), sess, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		logged := 0
		for _, l := range lines {
			if l.Action == auth.LogBoxCode && l.Addr == "console" {
				logged++
			}
		}
		if logged != 1 {
			t.Errorf("the log names %d codes of the box, want 1", logged)
		}
	})
}

func TestAuditTellsWhatWasUnusual(t *testing.T) {
	t.Parallel()
	b := newOwnedBox(t)
	b.opened(func(h *house) {
		inv, err := h.auth.AddPerson(t.Context(), owner(t, h, ""), auth.PersonRequest{Name: "Ben", Role: nvr.Viewer})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.auth.Join(t.Context(), auth.JoinRequest{Code: inv.Code, Password: "slow brown bears gather"}); err != nil {
			t.Fatal(err)
		}
	})
	text := b.must(b.as("check", "--level", "audit")...)
	for _, line := range []string{"Ben used an invitation", ownerName + " logged in with a device that was not known"} {
		if !strings.Contains(text, line) {
			t.Errorf("the audit does not say %q:\n%s", line, text)
		}
	}
	var report console.CheckAnswer
	output := b.must(b.as("check", "--level", "audit", "--json")...)
	if err := json.Unmarshal([]byte(jsonLine.FindString(output)), &report); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	if len(report.Notices) < 2 || report.Notices[0].Time.Before(report.Notices[1].Time) || len(report.Alarms) > 0 {
		t.Errorf("audit: %+v", report)
	}
	if output := b.must("check", "--json"); strings.Contains(output, "Notices") {
		t.Errorf("a check that needs no password tells what people do:\n%s", output)
	}
}

func TestEveryAlarmHasWords(t *testing.T) {
	for _, word := range []string{
		auth.AlarmList, auth.AlarmRoster, auth.AlarmDoubt, auth.AlarmPublic, auth.AlarmKeys, auth.AlarmPerson,
		auth.AlarmName, auth.AlarmVaultKey, auth.AlarmVaultWho,
	} {
		if text := alarmText(word); len(text) < 2*len(word) {
			t.Errorf("%s: %q", word, text)
		}
	}
}

func TestEveryNoticeHasWords(t *testing.T) {
	for _, kind := range []string{
		auth.NoticeMany, auth.NoticeExports, auth.NoticeNight, auth.NoticeNewDevice, auth.NoticeJoined, auth.NoticeGuesses,
	} {
		text := noticeText(console.Notice{Kind: kind, Count: 10})
		if !strings.HasPrefix(text, "Somebody") || strings.HasSuffix(text, ": "+kind) {
			t.Errorf("%s: %q", kind, text)
		}
	}
}
