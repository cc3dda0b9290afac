//go:build wasip1

// Command shout is a filter: it writes everything in capitals.
package main

import (
	"context"
	"strings"

	filterv1 "github.com/iansmith/parigot/examples/filter/gen/filter/v1"
	"github.com/iansmith/parigot/examples/filter/gen/filter/v1/filterv1parigot"
)

type shout struct{}

func init() { filterv1parigot.RegisterFilter(shout{}) }

func (shout) Describe(context.Context, *filterv1.DescribeRequest) (*filterv1.DescribeResponse, error) {
	return &filterv1.DescribeResponse{Summary: "writes everything in capitals"}, nil
}

func (shout) Apply(_ context.Context, req *filterv1.ApplyRequest) (*filterv1.ApplyResponse, error) {
	return &filterv1.ApplyResponse{Text: strings.ToUpper(req.GetText())}, nil
}

func main() {} // a library has none of its own
