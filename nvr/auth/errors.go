package auth

import (
	"errors"
	"fmt"
	"time"
)

// Errors of logging in and of the first run. Their texts may be shown.
var (
	// ErrWrong is the one answer to a wrong name, password or code.
	ErrWrong = errors.New("name, password or code is wrong")
	// ErrSecondFactor: name and password are right, the code of the second
	// factor is missing.
	ErrSecondFactor = errors.New("the code of your authenticator app is missing")
	// ErrNoSession: the token is unknown, or its session has ended.
	ErrNoSession = errors.New("not logged in")
	// ErrClaimed: the box has an owner already.
	ErrClaimed = errors.New("this box has an owner already")
	// ErrSetupCode: the one-time code is wrong, used or too old.
	ErrSetupCode = errors.New("this set-up code is wrong or too old; get a new one on the box with 'lares setup-code'")
	// ErrRecoveryKey: the recovery key does not belong to this household.
	ErrRecoveryKey = errors.New("this recovery key does not belong to this household")
	// ErrTOTP: the code does not fit the second factor that is being set up.
	ErrTOTP = errors.New("this code does not fit; check that the clock of your phone is right and type the code that it shows now")
	// ErrRoster: the stored list of people is not the one that was signed, so
	// nothing is sealed to it until an owner logs in.
	ErrRoster = errors.New("the list of people on this box was changed from outside; an owner must log in")
)

// ErrThrottled asks for patience after too many tries.
type ErrThrottled struct {
	RetryAfter time.Duration
}

// Error names the wait in whole seconds.
func (e ErrThrottled) Error() string {
	return fmt.Sprintf("too many tries; wait %d seconds", e.Seconds())
}

// Seconds is the wait rounded up to whole seconds, at least 1, as for a
// Retry-After header (RFC 9110 section 10.2.3).
func (e ErrThrottled) Seconds() int {
	return max(1, int((e.RetryAfter+time.Second-1)/time.Second))
}
