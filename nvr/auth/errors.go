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
	// ErrStepUp: the person has to prove once more to be there: see StepUp.
	ErrStepUp = errors.New("type your password again to go on")
	// ErrSuspended: the password is right, but the account is switched off, or its
	// time has not come or is over.
	ErrSuspended = errors.New("this account is switched off at the moment; ask an owner of this box")
	// ErrBoxCode: the one-time code of the box is wrong, used or too old.
	ErrBoxCode = errors.New("this code of the box is wrong or too old; get a new one on the box")
	// ErrDevice: this device is not remembered, or not any more.
	ErrDevice = errors.New("this device is not remembered any more; log in with your password")
	// ErrInvitation: the code of an invitation is wrong, used or too old.
	ErrInvitation = errors.New("this code is wrong, used or too old; ask an owner of this box for a new one")
	// ErrUnconfirmed: an owner who is new, or whose password another owner reset,
	// cannot change people before another owner has logged in once.
	ErrUnconfirmed = errors.New("another owner of this box has to log in once before you can change people")
	// ErrSelf: only somebody else can do this.
	ErrSelf = errors.New("you cannot do this to yourself; ask another owner")
	// ErrLink: there is no such link, or it is over.
	ErrLink = errors.New("this link is over or incomplete; ask for a new one")
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
