//go:build unix && !linux

package eng

// adviseHugePages does nothing: the system decides by itself.
func adviseHugePages([]byte) {}
