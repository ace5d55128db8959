package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"lares/nvr/vault"
)

func TestRecoveryKeyComesBackFromPaper(t *testing.T) {
	k := vault.NewRecoveryKey()
	text := k.String()
	if !regexp.MustCompile(`^([0-9A-HJKMNP-TV-Z]{5}-){7}[0-9A-HJKMNP-TV-Z]{5}$`).MatchString(text) {
		t.Fatalf("printed as %q", text)
	}
	sloppy := strings.NewReplacer("0", "o", "1", "l").Replace(text)
	for name, typed := range map[string]string{
		"as printed":      text,
		"lower case":      strings.ToLower(text),
		"spaces":          strings.ReplaceAll(text, "-", " "),
		"long dashes":     strings.ReplaceAll(text, "-", " – "),
		"in one":          strings.ReplaceAll(text, "-", ""),
		"lines":           "  " + strings.ReplaceAll(text, "-", "\r\n") + "\n",
		"looks the same":  sloppy,
		"wrong groups":    strings.ReplaceAll(text, "-", "")[:7] + " " + strings.ReplaceAll(text, "-", "")[7:],
		"looks the same2": strings.ReplaceAll(text, "1", "I"),
	} {
		got, err := vault.ParseRecoveryKey(typed)
		if err != nil || got != k {
			t.Errorf("%s: %q: %v", name, typed, err)
		}
	}
	a, err := k.KeyPair()
	if err != nil {
		t.Fatal(err)
	}
	again, err := vault.ParseRecoveryKey(text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := again.KeyPair()
	if err != nil || !bytes.Equal(a.Public(), b.Public()) {
		t.Errorf("key pair differs: %v", err)
	}
}

func TestEveryRecoveryKeyHasItsOwnText(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		k := vault.NewRecoveryKey()
		got, err := vault.ParseRecoveryKey(k.String())
		if err != nil || got != k || seen[k.String()] {
			t.Fatalf("%s: %v", k, err)
		}
		seen[k.String()] = true
	}
}

func TestRecoveryTypoNamesItsGroup(t *testing.T) {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	text := vault.NewRecoveryKey().String()
	wantGroup := func(typed string, group int) {
		t.Helper()
		_, err := vault.ParseRecoveryKey(typed)
		var re *vault.RecoveryError
		if !errors.As(err, &re) || re.Group != group || !errors.Is(err, vault.ErrFormat) {
			t.Fatalf("%q: %v, want group %d", typed, err, group)
		}
	}
	for i := range text {
		if text[i] == '-' {
			continue
		}
		for _, d := range digits + "U" { // every wrong character
			if byte(d) != text[i] {
				wantGroup(text[:i]+string(d)+text[i+1:], i/6+1)
			}
		}
		if i+1 < len(text) && text[i+1] != '-' && text[i+1] != text[i] { // two exchanged
			wantGroup(text[:i]+text[i+1:i+2]+text[i:i+1]+text[i+2:], i/6+1)
		}
		wantGroup(text[:i]+text[i+1:], i/6+1) // one forgotten
	}
	groups := strings.Split(text, "-")
	groups[2], groups[5] = groups[5], groups[2]
	if groups[2] != groups[5] {
		wantGroup(strings.Join(groups, "-"), 3)
	}
	wantGroup("", 0)
	wantGroup(strings.Repeat("A", 1000), 0)
	if err := vault.CheckRecoveryGroup(8, " "+strings.ToLower(text[42:])); err != nil {
		t.Errorf("last group: %v", err)
	}
	if err := vault.CheckRecoveryGroup(7, text[42:]); err == nil {
		t.Error("last group is taken for the one before")
	}
}

func TestRecoveryKeyIsHiddenFromLogs(t *testing.T) {
	k := vault.NewRecoveryKey()
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", slog.Any("key", k))
	if strings.Contains(b.String(), k.String()) {
		t.Error("the log shows it")
	}
}

func FuzzParseRecoveryKey(f *testing.F) {
	f.Add(vault.RecoveryKey{}.String())
	f.Add("0000A 0000B")
	f.Add(strings.Repeat("é", 40))
	f.Fuzz(func(t *testing.T, text string) {
		k, err := vault.ParseRecoveryKey(text)
		if err != nil {
			if !errors.Is(err, vault.ErrFormat) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if again, err := vault.ParseRecoveryKey(fmt.Sprint(k)); err != nil || again != k {
			t.Fatalf("%q does not come back: %v", text, err)
		}
	})
}
