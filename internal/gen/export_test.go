package gen

import (
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/pluginpb"
)

// Method is what a test needs to know to call a generated method.
type Method struct {
	FullName      string
	GoName        string
	Input, Output protogen.GoIdent
}

// Service is what a test needs to know to use the code of a service.
type Service struct {
	FullName            string
	Server, Register    protogen.GoIdent
	Desc                protogen.GoIdent
	NewLocal, NewClient protogen.GoIdent
	HasHost, HasGuest   bool
	// Zero for a native service.
	Serve, Locate protogen.GoIdent
	Methods       []Method
}

// Services returns the services that Generate writes code for.
func Services(request *pluginpb.CodeGeneratorRequest) ([]Service, error) {
	params := defaultParameters()
	plugin, err := protogen.Options{ParamFunc: params.set}.New(request)
	if err != nil {
		return nil, err
	}
	var services []Service
	for _, file := range newGenerator(plugin, params).views() {
		for _, s := range file.Services {
			one := Service{
				FullName:  s.FullName,
				Server:    file.ImportPath.Ident(s.ServerName),
				Register:  file.ImportPath.Ident(s.RegisterName),
				Desc:      file.ImportPath.Ident(s.DescVar),
				NewLocal:  file.ImportPath.Ident(s.NewLocalName),
				NewClient: file.ImportPath.Ident(s.NewClientName),
				HasHost:   params.side != sideGuest,
				HasGuest:  params.side != sideHost,
			}
			if !s.IsNative {
				one.Serve, one.Locate = file.ImportPath.Ident(s.ServeName), file.ImportPath.Ident(s.LocateName)
			}
			for _, m := range s.Methods {
				one.Methods = append(one.Methods, Method{
					FullName: m.FullName, GoName: m.GoName,
					Input: m.Input.GoIdent, Output: m.Output.GoIdent,
				})
			}
			services = append(services, one)
		}
	}
	return services, nil
}

// FileStem and Harmless are internal functions with tests of their own.
var (
	FileStem = fileStem
	Harmless = harmless
	Locals   = locals
	Snake    = snake
)
