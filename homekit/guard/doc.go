// Package guard puts the HomeKit library github.com/brutella/hap (v0.0.35) on a
// network safely. It owns every connection of one HomeKit server from accept to
// close: the requests, the encryption, the answers and the events.
//
// The library alone pairs without the setup code, takes wrong codes without
// end, lets events fall into the middle of answers and hangs on part of its
// connections. It stays what knows accessories, characteristics, the messages of
// pairing and mDNS; all that touches a socket or decides who may do what is here:
//
//   - net/http of the library only accepts. What it accepts is swapped for a link,
//     whose first Read is the whole life of the connection (conn.go). So nothing
//     reads behind the guard's back when a connection becomes encrypted.
//   - A request is read whole, within bounds of bytes and time, and handed to the
//     library with a buffer to answer into. The answer leaves in one piece under
//     the connection's write lock.
//   - Pairing follows a state machine per connection and needs a window that
//     somebody opened (pairing.go, setup.go).
//   - Pairings are listed, added and removed here (pairings.go), timed writes are
//     checked here (write.go), events are collected and sent here (events.go);
//     those of the library are taken out.
//   - All that is reached without the library's leave is in library.go, is looked
//     up when a server is made, and fails in words in another version.
//
// The tests play the controller. With LARES_HAP_BARE=1 they run against the
// library alone and show what it lacks: nearly all fail then.
//
// Concurrency: all methods of Guard may be called from any goroutine once New
// has returned, Handle before Run only. Run blocks, owns the goroutines of all
// connections and ends them before it returns. Locks are taken in this order,
// each may be left out: Guard.values, pairing.mu, Guard.mu, those of a
// connection. Hooks about pairings are called while other pairing messages wait,
// so they must not call the guard.
package guard
