package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/iansmith/parigot/internal/gen"
	"github.com/iansmith/parigot/internal/version"
)

// runWith runs the plugin with the given standard input.
func runWith(t *testing.T, input []byte, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "stdin")
	require.NoError(t, os.WriteFile(name, input, 0o600))
	in, err := os.Open(name)
	require.NoError(t, err)
	defer func() { require.NoError(t, in.Close()) }()
	var out, errs bytes.Buffer
	code = run(args, in, &out, &errs)
	return code, out.String(), errs.String()
}

// request returns the wire form of a request for a service without methods.
func request(t *testing.T, parameter string) []byte {
	t.Helper()
	wire, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{"idle.proto"},
		Parameter:      proto.String(parameter),
		ProtoFile: []*descriptorpb.FileDescriptorProto{{
			Name:    proto.String("idle.proto"),
			Package: proto.String("idle"),
			Syntax:  proto.String("proto3"),
			Options: &descriptorpb.FileOptions{GoPackage: proto.String("ex.com/idle")},
			Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Idle")}},
		}},
	})
	require.NoError(t, err)
	return wire
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name           string
		args           []string
		code           int
		stdout, stderr string // one of them has this, the other nothing
	}{
		{name: "version", args: []string{"--version"}, stdout: "protoc-gen-parigot " + gen.Version + " (parigot " + version.Unknown + ")\n"},
		{name: "help", args: []string{"--help"}, stdout: "side=host|guest|both"},
		{name: "short help", args: []string{"-h"}, stdout: "queue_guest_parigot.pb.go"},
		{name: "stray argument", args: []string{"x.proto"}, code: 1, stderr: `unexpected argument "x.proto"`},
		{name: "one too many", args: []string{"--version", "--help"}, code: 1, stderr: "Parameters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runWith(t, nil, tt.args...)
			require.Equal(t, tt.code, code)
			require.Contains(t, stdout, tt.stdout)
			require.Contains(t, stderr, tt.stderr)
			require.Equal(t, tt.stdout == "", stdout == "")
			require.Equal(t, tt.stderr == "", stderr == "")
		})
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := runWith(t, request(t, ""))
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	response := new(pluginpb.CodeGeneratorResponse)
	require.NoError(t, proto.Unmarshal([]byte(stdout), response))
	require.Nil(t, response.Error)
	require.Len(t, response.GetFile(), 3)
}

func TestEmptyRequest(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := runWith(t, nil)
	require.Zero(t, code, stderr)
	response := new(pluginpb.CodeGeneratorResponse)
	require.NoError(t, proto.Unmarshal([]byte(stdout), response))
	require.Empty(t, response.GetFile())
}

func TestNotes(t *testing.T) {
	t.Parallel()
	wire := request(t, "Midle.proto=ex.com/idle,paths=source_relative")
	wire = bytes.ReplaceAll(wire, []byte("idle.proto"), []byte("_dle.proto"))
	code, stdout, stderr := runWith(t, wire)
	require.Zero(t, code)
	require.NotEmpty(t, stdout)
	require.Contains(t, stderr, "protoc-gen-parigot: _dle.proto: the go command leaves _dle.pb.go")
}

func TestFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		input  []byte
		stderr string
	}{
		{"garbage", []byte("this is no request"), "standard input holds no request"},
		{"truncated", request(t, "")[:20], "standard input holds no request"},
		{"unknown parameter", request(t, "colour=red"), `unknown parameter "colour"`},
		{"bad value", request(t, "side=left"), `bad value "left" for parameter "side": want one of host, guest, both`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := runWith(t, tt.input)
			require.Equal(t, 1, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.stderr)
		})
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	// Like a terminal, the null device is a character device.
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer func() { require.NoError(t, null.Close()) }()
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, run(nil, null, &stdout, &stderr))
	require.Contains(t, stderr.String(), "see protoc-gen-parigot --help")
}
