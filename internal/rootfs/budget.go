package rootfs

import (
	"io/fs"

	"github.com/tetratelabs/wazero/sys"
)

// The numbers of WASI for a limit that is reached. wazero has none.
const (
	ErrnoOpenFiles = 33 // MFILE
	ErrnoDisk      = 51 // NOSPC
)

// entryCost is what a new file or directory counts, beside its content, in bytes.
const entryCost = 4096

// Budget is what one instance may use, over all of its directories. It is for the goroutine
// that runs the instance.
type Budget struct {
	// MaxOpen bounds the files and directories that are open.
	MaxOpen int
	// Roots is how many of them may be the directories themselves, in addition: wazero opens
	// them when they are first used, and ends the guest if that fails.
	Roots int
	// MaxDisk bounds the bytes that the instance adds to its directories: files that grow, and
	// new ones. What it removes makes room again, up to what it has added.
	MaxDisk uint64
	// Disk is how many of them it has added: not more than MaxDisk.
	Disk uint64
	// Check is called between two pieces of long work, and may end the guest by panicking.
	Check func()
	// Exceeded is called with the number of the limit that a call has reached.
	Exceeded func(errno uint16)

	open  int
	files map[fileID]*fileUse // that are open
}

type fileID struct{ dev, ino uint64 }

// fileUse is a file that is open, once or several times.
type fileUse struct {
	open    int
	removed bool
}

func idOf(st sys.Stat_t) fileID { return fileID{st.Dev, st.Ino} }

// mayOpen reports whether one more may be open.
func (b *Budget) mayOpen(path string) bool {
	most := b.MaxOpen
	if path == "." {
		most += b.Roots
	}
	if b.open >= most {
		b.Exceeded(ErrnoOpenFiles)
		return false
	}
	return true
}

// opened counts a file in that may be opened.
func (b *Budget) opened(id fileID) {
	b.open++
	if b.files == nil {
		b.files = map[fileID]*fileUse{}
	}
	use := b.files[id]
	if use == nil {
		use = new(fileUse)
		b.files[id] = use
	}
	use.open++
}

// closed counts a file out. size is what it has at its end.
func (b *Budget) closed(id fileID, size int64) {
	b.open--
	use := b.files[id]
	if use.open--; use.open > 0 {
		return
	}
	delete(b.files, id)
	if use.removed {
		b.shrink(uint64(size) + entryCost)
	}
}

// grow makes room on the disk. It is false if there is none.
func (b *Budget) grow(bytes uint64) bool {
	if bytes > b.MaxDisk-b.Disk {
		b.Exceeded(ErrnoDisk)
		return false
	}
	b.Disk += bytes
	return true
}

func (b *Budget) shrink(bytes uint64) { b.Disk -= min(bytes, b.Disk) }

// removed gives back what a file took that had this name, once nobody has it open.
func (b *Budget) removed(info fs.FileInfo) {
	st := sys.NewStat_t(info)
	switch use := b.files[idOf(st)]; {
	case st.Nlink > 1 && !info.IsDir(): // it has another name
	case use != nil:
		use.removed = true
	case info.Mode().IsRegular():
		b.shrink(uint64(st.Size) + entryCost)
	default:
		b.shrink(entryCost)
	}
}
