package auth_test

import (
	"errors"
	"testing"

	"lares/nvr"
	"lares/nvr/auth"
)

func TestHomeKitPairingsSeeLivePicturesAndNothingElse(t *testing.T) {
	h := newHouse(t)
	if err := h.AuthorizePairing(t.Context(), auth.ActLive, camera()); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("before there is a household: %v", err)
	}
	h.claim()
	for action, want := range map[auth.Action]bool{
		auth.ActLive: true, auth.ActPrivacy: true, auth.ActReveal: false, auth.ActAudio: false, auth.ActReplay: false, auth.ActExport: false,
		auth.ActDelete: false, auth.ActLog: false, auth.ActStatus: false, auth.ActPeople: false, "": false,
	} {
		if err := h.AuthorizePairing(t.Context(), action, camera()); (err == nil) != want {
			t.Errorf("%q: %v", action, err)
		}
	}
	if err := h.AuthorizePairing(t.Context(), auth.ActLive, nvr.CameraID{}); !errors.Is(err, nvr.ErrForbidden) {
		t.Errorf("live pictures of no camera: %v", err)
	}
}

func TestR4HomeKitLooksAtNothingThatCannotBeEntered(t *testing.T) {
	h, broken := breakableHouse(t)
	h.claim()
	broken.Store(true)
	for _, action := range []string{auth.LogHomeKitLive, auth.LogHomeKitSnapshots} {
		err := h.Record(t.Context(), auth.Entry{Action: action, Principal: nvr.NewID[nvr.Principal](), Camera: camera()})
		if !errors.Is(err, nvr.ErrLogUnavailable) {
			t.Errorf("%s: %v", action, err)
		}
	}
	if n := h.Waiting(); n != 0 {
		t.Errorf("%d entries wait for something that did not happen", n)
	}
}
