package deploy

import (
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/deploymentpb"
)

// TestForms: all fields with a pattern, and no others, have words for it.
func TestForms(t *testing.T) {
	t.Parallel()
	left := make(map[string]bool)
	for name := range forms {
		left[name] = true
	}
	messages := deploymentpb.File_parigot_v1_deployment_proto.Messages()
	for i := range messages.Len() {
		fields := messages.Get(i).Fields()
		for j := range fields.Len() {
			rules, _ := proto.GetExtension(fields.Get(j).Options(), validate.E_Field).(*validate.FieldRules)
			if rules.GetString().HasPattern() || rules.GetRepeated().GetItems().GetString().HasPattern() || rules.GetMap().GetKeys().GetString().HasPattern() {
				require.Contains(t, forms, string(fields.Get(j).Name()))
				delete(left, string(fields.Get(j).Name()))
			}
		}
	}
	require.Empty(t, left)
}
