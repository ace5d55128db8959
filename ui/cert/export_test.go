package cert

import (
	"crypto/x509"
	"os"
	"testing"
	"time"
)

// Forge signs a certificate for name with the stored authority, as a thief of
// its key would, and returns what verification says.
func Forge(t *testing.T, stored string, ca *x509.Certificate, name string) error {
	t.Helper()
	b, err := os.ReadFile(stored)
	if err != nil {
		t.Fatal(err)
	}
	p, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if !p.cert.Equal(ca) {
		t.Fatal("stored authority is another one")
	}
	_, err = newLeaf(p, []string{name}, time.Now())
	return err
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{storeVersion, 0, 0, 0, 1, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := decode(b); err == nil {
			if again, err := p.encode(); err != nil || len(again) == 0 {
				t.Errorf("read but not written: %v", err)
			}
		}
	})
}
