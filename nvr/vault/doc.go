// Package vault owns two things: the keys of the house and the sealed segment
// files that they open. It is a leaf: bytes and an io in, bytes and an io out.
// It starts no goroutine, logs nothing and knows nothing of cameras or people.
//
// Keys. A [KeyPair] (X-Wing through crypto/hpke) belongs to a person, the
// recovery sheet or a vault, and [Seal] seals to its public half. A password
// becomes a key with [DeriveKey], which [Wrap] and [Unwrap] use. A
// [RecoveryKey] is what is printed, a [MachineKey] is what the box itself
// holds, a [SigningKey] is what an owner signs with. Every sealed blob starts
// with a version byte.
//
// Segments. A [Writer] seals one stretch of one stream under a key of its own
// that it forgets when it is closed. [Open] reads a segment's header without a
// key, [Segment.Unlock] opens its contents. [Recover], [Check] and [Destroy]
// need no key, [Reseal] moves a segment to another vault. The byte format and
// the reasons for it are in recorder/format.md, and what an attacker can still
// do is in threats.md.
//
// Concurrency. A Writer and a Reader belong to one goroutine at a time. All
// other types may be used from any goroutine, as long as a Wipe comes after
// the last use; a KeyPair may be wiped at any time.
package vault
