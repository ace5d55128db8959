// Package backup makes the file from which a house comes back when its system
// disk is dead, and keeps the newest of them beside the footage.
//
// A backup holds config.db and the machine key, sealed to the printed recovery
// key alone: nothing on the box opens it. It holds no key of footage. Those lie
// beside the footage, sealed to the same recovery key, and a restore takes them in
// from there (nvr/auth, AdoptVaults). So a deletion has no copy of a key to hunt
// for in backups, and fourteen old nights open nothing that was deleted since.
//
// Seal and Open are pure. A Keeper writes; its Run blocks until the context ends,
// and Make may be called beside it.
package backup
