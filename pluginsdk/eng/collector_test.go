package eng

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCollectorEnv(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env            [][2]string
		initial, limit uint64
		want           [][2]string
	}{
		"much room":         {nil, 16 * mib, 256 * mib, [][2]string{{"GOMEMLIMIT", "188743680"}, {"GOGC", "300"}}},
		"little room":       {nil, 16 * mib, 32 * mib, [][2]string{{"GOMEMLIMIT", "12582912"}}},
		"none":              {nil, 16 * mib, 16 * mib, nil},
		"the host's choice": {[][2]string{{"GOGC", "off"}, {"A", "b"}}, 0, 256 * mib, [][2]string{{"GOGC", "off"}, {"A", "b"}, {"GOMEMLIMIT", "201326592"}}},
		"all of it":         {[][2]string{{"GOGC", "1"}, {"GOMEMLIMIT", "1"}}, 0, 256 * mib, [][2]string{{"GOGC", "1"}, {"GOMEMLIMIT", "1"}}},
	} {
		require.Equal(t, c.want, collectorEnv(c.env, c.initial, c.limit), name)
	}
}
