package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// sizes are the numbers of services of the synthetic requests.
var sizes = []int{100, 200, 400, 800}

const (
	methods    = 20 // of each service
	corpusName = "corpus"
)

func requestName(services int, oneFile bool) string {
	return fmt.Sprintf("synthetic-%d-%t", services, oneFile)
}

// largeFiles are files of the corpus that are measured alone: the largest one, of 129 services,
// and the two whose only service is the largest.
var largeFiles = []string{
	"google/cloud/compute/v1/compute.proto",
	"google/analytics/admin/v1alpha/analytics_admin.proto",
	"temporal/api/workflowservice/v1/service.proto",
}

func largeName(nth int) string { return fmt.Sprintf("large-%d", nth) }

// writeRequests writes all requests into dir, one file for each plugin.
func writeRequests(dir, corpus string) error {
	for _, services := range sizes {
		for _, oneFile := range []bool{false, true} {
			if err := writeRequest(dir, requestName(services, oneFile), synthetic(services, oneFile)); err != nil {
				return err
			}
		}
	}
	if corpus == "" {
		return nil
	}
	wire, err := os.ReadFile(corpus)
	if err != nil {
		return err
	}
	request := new(pluginpb.CodeGeneratorRequest)
	if err := proto.Unmarshal(wire, request); err != nil {
		return err
	}
	for i, file := range largeFiles {
		one, err := only(request, file)
		if err == nil {
			err = writeRequest(dir, largeName(i), one)
		}
		if err != nil {
			return err
		}
	}
	return writeRequest(dir, corpusName, request)
}

// only returns the request for one of the files, with what it imports.
func only(request *pluginpb.CodeGeneratorRequest, file string) (*pluginpb.CodeGeneratorRequest, error) {
	needed, found := map[string]bool{file: true}, false
	one := &pluginpb.CodeGeneratorRequest{FileToGenerate: []string{file}, Parameter: request.Parameter, CompilerVersion: request.CompilerVersion}
	for _, f := range slices.Backward(request.GetProtoFile()) { // a file comes after what it imports
		if !needed[f.GetName()] {
			continue
		}
		found = found || f.GetName() == file
		for _, imported := range f.GetDependency() {
			needed[imported] = true
		}
		one.ProtoFile = append(one.ProtoFile, f)
	}
	if !found {
		return nil, fmt.Errorf("the request has no file %s", file)
	}
	slices.Reverse(one.ProtoFile)
	return one, nil
}

func writeRequest(dir, name string, request *pluginpb.CodeGeneratorRequest) error {
	parameter := request.GetParameter()
	for i, plugin := range plugins {
		request.Parameter = proto.String(parameter)
		if i == 0 {
			request.Parameter = proto.String(strings.TrimLeft(parameter+",streaming=skip", ","))
		}
		wire, err := proto.Marshal(request)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+"."+path.Base(plugin)), wire, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// printResponse prints how many files a response holds, and how many bytes.
func printResponse(name string) error {
	wire, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	response := new(pluginpb.CodeGeneratorResponse)
	if err := proto.Unmarshal(wire, response); err != nil {
		return err
	}
	if response.Error != nil {
		return errors.New(response.GetError())
	}
	size := 0
	for _, file := range response.GetFile() {
		size += len(file.GetContent())
	}
	fmt.Println(len(response.GetFile()), size)
	return nil
}

// synthetic returns a request for services, each in a file and a Go package of
// its own, or all in one file. Services and methods have comments.
func synthetic(services int, oneFile bool) *pluginpb.CodeGeneratorRequest {
	request := new(pluginpb.CodeGeneratorRequest)
	files := services
	if oneFile {
		files = 1
	}
	for i := range files {
		file := &descriptorpb.FileDescriptorProto{
			Name:           proto.String(fmt.Sprintf("bench/v%d/bench.proto", i+1)),
			Package:        proto.String(fmt.Sprintf("bench.v%d", i+1)),
			Syntax:         proto.String("proto3"),
			Options:        &descriptorpb.FileOptions{GoPackage: proto.String(fmt.Sprintf("example.com/bench/v%[1]d;benchv%[1]d", i+1))},
			SourceCodeInfo: new(descriptorpb.SourceCodeInfo),
		}
		for j := range services / files {
			addService(file, j)
		}
		request.FileToGenerate = append(request.FileToGenerate, file.GetName())
		request.ProtoFile = append(request.ProtoFile, file)
	}
	return request
}

// addService adds a service, the nth of the file, with its messages.
func addService(file *descriptorpb.FileDescriptorProto, nth int) {
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String(fmt.Sprintf("Shelf%dService", nth))}
	comment(file, " The service keeps books on a shelf.\n It is the usual kind of service.\n", 6, int32(nth))
	for i := range methods {
		var types [2]string
		for j, suffix := range []string{"Request", "Response"} {
			name := fmt.Sprintf("Shelf%dGet%d%s", nth, i, suffix)
			file.MessageType = append(file.MessageType, message(name))
			types[j] = "." + file.GetPackage() + "." + name
		}
		comment(file, " Gets a book by its name. Fails when there is none.\n", 6, int32(nth), 2, int32(i))
		service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
			Name: proto.String(fmt.Sprintf("Get%d", i)), InputType: proto.String(types[0]), OutputType: proto.String(types[1]),
		})
	}
	file.Service = append(file.Service, service)
}

func comment(file *descriptorpb.FileDescriptorProto, text string, at ...int32) {
	info := file.GetSourceCodeInfo()
	info.Location = append(info.Location, &descriptorpb.SourceCodeInfo_Location{
		Path: at, Span: []int32{int32(len(info.GetLocation())), 0, 1}, LeadingComments: proto.String(text),
	})
}

func message(name string) *descriptorpb.DescriptorProto {
	m := &descriptorpb.DescriptorProto{Name: proto.String(name)}
	for i, field := range []string{"name", "title", "text"} {
		m.Field = append(m.Field, &descriptorpb.FieldDescriptorProto{
			Name: proto.String(field), JsonName: proto.String(field), Number: proto.Int32(int32(i + 1)),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		})
	}
	return m
}
