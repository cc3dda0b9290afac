//go:build !wasip1

package skeleton_impl

import (
	"context"

	skeletonv1 "github.com/iansmith/parigot/internal/gen/testdata/skeleton/v1"
	"github.com/iansmith/parigot/internal/gen/testdata/skeleton/v1/skeletonv1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// CatalogPlugin implements the service skeleton.Catalog.
type CatalogPlugin struct {
	skeletonv1parigot.UnimplementedCatalogServer
}

var _ skeletonv1parigot.CatalogServer = (*CatalogPlugin)(nil)

// Init registers a CatalogPlugin of its own with e, so that its state belongs
// to that engine alone.
func (*CatalogPlugin) Init(ctx context.Context, e eng.Engine) bool {
	return skeletonv1parigot.RegisterCatalog(ctx, e, &CatalogPlugin{}) == nil
}

// describeCatalogPlugin says what Init will register. With a configuration,
// set Config to an empty message of its type. It is no method, because
// Describe is one of the service.
func describeCatalogPlugin() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{skeletonv1parigot.Catalog_ServiceDesc}}
}

// Describe serves skeleton.Catalog.Describe.
func (p *CatalogPlugin) Describe(ctx context.Context, req *skeletonv1.GetRequest) (*skeletonv1.GetResponse, error) {
	return nil, status.Error(status.Unimplemented, skeletonv1parigot.Catalog_Describe_FullName+" is not implemented")
}
