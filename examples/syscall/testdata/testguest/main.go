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
	answer := new(syscallpb.NextRequest)
	for {
		next, err := kernel.Next(ctx, answer)
		switch {
		case err != nil:
			return err
		case next.GetExit().GetDrained():
			return nil
		case next.GetCall() == 0:
			answer.Reset()
		default:
			answer = greet(next)
		}
	}
}

func greet(in *syscallpb.NextResponse) *syscallpb.NextRequest {
	word := string(in.GetParam())
	if word == "die" {
		panic("as asked")
	}
	return &syscallpb.NextRequest{Call: in.GetCall(), Result: []byte("Hello, " + word + ", says " + in.GetCallerName() + "'s friend")}
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
	method := found.GetBinding()[0].GetMethodId()
	for _, word := range words {
		resp, err := kernel.Call(ctx, &syscallpb.CallRequest{
			MethodHigh: method.GetHigh(), MethodLow: method.GetLow(), Param: []byte(word),
		})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(string(resp.GetResult()))
	}
	return nil
}
