// Package egress keeps what Lares sends inside the house. It owns the rule which
// addresses belong to the house, the guard that every dialer of ours goes
// through, and the test whether the system keeps that rule as well.
//
// There are two fences. The guard is in this process: it stops what our own code
// would dial, and says so in words. The lock is the system's: the IPAddressDeny of
// the service unit, a firewall, a network without a way out. It stops everything,
// also code that does not ask the guard, and it cannot be seen from inside other
// than by trying: SelfTest does.
//
// Cameras, HomeKit and a webhook are handed a Guard by the wiring. All methods
// may be called from any goroutine.
package egress
