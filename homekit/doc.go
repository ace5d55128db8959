// Package homekit shows the house in Apple's Home app: a bridge 'Lares' that
// tells of recording problems, and each camera that the owner offers as an
// accessory of its own, with live pictures, snapshots and motion.
//
// [Service] owns the accessories: their identities, which are sealed and stay
// the same over restarts and new names, their servers behind the guard
// (package guard), and the streams. It is off until the owner switches it on,
// and offers no camera by itself. It opens no connection to a camera: pictures
// come from the stream windows as they were coded, and stills are made of the key
// frames in them by a media worker. HomeKit Secure Video is left out because it
// stores clips in iCloud.
//
// Nothing is sent out of the house by this package; whoever watches from afar
// does it through a home hub inside the house, which passes the encrypted
// packets on.
//
// Concurrency: all methods of Service may be called from any goroutine. Run owns
// the goroutines of servers and streams; each stream has one that sends. Locks
// are taken in this order: the guard's, Service.mu, those of an accessory, a
// slot, a store. What the guard calls waits for no goroutine of this package.
package homekit
