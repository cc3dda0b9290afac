package pluginsdk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/examples/file/gen/file/v1/filev1parigot"
	"github.com/iansmith/parigot/pluginsdk"
)

func TestDescribeMethod(t *testing.T) {
	t.Parallel()
	open := pluginsdk.DescribeMethod(filev1parigot.File_Open_FullName)()
	require.NotNil(t, open)
	require.Equal(t, filev1parigot.File_Open_FullName, string(open.FullName()))
	require.Equal(t, "file.v1.OpenRequest", string(open.Input().FullName()))
	for _, name := range []string{"file.v1.File", "file.v1.File.Missing", "not linked", ""} {
		require.Nil(t, pluginsdk.DescribeMethod(name)(), name)
	}
}
