package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
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

func TestOnly(t *testing.T) {
	t.Parallel()
	file := func(name string, imports ...string) *descriptorpb.FileDescriptorProto {
		return &descriptorpb.FileDescriptorProto{Name: proto.String(name), Dependency: imports}
	}
	request := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{"c", "d"},
		ProtoFile:      []*descriptorpb.FileDescriptorProto{file("a"), file("x"), file("b", "a"), file("c", "b"), file("d", "c")},
	}
	one, err := only(request, "c")
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, one.GetFileToGenerate())
	var names []string
	for _, f := range one.GetProtoFile() {
		names = append(names, f.GetName())
	}
	require.Equal(t, []string{"a", "b", "c"}, names)
	_, err = only(request, "e")
	require.ErrorContains(t, err, "the request has no file e")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	b := new(bench)
	slow := result{sample: sample{wall: 50, memory: 1}, bytes: 1}
	quick := result{sample: sample{wall: 10, memory: 100}, bytes: 1000}
	require.Equal(t, [3]string{"1.10", "0.90", "1.30"}, b.check("good", []result{{sample: sample{wall: 11, memory: 90}, bytes: 1300}, slow, quick}))
	require.NoError(t, b.over)
	require.Equal(t, [3]string{"**1.20**", "**1.20**", "**1.40**"}, b.check("bad", []result{{sample: sample{wall: 12, memory: 120}, bytes: 1400}, slow, quick}))
	require.EqualError(t, b.over, "bad: 1.20 times the time of the quicker of the others, more than 1.1\n"+
		"bad: 1.20 times the memory of the quicker of the others, more than 1.1\n"+
		"bad: 1.40 times the output of the quicker of the others, more than 1.3")
}
