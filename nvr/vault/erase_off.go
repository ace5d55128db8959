//go:build !goexperiment.runtimesecret

package vault

// Erases says that Secretly erases nothing: the program was built without
// GOEXPERIMENT=runtimesecret.
const Erases = false

// Secretly calls f.
func Secretly(f func()) { f() }
