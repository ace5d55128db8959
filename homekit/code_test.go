package homekit

import "testing"

func TestSetupURIIsTheKnownOne(t *testing.T) {
	for category, want := range map[byte]string{categoryCamera: "X-HM://00GW95DQA7OSX", categoryBridge: "X-HM://0023ISYWY7OSX"} {
		got, err := setupURI(category, "03145154", "7OSX")
		if err != nil || got != want {
			t.Errorf("category %d: %s, %v; want %s", category, got, err, want)
		}
	}
}

func TestTrivialCodesAreNotMade(t *testing.T) {
	for _, code := range []string{"00000000", "99999999", "12345678", "87654321"} {
		if !trivial(code) {
			t.Errorf("%s is given out", code)
		}
	}
	if trivial("11111112") {
		t.Error("11111112 is not given out")
	}
}
