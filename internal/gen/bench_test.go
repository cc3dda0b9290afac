package gen_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
)

// large returns a request for a file with many services of five methods each.
func large(tb testing.TB, services int) *pluginpb.CodeGeneratorRequest {
	tb.Helper()
	var b strings.Builder
	b.WriteString(service("a", "ex.com/a", "First", "Call"))
	for i := range services {
		_, _ = fmt.Fprintf(&b, "service S%d {\n", i)
		for j := range 5 {
			_, _ = fmt.Fprintf(&b, "  rpc M%d(Word) returns (Word);\n", j)
		}
		b.WriteString("}\n")
	}
	return requestFor(compileText(tb, map[string]string{"a.proto": b.String()}, "a.proto"), "", "a.proto")
}

func TestLargeFile(t *testing.T) {
	t.Parallel()
	result, err := gen.Generate(large(t, 200), gen.Workspace{})
	require.NoError(t, err)
	require.Nil(t, result.Response.Error)
	require.Len(t, result.Response.GetFile(), 3)
	require.Equal(t, 1001, strings.Count(result.Response.GetFile()[0].GetContent(), "//go:wasmimport"))
}

// BenchmarkGenerate: the time for a method must not depend on how many there
// are.
func BenchmarkGenerate(b *testing.B) {
	for _, services := range []int{10, 100, 1000} {
		request := large(b, services)
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) {
			for b.Loop() {
				_, err := gen.Generate(request, gen.Workspace{})
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*services*5), "µs/method")
		})
	}
}
