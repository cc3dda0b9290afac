package eng_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/core/coretest"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/plugintest"
)

// TestDeprecatedImports: each start of a guest tells once which deprecated
// functions it imports, and nothing about those that it does not.
func TestDeprecatedImports(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := plugintest.Engine(t, eng.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	require.NoError(t, coretest.Register(t.Context(), h, "test.v1.Test", nil,
		coretest.Unary(core.Method{Name: "Echo", Deprecated: true}, testImpl{}.echo),
		coretest.Unary(core.Method{Name: "Unused", Deprecated: true}, testImpl{}.echo)))
	for starts := range 3 {
		require.Equal(t, starts, strings.Count(log.String(), "deprecated"), log.String())
		run(t, h, "world")
	}
	require.Contains(t, log.String(), `level=INFO msg="a guest imports deprecated functions" guest=tester functions=[test.v1.Test.Echo]`)

	log.Reset()
	quiet := newHost(t, eng.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	run(t, quiet, "world")
	require.Empty(t, log.String())
}
