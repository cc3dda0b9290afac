//go:build !wasip1

package file

import "strconv"

// FileStatus says whether an open file still takes calls. It turns from
// [Fs_Open] to [Fs_Close] once and never back: opening the same path again makes
// another open file with an id of its own.
type FileStatus int

// The states of an open file.
const (
	// Fs_Open takes calls.
	Fs_Open FileStatus = iota
	// Fs_Close is closed. A call that was on its way while another one closed
	// the file meets this state, and fails with FileClosedError.
	Fs_Close
)

// String returns "open" or "closed", and the number of any other value.
func (fs FileStatus) String() string {
	switch fs {
	case Fs_Open:
		return "open"
	case Fs_Close:
		return "closed"
	}
	return "FileStatus(" + strconv.Itoa(int(fs)) + ")"
}
