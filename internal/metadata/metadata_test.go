package metadata

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetadata(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	require.Nil(t, Of(ctx))
	one := With(ctx, "a", "1")
	two := With(With(one, "b", "2"), "a", "3")
	require.Equal(t, map[string]string{"a": "1"}, Of(one))
	require.Equal(t, map[string]string{"a": "3", "b": "2"}, Of(two))
	require.Equal(t, map[string]string{"c": "4"}, Of(Replace(two, map[string]string{"c": "4"})))
	require.Nil(t, Of(Replace(two, nil)))
}
