//go:build wasip1

// Command mask is a filter: it hides what follows the word "password". It refuses texts of
// several lines, which could hide one.
package main

import (
	"context"
	"regexp"
	"strings"

	filterv1 "github.com/iansmith/parigot/examples/filter/gen/filter/v1"
	"github.com/iansmith/parigot/examples/filter/gen/filter/v1/filterv1parigot"
	"github.com/iansmith/parigot/pluginsdk/status"
)

type mask struct{ secret *regexp.Regexp }

func init() {
	filterv1parigot.RegisterFilter(&mask{regexp.MustCompile(`(?i)(password:?)\s+\S+`)})
}

func (*mask) Describe(context.Context, *filterv1.DescribeRequest) (*filterv1.DescribeResponse, error) {
	return &filterv1.DescribeResponse{Summary: "hides passwords"}, nil
}

func (m *mask) Apply(_ context.Context, req *filterv1.ApplyRequest) (*filterv1.ApplyResponse, error) {
	if strings.Contains(req.GetText(), "\n") {
		return nil, status.Error(filterv1.FilterErr_FILTER_ERR_REFUSED, "the text has more than one line")
	}
	return &filterv1.ApplyResponse{Text: m.secret.ReplaceAllString(req.GetText(), "$1 ***")}, nil
}

func main() {} // a library has none of its own
