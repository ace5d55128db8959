package homekit

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Categories of accessories (HAP specification, table 13-1).
const (
	categoryBridge   = 2
	categoryCamera   = 17
	categoryDoorbell = 18
)

// newCode returns a random setup code of eight digits that the specification
// allows (5.6.1 excludes the trivial ones).
func newCode() (string, error) {
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
		if err != nil {
			return "", fmt.Errorf("make a HomeKit code: %w", err)
		}
		if code := fmt.Sprintf("%08d", n.Int64()); !trivial(code) {
			return code, nil
		}
	}
}

func trivial(code string) bool {
	return code == "12345678" || code == "87654321" || strings.Count(code, code[:1]) == len(code)
}

// newSetupID returns the four characters that tell a QR code's accessory from
// others.
func newSetupID() string { return rand.Text()[:4] }

// setupURI returns the text of the QR code (HAP specification, 4.2.1.3): nine
// digits to the base of 36, of the category, a flag for IP, and the code; then
// the setup id.
func setupURI(category byte, code, setupID string) (string, error) {
	const overIP = 1 << 28
	n, err := strconv.ParseUint(code, 10, 27)
	if err != nil {
		return "", fmt.Errorf("read a HomeKit code: %w", err)
	}
	payload := strings.ToUpper(strconv.FormatUint(uint64(category)<<31|overIP|n, 36))
	return "X-HM://" + strings.Repeat("0", 9-len(payload)) + payload + setupID, nil
}
