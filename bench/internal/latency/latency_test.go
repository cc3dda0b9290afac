package latency

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBuckets looks at each bucket's ends: no value is left out, and none is far from what is
// reported for it.
func TestBuckets(t *testing.T) {
	t.Parallel()
	for bucket := range 60 * steps {
		end := endOf(bucket)
		require.Equal(t, bucket, bucketOf(end), "the end of %d", bucket)
		require.Equal(t, bucket+1, bucketOf(end+1), "what comes after %d", bucket)
		if bucket > 0 {
			begin := endOf(bucket-1) + 1
			require.LessOrEqual(t, float64(end-begin), float64(begin)/steps, "the width of %d", bucket)
		}
	}
}

func TestQuantiles(t *testing.T) {
	t.Parallel()
	var all, none Counts
	for ms := range 100 {
		var one Counts
		one.Add(time.Duration(ms+1) * time.Millisecond)
		all.Merge(one, none)
	}
	text, err := json.Marshal(all)
	require.NoError(t, err)
	var read Counts
	require.NoError(t, json.Unmarshal(text, &read))
	require.Equal(t, all, read)
	require.Equal(t, 100, read.Len())
	require.InEpsilon(t, 50*time.Millisecond, read.Quantile(0.5), 1./steps)
	require.InEpsilon(t, 99*time.Millisecond, read.Quantile(0.99), 1./steps)
	require.Equal(t, 100*time.Millisecond, read.Quantile(1))
	require.Equal(t, 100*time.Millisecond, read.Worst)
	require.Zero(t, none.Quantile(0.5))
}
