// Command testguest is a guest of the tests: it serves greetings, or calls them, by
// talking to the kernel itself, one thing at a time.
//
//	testguest serve           serve until told to end; "die" panics
//	testguest call WORD ...   call with each word and print the results
//	testguest exit WORD ...   the same, and have everybody end
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
	"github.com/iansmith/parigot/pluginsdk/syscallpb"
	"github.com/iansmith/parigot/pluginsdk/syscallpb/syscallpbparigot"
)

var (
	ctx      = context.Background()
	kernel   = syscallpbparigot.NewSyscallClient()
	greeting = &syscallpb.FullyQualifiedService{PackageName: "greeting.v1", ServiceName: "Greeting"}
)

func main() {
	var err error
	switch role := os.Args[1]; role {
	case "serve":
		err = serve()
	default:
		if err = call(os.Args[2:]); err == nil && role == "exit" {
			_, err = kernel.Exit(ctx, &syscallpb.ExitRequest{Everyone: true})
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func serve() error {
	me, err := kernel.Register(ctx, &syscallpb.RegisterRequest{
		PackageName: greeting.GetPackageName(), ServiceName: greeting.GetServiceName(), SingleFlight: true,
	})
	if err != nil {
		return err
	}
	_, bindErr := kernel.BindMethod(ctx, &syscallpb.BindMethodRequest{ServiceId: me.GetServiceId(), MethodName: "Greet"})
	_, exportErr := kernel.Export(ctx, &syscallpb.ExportRequest{ServiceId: me.GetServiceId()})
	_, launchErr := kernel.Launch(ctx, &syscallpb.LaunchRequest{ServiceId: me.GetServiceId()})
	if err := errors.Join(bindErr, exportErr, launchErr); err != nil {
		return err
	}
	fmt.Println("serving")
	for {
		next, err := kernel.ReadOne(ctx, &syscallpb.ReadOneRequest{})
		if err != nil {
			return err
		}
		for _, in := range next.GetCall() {
			if err := greet(in); err != nil {
				return err
			}
		}
		if next.GetExit().GetDrained() {
			return nil
		}
	}
}

func greet(in *syscallpb.IncomingCall) error {
	word := string(in.GetParam().GetValue())
	if word == "die" {
		panic("as asked")
	}
	answer := &anypb.Any{Value: []byte("Hello, " + word + ", says " + in.GetCallerName() + "'s friend")}
	_, err := kernel.ReturnValue(ctx, &syscallpb.ReturnValueRequest{CallId: in.GetCallId(), Result: answer})
	return err
}

func call(words []string) error {
	me, err := kernel.Register(ctx, &syscallpb.RegisterRequest{IsClient: true, SingleFlight: true})
	if err != nil {
		return err
	}
	_, requireErr := kernel.Require(ctx, &syscallpb.RequireRequest{
		Source: me.GetServiceId(), Dest: []*syscallpb.FullyQualifiedService{greeting},
	})
	_, launchErr := kernel.Launch(ctx, &syscallpb.LaunchRequest{ServiceId: me.GetServiceId()})
	found, locateErr := kernel.Locate(ctx, &syscallpb.LocateRequest{Service: greeting})
	if err := errors.Join(requireErr, launchErr, locateErr); err != nil {
		return err
	}
	for _, word := range words {
		result, err := roundTrip(found.GetServiceId(), found.GetBinding()[0].GetMethodId(), word)
		if err != nil {
			result = err.Error()
		}
		fmt.Println(result)
	}
	return nil
}

func roundTrip(service, method *parigotpb.Id, word string) (string, error) {
	sent, err := kernel.Dispatch(ctx, &syscallpb.DispatchRequest{
		ServiceId: service, MethodId: method, Param: &anypb.Any{Value: []byte(word)},
	})
	if err != nil {
		return "", err
	}
	got, err := kernel.ReadOne(ctx, &syscallpb.ReadOneRequest{CallId: sent.GetCallId()})
	if err != nil {
		return "", err
	}
	out := got.GetResolved()[0]
	if out.GetResultError() == 0 {
		return string(out.GetResult().GetValue()), nil
	}
	failure := new(spb.Status)
	if err := proto.Unmarshal(out.GetResult().GetValue(), failure); err != nil {
		return "", err
	}
	return "", status.FromProto(out.GetResultError(), failure)
}
