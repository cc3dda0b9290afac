//go:build !wasip1

package grownimpl

import (
	"context"

	grownv1 "github.com/iansmith/parigot/internal/gen/testdata/grown/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/grown/v1/grownv1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	status2 "github.com/iansmith/parigot/pluginsdk/status"
)

// CalendarPlugin implements the service grown.Calendar.
//
// Calendar is new.
type CalendarPlugin struct {
	grownv1parigot.UnimplementedCalendarServer
}

var _ grownv1parigot.CalendarServer = (*CalendarPlugin)(nil)

// Init registers a CalendarPlugin of its own with e, so that its state belongs
// to that engine alone.
func (*CalendarPlugin) Init(ctx context.Context, e eng.Engine) bool {
	return grownv1parigot.RegisterCalendar(ctx, e, &CalendarPlugin{}) == nil
}

// Describe says what Init will register. With a configuration, set Config to
// an empty message of its type.
func (*CalendarPlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{grownv1parigot.Calendar_ServiceDesc}}
}

// Today serves grown.Calendar.Today.
func (p *CalendarPlugin) Today(ctx context.Context, req *grownv1.NowRequest) (*grownv1.NowResponse, error) {
	return nil, status2.Error(status2.Unimplemented, grownv1parigot.Calendar_Today_FullName+" is not implemented")
}
