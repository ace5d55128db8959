//go:build goexperiment.runtimesecret

package vault

import "runtime/secret"

// Erases says that Secretly does what it says.
const Erases = true

// Secretly calls f and has the runtime erase the registers and the stack that f
// used, and what f allocated as soon as the garbage collector finds that nothing
// points to it: copies of keys that the crypto of the standard library makes, and
// that no code can reach to clear. What f starts in another goroutine is not
// erased. See package runtime/secret.
func Secretly(f func()) { secret.Do(f) }
