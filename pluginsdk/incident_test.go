package pluginsdk_test

import (
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/instance"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TestIncident: the guest gets a code and an id, the log the rest under that id.
func TestIncident(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	inst := &instance.State{Name: "app", Logger: slog.New(slog.NewTextHandler(&log, nil)), Counters: new(instance.Counters)}
	ctx := pluginsdk.ManufactureHostContext(instance.NewContext(t.Context(), inst), "queue.v1.Queue.Send")
	secret := errors.New("/var/lib/secret.db is full")

	err := pluginsdk.Incident(ctx, status.DataLoss, secret)
	require.ErrorIs(t, err, status.Of(status.DataLoss))
	require.ErrorIs(t, err, secret, "the host sees the cause")
	coded, ok := status.From(err)
	require.True(t, ok)
	incident := regexp.MustCompile(`^queue\.v1\.Queue\.Send failed in the host, incident (i-[0-9a-f]{32})$`).FindStringSubmatch(coded.Message())
	require.NotNil(t, incident, coded.Message())
	require.Contains(t, log.String(), "incident="+incident[1])
	require.Contains(t, log.String(), "secret.db")
	require.Contains(t, log.String(), "guest=app")
	require.EqualValues(t, 1, inst.Counters.Incidents.Load())

	require.NoError(t, pluginsdk.Incident(ctx, status.DataLoss, nil))
	require.Equal(t, secret, pluginsdk.Incident(ctx, status.OK, secret))
	require.EqualValues(t, 1, inst.Counters.Incidents.Load())
}
