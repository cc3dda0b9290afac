package eng_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/pluginsdk/eng"
)

// TestRecordsAreBounded: the log of an engine and its plugins gets so many records of a kind
// about one guest, and the count of the others at the latest when the engine closes.
func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	h, err := eng.New(t.Context(), eng.WithLogger(slog.New(slog.NewTextHandler(&text, nil))), eng.WithRecordRate(1))
	require.NoError(t, err)
	const all = 10_000
	for range all {
		h.Logger().Error("call failed", "guest", "flood")
	}
	require.NoError(t, h.Close(t.Context()))
	require.Less(t, strings.Count(text.String(), `msg="call failed"`), all/10)
	require.Regexp(t, `msg="records dropped: over record_rate" guest=flood of="call failed" records=\d+ in=\d`, text.String())
}
