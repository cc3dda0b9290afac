package contract_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iansmith/parigot/internal/contract"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/contractpb"
)

// TestCompare: what a message M may become, when the guest writes it and the host
// reads it, and the other way round.
func TestCompare(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		guest, host       string // the fields of M
		request, response string // what is wrong, and "" when nothing is
	}{
		"the same":                 {"string a = 1;", "string a = 1;", "", ""},
		"added and removed":        {"string a = 1; int32 b = 2;", "int32 b = 2; M c = 3;", "", ""},
		"renamed":                  {"string a = 1;", "string b = 1;", "", ""},
		"integers":                 {"int32 a = 1; uint64 b = 2; bool c = 3; E d = 4;", "int64 a = 1; bool b = 2; uint32 c = 3; int32 d = 4;", "", ""},
		"zigzag":                   {"sint32 a = 1;", "sint64 a = 1;", "", ""},
		"fixed":                    {"fixed32 a = 1; sfixed64 b = 2;", "sfixed32 a = 1; fixed64 b = 2;", "", ""},
		"packed":                   {"repeated int32 a = 1;", "repeated int32 a = 1 [packed = false];", "", ""},
		"presence":                 {"int32 a = 1;", "optional int32 a = 1;", "", ""},
		"a map is a list":          {"map<string, int32> a = 1;", "repeated Entry a = 1;", "", ""},
		"into a new oneof alone":   {"int32 a = 1; int32 b = 2;", "oneof o { int32 a = 1; } int32 b = 2;", "", ""},
		"string to bytes":          {"string a = 1;", "bytes a = 1;", "", "field M.a (1) was string, is bytes"},
		"bytes to string":          {"bytes a = 1;", "string a = 1;", "field M.a (1) was bytes, is string", ""},
		"bytes to string, renamed": {"bytes a = 1;", "string b = 1;", "field M.a (1) was bytes, is string, and is called b", ""},
		"another encoding":         both("int32 a = 1;", "sint32 a = 1;", "field M.a (1) was int32, is sint32"),
		"another size":             both("fixed32 a = 1;", "fixed64 a = 1;", "field M.a (1) was fixed32, is fixed64"),
		"float":                    both("float a = 1;", "double a = 1;", "field M.a (1) was float, is double"),
		"a truth value":            both("E a = 1;", "bool a = 1;", "field M.a (1) was enum, is bool"),
		"message to bytes":         both("Entry a = 1;", "bytes a = 1;", "field M.a (1) was message, is bytes"),
		"one to many":              {"int32 a = 1;", "repeated int32 a = 1;", "", "field M.a (1) was singular, is repeated"},
		"many to one":              {"repeated string a = 1;", "string a = 1;", "field M.a (1) was repeated, is singular", ""},
		"a map to one":             {"map<string, int32> a = 1;", "Entry a = 1;", "field M.a (1) was a map, is singular", ""},
		"the values of a map":      both("map<string, int32> a = 1;", "map<string, float> a = 1;", "field M.AEntry.value (2) was int32, is float"),
		"another number":           both("int32 a = 1;", "int32 b = 1; int32 a = 2;", "field M.a was number 1, is number 2"),
		"a number used again":      both("int32 a = 1;", "string b = 1;", "field M.a (1) was int32, is string, and is called b"),
		"two into a oneof": {
			"int32 a = 1; int32 b = 2;", "oneof o { int32 a = 1; int32 b = 2; }",
			"field M.a (1) and field 2 are in one oneof, o, for one side only", "",
		},
		"two out of a oneof": {
			"oneof o { int32 a = 1; int32 b = 2; }", "int32 a = 1; oneof o { int32 b = 2; }",
			"", "field M.a (1) and field 2 are in one oneof, o, for one side only",
		},
		"deep":     both("M m = 1; int32 a = 2;", "M m = 1; string a = 2;", "field M.a (2) was int32, is string"),
		"an enum":  both("E e = 1;", "F e = 1;", "value TWO of E was 2, is 3"),
		"nested":   both("N n = 1;", "O n = 1;", "field N.x (1) was int32, is string"),
		"two ways": both("int32 a = 1; string b = 2;", "float a = 1; int32 b = 2;", "field M.a (1) was int32, is float\nfield M.b (2) was string, is int32"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rest := " enum E { ZERO = 0; TWO = 2; } enum F { NULL = 0; MORE = 3; } message Entry { string key = 1; int32 value = 2; } message N { int32 x = 1; } message O { string x = 1; }"
			rest2 := strings.Replace(strings.Replace(rest, "TWO = 2", "ONE = 1", 1), "MORE = 3", "TWO = 3", 1)
			request, response := "message Req { M m = 1; } message Resp {} message M { ", "message Req {} message Resp { M m = 1; } message M { "
			texts, _ := differences(t, service(t, request+c.guest+" }"+rest), service(t, request+c.host+" }"+rest2))
			require.Equal(t, c.request, strings.Join(texts, "\n"), "in a request")
			texts, _ = differences(t, service(t, response+c.guest+" }"+rest), service(t, response+c.host+" }"+rest2))
			require.Equal(t, c.response, strings.Join(texts, "\n"), "in a response")
		})
	}
}

func both(guest, host, text string) struct{ guest, host, request, response string } {
	return struct{ guest, host, request, response string }{guest, host, text, text}
}

// TestCompareRequired: a reader insists on its required fields.
func TestCompareRequired(t *testing.T) {
	t.Parallel()
	const plain = `syntax = "proto2"; message Req { optional int32 a = 1; } message Resp { optional int32 a = 1; }`
	const strict = `syntax = "proto2"; message Req { required int32 a = 1; } message Resp { required int32 a = 1; }`
	const less = `syntax = "proto2"; message Req {} message Resp {}`
	const group = `syntax = "proto2"; message Req { optional group A = 1 {} } message Resp {}`
	const message = `syntax = "proto2"; message Req { optional B a = 1; } message Resp {} message B {}`
	for _, c := range []struct{ guest, host, want string }{
		{plain, strict, "field Req.a (1) was not required, is required"},
		{strict, plain, "field Resp.a (1) was required, is not"},
		{less, strict, "field Req.a (1) is new, and required"},
		{strict, less, "field Resp.a (1) was required, is gone"},
		{strict, strict, ""},
		{group, message, "field Req.a (1) was group, is message"},
	} {
		texts, _ := differences(t, service(t, c.guest), service(t, c.host))
		require.Equal(t, c.want, strings.Join(texts, "\n"))
	}
}

// TestCompareEditions: an edition changes how things are declared, not what they mean.
func TestCompareEditions(t *testing.T) {
	t.Parallel()
	guest := service(t, `syntax = "proto2"; message Req { required int32 a = 1; repeated int32 b = 2; optional group C = 3 { optional int32 d = 1; } } message Resp { optional E e = 1; } enum E { ONE = 1; }`)
	host := compile(t, map[string]string{"main.proto": `edition = "2023";
		message Req {
			int32 a = 1 [features.field_presence = LEGACY_REQUIRED];
			repeated int32 b = 2;
			message C { int32 d = 1; }
			C c = 3 [features.message_encoding = DELIMITED];
		}
		message Resp { E e = 1; }
		enum E { option features.enum_type = CLOSED; ONE = 1; }
		service S { rpc Call(Req) returns (Resp); }`})
	texts, _ := differences(t, guest, host)
	require.Empty(t, texts)
	texts, _ = differences(t, host, guest)
	require.Empty(t, texts)
}

// TestProblem: the sentence has both versions.
func TestProblem(t *testing.T) {
	t.Parallel()
	guest := service(t, "package queue.v1; message Req { bytes payload = 2; } message Resp {}")
	host := service(t, "package queue.v1; message Req { string payload = 2; } message Resp {}")
	module := func(version string) *contractpb.Module {
		return &contractpb.Module{Path: "example.com/queue", Version: version}
	}
	problems := contractOf(t, guest, module("v1.2.0")).Compare(hostOf(host))
	require.Len(t, problems, 1)
	p := problems[0]
	require.Equal(t, "queue.v1.S.Call FIELD_WIRE_COMPATIBLE_TYPE", p.Module+"."+p.Function+" "+p.Rule)
	for want, versions := range map[string][2]*contractpb.Module{
		"was built with queue.v1 of module example.com/queue v1.2.0, the host has v1.3.0":                              {module("v1.2.0"), module("v1.3.0")},
		"was built with queue.v1 of module example.com/queue (devel), the host has another (devel)":                    {module("(devel)"), module("(devel)")},
		"was built with queue.v1 of module example.com/queue v1.2.0, the host has another":                             {module("v1.2.0"), nil},
		"was built with another queue.v1 than the host has":                                                            {nil, module("v1.3.0")},
		"was built with queue.v1 of module example.com/queue v1.2.0, the host has that of module example.com/q v1.3.0": {module("v1.2.0"), {Path: "example.com/q", Version: "v1.3.0"}},
		"was built with queue.v1 of module example.com/queue v1.2.0, the host has v1.2.0 (replaced by ../queue)":       {module("v1.2.0"), {Path: "example.com/queue", Version: "v1.2.0", Replacement: "../queue"}},
	} {
		p.Guest, p.Host = versions[0], versions[1]
		require.Equal(t, want+": field Req.payload (2) was bytes, is string", p.String())
	}
}

// TestCompareStops: a guest chooses how many messages there are.
func TestCompareStops(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("message Req { M0 m = 1; } message Resp {}")
	const n = 11_000
	for i := range n {
		fmt.Fprintf(&b, " message M%d { M%d m = 1; int32 a = 2; }", i, (i+1)%n)
	}
	guest := service(t, b.String())
	host := service(t, "message Req { M m = 1; } message Resp {} message M { M m = 1; string a = 2; }")
	texts, _ := differences(t, guest, host)
	require.Len(t, texts, 100)
	texts, _ = differences(t, guest, service(t, "message Req { M m = 1; } message Resp {} message M { M m = 1; int32 a = 2; }"))
	require.Equal(t, []string{"its messages are too many to compare: more than 10000"}, texts)
}

// TestHash: the hash depends on what is on the wire and on names, and on nothing else.
func TestHash(t *testing.T) {
	t.Parallel()
	base := map[string]string{"main.proto": `syntax = "proto3"; package p;
		message Req { map<string, In> a = 1; oneof o { int32 b = 2; E c = 3; } message In { bytes x = 1; } }
		message Resp { optional int32 a = 1; repeated string b = 2; } enum E { ZERO = 0; ONE = 1; }
		service S { rpc Call(Req) returns (Resp); rpc Other(Req) returns (Req); }`}
	hash := func(files map[string]string) string {
		return string(contractOf(t, compile(t, files), nil).Proto().GetServices()[0].GetHash())
	}
	same := map[string]string{
		"main.proto": `syntax = "proto3"; package p; import "e.proto"; option java_package = "q";
		// S is a service.
		service S { rpc Other(Req) returns (Req); rpc Call(Req) returns (Resp) { option deprecated = true; } }
		message Unused {}
		message Resp { repeated string b = 2 [json_name = "bb"]; reserved 7; optional int32 a = 1; }
		message Req { message In { bytes x = 1 [deprecated = true]; message Not {} } oneof o { E c = 3; int32 b = 2; } map<string, In> a = 1; }`,
		"e.proto": `syntax = "proto3"; package p; enum E { ZERO = 0; ONE = 1; reserved 5; }`,
	}
	require.Equal(t, hash(base), hash(same))
	for _, change := range [][2]string{
		{"bytes x = 1", "string x = 1"},
		{"bytes x = 1", "bytes x = 2"},
		{"bytes x = 1", "bytes y = 1"},
		{"ONE = 1", "ONE = 2"},
		{"oneof o { int32 b = 2; E c = 3; }", "int32 b = 2; E c = 3;"},
		{"repeated string b", "string b"},
		{"returns (Resp)", "returns (Req)"},
		{"returns (Resp)", "returns (stream Resp)"},
	} {
		changed := maps.Clone(base)
		changed["main.proto"] = strings.Replace(base["main.proto"], change[0], change[1], 1)
		require.NotEqual(t, changed, base)
		require.NotEqual(t, hash(base), hash(changed), change[1])
	}
	// docs/abi.md shows this.
	require.Equal(t, "method p.S.Call p.Req p.Resp\nmethod p.S.Other p.Req p.Req\nmessage p.Req\nfield 1 a repeated message p.Req.AEntry\n"+
		"field 2 b optional int32 oneof o\nfield 3 c optional enum p.E oneof o\nmessage p.Req.AEntry\nfield 1 key optional string\n"+
		"field 2 value optional message p.Req.In\nmessage p.Req.In\nfield 1 x optional bytes\nmessage p.Resp\nfield 1 a optional int32\n"+
		"field 2 b repeated string\nenum p.E\nvalue 0 ZERO\nvalue 1 ONE\n", contract.Canonical(compile(t, base)))
}
