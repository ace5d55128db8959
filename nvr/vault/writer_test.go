package vault_test

import (
	"testing"

	"lares/nvr/vault"
)

// calls notes the size of each Write.
type calls []int

func (c *calls) Write(p []byte) (int, error) {
	*c = append(*c, len(p))
	return len(p), nil
}

func TestSlotsThatACallFillsGoOutTogetherBeforeItReturns(t *testing.T) {
	var out calls
	w, err := vault.NewWriter(&out, options(newPair(t), vault.AES256GCM))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Init([]byte{1}); err != nil {
		t.Fatal(err)
	}
	before := len(out)
	const slot, rounds = 4096, 40 // more than any batch
	var written int64
	for i := range rounds {
		if err := w.Fragment(vault.FragmentInfo{Time: int64(i)}, make([]byte, 5*slot)); err != nil {
			t.Fatal(err)
		}
		_, size := w.Written()
		var sum int64
		for _, n := range out {
			sum += int64(n)
		}
		if sum != size || size <= written {
			t.Fatalf("fragment %d: %d bytes went out, %d are said to, %d before", i, sum, size, written)
		}
		written = size
	}
	for _, n := range out[before:] {
		if n%slot != 0 {
			t.Errorf("a Write of %d bytes splits a slot", n)
		}
	}
	if got := len(out) - before; got > 2*rounds {
		t.Errorf("%d Writes for %d fragments of five slots", got, rounds)
	}
}
