package auth_test

import (
	"errors"
	"testing"
	"time"

	"lares/nvr"
	"lares/nvr/auth"
)

// now is when the matrix is asked.
func matrixNow() time.Time { return time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) }

// all gives every right on a camera; the role bounds them.
func all(camera nvr.CameraID) []nvr.CameraRights {
	return []nvr.CameraRights{{Camera: camera, Rights: auth.AllRights}}
}

// TestMatrixOfRoles asks every role for every action at an own and a foreign
// camera. What is not listed is denied.
func TestMatrixOfRoles(t *testing.T) {
	own, foreign, house := camera(), camera(), nvr.CameraID{}
	everything := []auth.Action{
		auth.ActLive, auth.ActAudio, auth.ActReplay, auth.ActExport, auth.ActDelete, auth.ActStatus, auth.ActLog,
		auth.ActAccount, auth.ActCameras, auth.ActSettings, auth.ActPeople, "", "format-disk",
	}
	onCamera := map[nvr.Role]map[auth.Action]bool{
		nvr.Member: {auth.ActLive: true, auth.ActAudio: true, auth.ActReplay: true, auth.ActExport: true, auth.ActDelete: true, auth.ActStatus: true, auth.ActLog: true, auth.ActAccount: true},
		nvr.Viewer: {auth.ActLive: true, auth.ActReplay: true, auth.ActStatus: true, auth.ActAccount: true},
		nvr.Guest:  {auth.ActLive: true, auth.ActAccount: true},
	}
	onHouse := map[nvr.Role]map[auth.Action]bool{
		nvr.Member: {auth.ActStatus: true, auth.ActLog: true, auth.ActAccount: true},
		nvr.Viewer: {auth.ActStatus: true, auth.ActAccount: true},
		nvr.Guest:  {auth.ActAccount: true},
	}
	for _, role := range []nvr.Role{0, nvr.Owner, nvr.Member, nvr.Viewer, nvr.Guest, 99} {
		m := auth.Member{Kind: nvr.Person, Role: role, Cameras: all(own)}
		if role == nvr.Guest {
			m.From, m.Until = matrixNow().Add(-time.Hour), matrixNow().Add(time.Hour)
		}
		for _, action := range everything {
			known := action != "" && action != "format-disk"
			for cam, want := range map[nvr.CameraID]bool{
				own:     onCamera[role][action] || role == nvr.Owner && known,
				foreign: role == nvr.Owner && known,
				house:   onHouse[role][action] || role == nvr.Owner && known,
			} {
				if got := auth.May(m, action, cam, matrixNow()); got != want {
					t.Errorf("role %d, %q, camera own=%v house=%v: %v, want %v", role, action, cam == own, cam == house, got, want)
				}
			}
		}
	}
}

func TestGuestsHaveAnEndAndOnlyPeopleMay(t *testing.T) {
	own := camera()
	guest := auth.Member{
		Kind: nvr.Person, Role: nvr.Guest, Cameras: all(own),
		From: matrixNow().Add(-time.Hour), Until: matrixNow().Add(time.Hour),
	}
	for at, want := range map[time.Time]bool{
		matrixNow(): true, guest.From: true, guest.Until: false, guest.From.Add(-1): false, guest.Until.Add(-1): true,
	} {
		if got := auth.May(guest, auth.ActLive, own, at); got != want {
			t.Errorf("guest at %v: %v", at, got)
		}
	}
	endless := guest
	endless.Until = time.Time{}
	if auth.May(endless, auth.ActLive, own, matrixNow()) {
		t.Error("a guest without an end may look")
	}
	for _, kind := range []nvr.PrincipalKind{0, nvr.Recovery, nvr.Token, nvr.Share, nvr.Pairing, nvr.Kiosk} {
		m := auth.Member{Kind: kind, Role: nvr.Owner, Cameras: all(own)}
		if auth.May(m, auth.ActLive, own, matrixNow()) {
			t.Errorf("a principal of kind %d counts as a person", kind)
		}
	}
}

func TestAuthorizeNeedsASessionInForce(t *testing.T) {
	h := newHouse(t)
	sess, _, _ := h.claim()
	may := func(s *auth.Session) error {
		return h.Authorize(t.Context(), s, auth.ActLive, camera(), time.Now())
	}
	if err := may(sess); err != nil {
		t.Errorf("owner: %v", err)
	}
	if err := may(nil); !errors.Is(err, auth.ErrNoSession) {
		t.Errorf("nobody: %v", err)
	}
	if err := h.Authorize(t.Context(), sess, "format-disk", camera(), time.Now()); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("an action that does not exist: %v", err)
	}
	if err := h.Logout(t.Context(), sess); err != nil {
		t.Fatal(err)
	}
	if err := may(sess); !errors.Is(err, auth.ErrNoSession) {
		t.Errorf("after logging out: %v", err)
	}
}
