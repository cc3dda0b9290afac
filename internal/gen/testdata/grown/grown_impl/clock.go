package grownimpl

// This file has another name than the generator gave it.

import (
	"context"
	stdtime "time"

	pb "github.com/iansmith/parigot/internal/gen/testdata/grown/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/grown/v1/grownv1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	status2 "github.com/iansmith/parigot/pluginsdk/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var ParigotInitialize pluginsdk.ParigotInit = pluginsdk.InitFunc(func(ctx context.Context, e eng.Engine) bool {
	return grownv1parigot.RegisterClock(ctx, e, clock{now: stdtime.Now}) == nil
})

var _ grownv1parigot.ClockServer = clock{}

type clock struct {
	grownv1parigot.UnimplementedClockServer
	now func() stdtime.Time
}

func (c clock) Now(_ context.Context, _ *pb.NowRequest) (*pb.NowResponse, error) {
	return &pb.NowResponse{Now: timestamppb.New(c.now())}, nil
}

func status() {}

// Alarm serves grown.Clock.Alarm.
//
// Alarm rings at a time.
func (c clock) Alarm(ctx context.Context, req *timestamppb.Timestamp) (*pb.NowResponse, error) {
	return nil, status2.Error(status2.Unimplemented, grownv1parigot.Clock_Alarm_FullName+" is not implemented")
}
