package nvr_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"lares/nvr"
)

func TestIdentifierHasOneSpelling(t *testing.T) {
	id := nvr.NewID[nvr.Camera]()
	got, err := nvr.ParseID[nvr.Camera](id.String())
	if err != nil || got != id {
		t.Fatalf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "00", strings.ToUpper("abcdef0123456789abcdef0123456789"), strings.Repeat("g", 32), id.String() + "0"} {
		if _, err := nvr.ParseID[nvr.Camera](bad); !errors.Is(err, nvr.ErrInvalid) {
			t.Errorf("%q: got %v, want ErrInvalid", bad, err)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	const value = "correct horse"
	s := nvr.Secret(value)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("secret", s), slog.Any("struct", struct{ P nvr.Secret }{s}))
	js, err := json.Marshal(struct{ P nvr.Secret }{s})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), log.String(), string(js)} {
		if strings.Contains(out, value) {
			t.Errorf("printed: %s", out)
		}
	}
	if s.Reveal() != value {
		t.Error("Reveal lost it")
	}
}

func TestEveryCauseHasAName(t *testing.T) {
	seen := map[string]bool{}
	for c := nvr.CauseUnknown; c <= nvr.NoMotion; c++ {
		if seen[c.String()] {
			t.Errorf("%d has the name %q of another", c, c)
		}
		seen[c.String()] = true
	}
}

func TestBusTellsASlowSubscriberWhatItMissed(t *testing.T) {
	b := nvr.NewBus()
	s := b.Subscribe()
	defer s.Close()
	for i := range 300 {
		b.Publish(nvr.Event{Score: float64(i)})
	}
	e, missed, err := s.Next(t.Context())
	if err != nil || missed != 44 || e.Score != 44 {
		t.Errorf("got event %v after %d missed, %v; want 44 after 44", e.Score, missed, err)
	}
	b.Close()
	for range 255 {
		if _, _, err := s.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Next(t.Context()); !errors.Is(err, nvr.ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
}
