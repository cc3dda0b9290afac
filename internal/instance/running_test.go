package instance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRunning(t *testing.T) {
	t.Parallel()
	var (
		r    Running
		a, b Flight
	)
	methods := func() (all []string) {
		for call := range r.Each {
			all = append(all, call.Method)
		}
		return all
	}
	require.Empty(t, methods())
	method := "s.M"
	r.Begin(&method, time.Now())
	r.Depart(&a, "s.A", time.Now())
	r.Depart(&b, "s.B", time.Now())
	require.Equal(t, []string{"s.M", "s.B", "s.A"}, methods())
	r.End()
	require.Equal(t, []string{"s.B", "s.A"}, methods())
	for range r.Each { // whoever looks at a call may take locks that others hold when theirs land
		r.Land(&b)
		break
	}
	require.Equal(t, []string{"s.A"}, methods())
	r.Land(&a)
	require.Empty(t, methods())
}
