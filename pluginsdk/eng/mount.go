package eng

import (
	"errors"
	"os"
	"path"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sysfs"

	"github.com/iansmith/parigot/internal/rootfs"
	"github.com/iansmith/parigot/pluginsdk/status"
)

type mount struct {
	host, guest string
	writable    bool
}

// WithMount gives the guest the directory host of the host as guest, an absolute path
// with slashes, to read, and to change if writable. What is outside of the directory
// stays out of its reach, whatever symbolic links and paths say; the guest makes no
// links, and opens nothing but files and directories. [WithMaxOpenFiles] bounds how many, and
// [WithDiskLimit] how much it may write. A directory that cannot be opened, and a path that is not absolute and clean, are
// FAILED_PRECONDITION and INVALID_ARGUMENT when the guest starts. Without this option a
// guest has no files.
func WithMount(host, guest string, writable bool) RunOption {
	return runOption(func(c *runConfig) { c.mounts = append(c.mounts, mount{host, guest, writable}) })
}

// openMounts opens the directories that the instance sees. closeMounts closes them.
func (i *Instance) openMounts() error {
	for _, m := range i.config.mounts {
		if !path.IsAbs(m.guest) || path.Clean(m.guest) != m.guest {
			return status.Errorf(status.InvalidArgument, "a guest cannot see a directory as %q: the path has to be absolute, without . and ..", m.guest)
		}
		root, err := os.OpenRoot(m.host)
		if err != nil {
			return status.Wrap(status.FailedPrecondition, err, "the directory for "+m.guest+" cannot be used")
		}
		i.roots = append(i.roots, root)
	}
	return nil
}

func (i *Instance) newBudget() rootfs.Budget {
	return rootfs.Budget{
		MaxOpen: i.guest.config.openFiles, MaxDisk: i.guest.config.disk,
		Disk:     min(i.config.diskUsed, i.guest.config.disk),
		Roots:    len(i.config.mounts),
		Check:    i.check,
		Exceeded: func(errno uint16) { i.state.Errno = errno },
	}
}

func (i *Instance) mountConfig() wazero.FSConfig {
	c := wazero.NewFSConfig()
	for n, m := range i.config.mounts {
		c = c.(sysfs.FSConfig).WithSysFSMount(rootfs.New(i.roots[n], m.writable, &i.disk), m.guest) // it is documented to be one
	}
	return c
}

func (i *Instance) closeMounts() error {
	var errs []error
	for _, root := range i.roots {
		errs = append(errs, root.Close())
	}
	i.roots = nil
	return errors.Join(errs...)
}
