package preflight

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzFile: whatever a file holds, looking at it ends with an answer.
func FuzzFile(f *testing.F) {
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		f.Add(self[:min(len(self), 4096)])
	}
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Add([]byte("\xff Go buildinf:\x08\x02"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		r := bytes.NewReader(b)
		info, err := buildInfo(r)
		if err == nil {
			_ = compare(info, info).refusal(info, info)
			_ = command(info, info)
		}
		_ = checkObject(r, int64(len(b)))
		_, _ = differentPackages(r)
	})
}

// TestSelf: a program has the packages that it has.
func TestSelf(t *testing.T) {
	t.Parallel()
	self, err := openSelf()
	if err != nil {
		t.Logf("this system has no ELF files: %v", err)
		return
	}
	defer func() { require.NoError(t, self.Close()) }()
	host, err := hostInfo()
	require.NoError(t, err)
	how, beyond, err := Plan(host)
	if Supported() != nil {
		require.ErrorContains(t, err, "this host cannot load Go plugins")
		return
	}
	require.NoError(t, err)
	require.Empty(t, beyond)
	require.Contains(t, how.Flags, "-buildmode=plugin")
}
