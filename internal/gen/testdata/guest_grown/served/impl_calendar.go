package served

import (
	"context"

	grownv1 "github.com/iansmith/parigot/internal/gen/testdata/guest_grown/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/guest_grown/v1/grownv1parigot"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// CalendarImpl implements the service guest_grown.Calendar.
//
// Calendar is new.
type CalendarImpl struct {
	grownv1parigot.UnimplementedCalendarServer
}

var _ grownv1parigot.CalendarServer = (*CalendarImpl)(nil)

// Today serves guest_grown.Calendar.Today.
func (i *CalendarImpl) Today(ctx context.Context, req *grownv1.NowRequest) (*grownv1.NowResponse, error) {
	return nil, status.Error(status.Unimplemented, grownv1parigot.Calendar_Today_FullName+" is not implemented")
}
