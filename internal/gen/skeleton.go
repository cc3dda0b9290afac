package gen

import (
	"io/fs"

	"google.golang.org/protobuf/types/pluginpb"
)

func (g *generator) skeletons(views []*fileView, dir fs.FS) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	return nil, nil
}
