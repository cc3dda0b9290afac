package eng

// Usage is what an instance of a guest has used.
type Usage struct {
	// Memory is the size of its memory at its end, in bytes. A memory never shrinks.
	Memory uint64
	// MemoryLimit is what it could have had. When less than what the guest asked for was left
	// of it, it was refused that, which ends a Go guest with the exit code 2.
	MemoryLimit uint64
	// Disk is what it has added to its directories, in bytes, as [WithDiskLimit] counts it, and
	// what [WithDiskUsed] said.
	Disk uint64
}

// WithUsage has [Guest.Run] store in into what the instance has used, when it ends.
// The default and nil mean that nobody wants to know.
func WithUsage(into *Usage) RunOption {
	return runOption(func(c *runConfig) { c.usage = into })
}

// WithDiskUsed has bytes of the instance's disk limit be used already: by earlier instances that
// had the same directories, as [Usage] has it. The default is 0.
func WithDiskUsed(bytes uint64) RunOption {
	return runOption(func(c *runConfig) { c.diskUsed = bytes })
}

// measure stores what the instance has used.
func (i *Instance) measure() {
	if i.config.usage == nil {
		return
	}
	*i.config.usage = Usage{Memory: i.memory, MemoryLimit: uint64(i.guest.pages) * pageSize, Disk: i.disk.Disk}
}
