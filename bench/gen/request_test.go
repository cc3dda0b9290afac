package main

import (
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
