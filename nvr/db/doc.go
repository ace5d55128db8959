// Package db owns the two SQLite databases of Lares and all SQL.
//
//   - index.db ([Index]) says which sealed files hold which footage. It holds
//     only what the files themselves hold: when it is damaged it is moved aside
//     and the recorder makes it anew. A power cut may lose its last seconds.
//   - config.db ([Config]) is small and precious: people, keys, cameras,
//     settings, gap causes and the record of who looked. A call that returned
//     survives a power cut.
//
// Each database has one connection that writes and a few that read; readers see
// the last committed state and never wait for the writer. All methods may be
// called from any goroutine. Each is one transaction: it happens completely or,
// with an error or a context that ends, not at all. Nothing runs between calls:
// the package starts no goroutine that outlives one.
//
// Rows do not leave the package: methods take and return the types of nvr.
// A missing row is nvr.ErrNotFound; see also [ErrFull], [ErrCorrupt], [ErrNewer].
//
// # What is sealed
//
// Names, camera addresses, users, passwords and the devices of sessions are
// sealed with the machine key before they are stored ([Sealer]), each to its
// table, column and row. Times, sizes and random identifiers stay readable:
// retention works unattended with them. What auth hands over sealed (grants,
// unlockers, log details, the state of the log's chain) is stored as it comes.
//
// # What is erased
//
// Deleting a vault, a camera, the people, or replacing a person's unlockers
// returns when no page of config.db and no byte of its write-ahead log holds
// what was deleted any more; the log file is overwritten before it is cut. The
// state of the log's chain is overwritten with each entry, and its older copies
// in the write-ahead log with every 64th entry and at Close: until then who
// takes the disk finds up to 64 older states. What lies below the file system,
// such as the spare cells of flash memory, snapshots and the journals of some
// file systems, is out of reach of any program.
//
// # Files beside config.db
//
// config.db.before-update is the copy that is made before a new version of
// Lares changes the layout; there is one, and the next replaces it. It holds the
// grants of vaults as they were that day: it has to be deleted, or to be
// replaced by the next, before footage deleted since is out of reach of who
// holds that copy and a password of that day. config.db.reserve is room that is
// given up when the disk is full, so that the record of who looked can still be
// written. index.db.damaged is the last index that was found damaged.
package db
