//go:build !wasip1

package syscall

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
)

// TestGuestsOfTwoVersions: a caller for which a field is a bool, which those who serve it
// read as a string, is refused when it locates the service. So is a server when a guest has
// located the service that means something else. Equals and guests that do not say go on.
func TestGuestsOfTwoVersions(t *testing.T) {
	t.Parallel()
	b := setupServe(t)
	original := b.wasm
	c, _, err := contract.Of(original)
	require.NoError(t, err)
	same, err := contract.Append(original, c)
	require.NoError(t, err)
	changed, ok := proto.Clone(c.Proto()).(*contractpb.Contract)
	require.True(t, ok)
	for _, s := range changed.GetServices() {
		s.Hash = []byte("another")
	}
	for _, f := range changed.GetDescriptors().GetFile() {
		for _, m := range f.GetMessageType() {
			if f.GetPackage() == "kerneltest.v1" && m.GetName() == "DoRequest" {
				m.Field[0].Type = descriptorpb.FieldDescriptorProto_TYPE_BOOL.Enum()
			}
		}
	}
	other, err := contract.Parse(changed)
	require.NoError(t, err)
	differs, err := contract.Append(original, other)
	require.NoError(t, err)

	b.wasm = same
	b.serving(t.Context(), "worker", "one")
	require.Equal(t, "hi\n", b.run("client", "ask", "do echo hi"))
	b.wasm = differs
	const difference = ": field DoRequest.what (1) was "
	refused := b.run("stranger", "ask", "do echo hi")
	require.Contains(t, refused, "FAILED_PRECONDITION: the guest stranger was built for kerneltest.v1.Worker.Do")
	require.Contains(t, refused, "and the guest worker, which serves it, has that of")
	require.Contains(t, refused, difference+"bool, is string")
	b.wasm = original
	require.Equal(t, "hi\n", b.run("silent", "ask", "do echo hi"))

	b.wasm = same
	client := b.asking()
	require.Equal(t, "hi", client.ask("do echo hi"))
	b.wasm = differs
	server := b.start(t.Context(), "worker", "worker", "two")
	line := server.line()
	require.Contains(t, line, "FAILED_PRECONDITION: the guest client was built for kerneltest.v1.Worker.Do")
	require.Contains(t, line, difference+"string, is bool")
	server.requireEnd(1)
	require.Equal(t, "hi", client.ask("do echo hi"))
}
