package nvr

// Protection says what keeps the keys of this box to itself while it runs.
type Protection struct {
	Suite      string // how footage is encrypted, as in "AES-256-GCM"
	MachineKey KeyPlace
	Swap       SwapState
	// Private: other programs cannot look into the memory of this one, and a
	// crash writes none of it to a disk.
	Private bool
	// Egress is what the system does with what this program would send out of the
	// house: "refused", "no-way" where no route leads out, "let-out", or "untested".
	Egress string
	// Erases: copies of keys that the runtime's crypto made are erased with them.
	Erases bool
}

// KeyPlace is where the machine key comes from.
type KeyPlace uint8

// Places of the machine key.
const (
	KeyInFile     KeyPlace = iota // a file in the data folder
	KeyFromSystem                 // a credential of the service manager
	KeyInTPM                      // such a credential, bound to the security chip
)

// SwapState says whether memory that holds keys may be written to a disk.
type SwapState uint8

// States of swap.
const (
	SwapOpen      SwapState = iota // it may be
	SwapOff                        // there is no swap, or it is encrypted or in memory
	SwapForbidden                  // the service manager keeps this program out of it
	SwapLocked                     // the memory of the main process is locked, that of the media workers is not
)
