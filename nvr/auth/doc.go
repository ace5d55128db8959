// Package auth is the household: its people and what unlocks their keys,
// sessions, remembered devices, second factors, throttling, the signed roster of
// who may hold keys, the vaults of the day, links for strangers, the chained log
// of who looked with the notices that it gives rise to, and the one place that
// decides who may do what ([Service.Authorize]). How people come and go, and why
// it is so, is in design.md.
//
// Logging in is unlocking: a password opens the key pair of a person, and only
// that pair opens the vaults under which footage is sealed. The box itself
// holds public keys, so it can make vaults and record while nobody is there,
// and cannot open what it recorded. [Session] is the [nvr.Opener] of somebody
// who is logged in; [RecoveryOpener] is that of the printed recovery key.
//
// The package reads and writes through the stores in store.go and keeps no
// files but the spill of the log ([Config.Spill]). Settings that are its own are
// named "auth/...": one-time codes, the pinned roster, the cost of a password, and
// of each person the last step of the second factor, digests of the devices and
// when they confirmed to know what is kept.
//
// All methods of [Service] and [Session] may be called from any goroutine.
// Locks are taken in the order Service.granting, Service.people, Service.making,
// Service.vaultMu or chain.mu, Session.mu; all others are leaves. The only
// goroutines are those that countersign vaults and grant recordings behind a
// login or a change of the people, for which [Service.Close] waits, and a garbage
// collection when keys were wiped.
package auth
