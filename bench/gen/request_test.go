package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

func TestSyntheticRequestsAreValid(t *testing.T) {
	t.Parallel()
	for _, oneFile := range []bool{false, true} {
		request := synthetic(3, oneFile)
		files, err := protodesc.NewFiles(&descriptorpb.FileDescriptorSet{File: request.GetProtoFile()})
		require.NoError(t, err)
		services := 0
		for _, file := range request.GetProtoFile() {
			desc, err := files.FindFileByPath(file.GetName())
			require.NoError(t, err)
			services += desc.Services().Len()
			for i := range desc.Services().Len() {
				require.Equal(t, methods, desc.Services().Get(i).Methods().Len())
			}
		}
		require.Equal(t, 3, services)
	}
}

func TestInsertKeepsTheRestOfTheFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "benchmarks.md")
	require.NoError(t, insert(name, "first\n"))
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, append(text, "below\n"...), 0o600))
	require.NoError(t, insert(name, "second\n"))
	text, err = os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(text), startMarker+"second\n"+endMarker+"below\n")
	require.NotContains(t, string(text), "first")

	require.NoError(t, os.WriteFile(name, []byte("no markers\n"), 0o600))
	require.ErrorContains(t, insert(name, "third\n"), "has no markers")
}
