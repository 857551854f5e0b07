package archive

import "fmt"

// Reason says what is wrong with a file.
type Reason uint8

// The reasons of a DamageError. After Empty, Foreign and Unsupported there is
// nothing to read, after the others everything before the damage was read.
const (
	Empty       Reason = iota + 1 // the file has no octets
	Foreign                       // it is something else
	Unsupported                   // it is of a version of the format that is not read
	Truncated                     // its end is missing
	Unfinished                    // its writer has not closed it: still being written, or left by a crash
	Corrupt                       // it contradicts itself or the format
	Checksum                      // its checksum differs: rows that were read may be wrong
	Trailing                      // something follows after its end
)

var reasonTexts = [...]string{
	Empty:       "empty file",
	Foreign:     "foreign file",
	Unsupported: "unsupported file",
	Truncated:   "truncated",
	Unfinished:  "not closed by its writer",
	Corrupt:     "corrupt",
	Checksum:    "checksum differs",
	Trailing:    "data after the end",
}

// String returns the reason in words, "truncated".
func (r Reason) String() string {
	if int(r) < len(reasonTexts) && reasonTexts[r] != "" {
		return reasonTexts[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// DamageError says where a file cannot be read further and why.
type DamageError struct {
	Name   string // of the file, as given to Open
	Offset int64  // octets from the start of the file, as stored (compressed)
	Reason Reason
	Err    error // what was found there; may be nil
}

// Error returns name, reason, offset and what was found.
func (e *DamageError) Error() string {
	return e.Name + ": " + e.Problem()
}

// Problem is Error without the name.
func (e *DamageError) Problem() string {
	text := fmt.Sprintf("%v at octet %d", e.Reason, e.Offset)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *DamageError) Unwrap() error { return e.Err }
