package auth

import "lares/nvr/vault"

// RecoveryKey is the printed key, so that a caller that hands one through need
// not know package vault.
type RecoveryKey = vault.RecoveryKey

// NewRecoveryKey returns a fresh recovery key for [ClaimRequest].
func NewRecoveryKey() RecoveryKey { return vault.NewRecoveryKey() }

// ParseRecoveryKey reads a recovery key as people type it. The text of an error
// says which group is wrong.
func ParseRecoveryKey(text string) (RecoveryKey, error) { return vault.ParseRecoveryKey(text) }

// CheckRecoveryGroup checks one group, 1 to 8, as somebody types it.
func CheckRecoveryGroup(group int, text string) error { return vault.CheckRecoveryGroup(group, text) }
