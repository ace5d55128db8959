// Package auth is the household: its people and what unlocks their keys,
// sessions, second factors, throttling, the signed roster of who may hold keys,
// the vaults of the day, the chained log of who looked, and the one place that
// decides who may do what ([Service.Authorize]).
//
// Logging in is unlocking: a password opens the key pair of a person, and only
// that pair opens the vaults under which footage is sealed. The box itself
// holds public keys, so it can make vaults and record while nobody is there,
// and cannot open what it recorded. [Session] is the [nvr.Opener] of somebody
// who is logged in; [RecoveryOpener] is that of the printed recovery key.
//
// The package reads and writes through the stores in store.go and keeps no
// files but the spill of the log ([Config.Spill]). Three settings are its own:
// the one-time set-up code, the pinned roster and the last step of each second
// factor, all named "auth/...".
//
// All methods of [Service] and [Session] may be called from any goroutine.
// Locks are taken in the order Service.people, Service.making, Service.vaultMu
// or chain.mu, Session.mu; all others are leaves. The only goroutines are those
// that countersign vaults after a login; [Service.Close] waits for them.
package auth
